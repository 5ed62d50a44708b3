// Which objects are no workloads of their own, because another stands for them.

import type { KubeObject } from './kube-object.ts';
import type { Owners } from './owners.ts';
import { exceedsTemplate, postureOf } from './posture.ts';
import type { TemplateReading } from './templates/pod-template.ts';

export interface Folding {
  /** What is no workload of its own. */
  readonly away: ReadonlySet<KubeObject>;
  readonly podsOf: ReadonlyMap<KubeObject, readonly KubeObject[]>;
  /** Pods that stand for an owner that is not there, or that they are not like. */
  readonly ofAbsentOwner: ReadonlySet<KubeObject>;
}

/**
 * Of a chain of owners, the highest whose templates are given in full stands for all. Pods of an owner that is not there stand together for
 * it. What has more than the template it is said to be made from stands for itself.
 */
export function fold(readings: ReadonlyMap<KubeObject, TemplateReading>, owners: Owners): Folding {
  const outdone = findOutdone(readings, owners);
  const away = new Set(outdone);
  const podsOf = new Map<KubeObject, KubeObject[]>();
  const ofOwner = new Map<string, KubeObject>();
  for (const [object, reading] of readings) {
    if (outdone.has(object)) continue;
    const owner = highestOf(object, readings, owners);
    const isFolded = owner !== null && !isMoreThan(reading, owner.reading);
    const [pod] = reading.templates;
    if (object.kind !== 'Pod' || pod === undefined) {
      if (isFolded) away.add(object);
      continue;
    }
    const isDebugged = pod.podSpec.get('ephemeralContainers').asList().length > 0;
    if (isFolded) {
      push(podsOf, owner.object, object);
      if (!isDebugged) away.add(object);
      continue;
    }
    const replicas = owners.replicaKeyOf(object);
    if (replicas === null || isDebugged) continue;
    const key = `${replicas}\n${postureOf(pod.podSpec)}`;
    const first = ofOwner.get(key) ?? object;
    ofOwner.set(key, first);
    push(podsOf, first, object);
    if (first !== object) away.add(object);
  }
  return { away, podsOf, ofAbsentOwner: new Set(ofOwner.values()) };
}

/** Owners that know less of the pods than what was made of them, and templates that were taken over by who refers to them. */
function findOutdone(readings: ReadonlyMap<KubeObject, TemplateReading>, owners: Owners): Set<KubeObject> {
  const outdone = new Set<KubeObject>();
  for (const [object, reading] of readings) {
    for (const { source } of reading.templates) if (source !== null) outdone.add(source);
    if (!isFull(reading)) continue;
    for (const owner of owners.chainOf(object)) {
      const above = readings.get(owner);
      if (above !== undefined && !isFull(above)) outdone.add(owner);
    }
  }
  return outdone;
}

/** Null when no owner's template is given in full: nothing is known of what it makes, and all that is known of what it made counts. */
function highestOf(
  object: KubeObject,
  readings: ReadonlyMap<KubeObject, TemplateReading>,
  owners: Owners,
): TemplateOwner | null {
  const highest = owners.chainOf(object).findLast((member) => isFull(readings.get(member)));
  const reading = highest === undefined ? undefined : readings.get(highest);
  return highest === undefined || reading === undefined || highest === object ? null : { object: highest, reading };
}

interface TemplateOwner {
  readonly object: KubeObject;
  readonly reading: TemplateReading;
}

function isFull(reading: TemplateReading | undefined): boolean {
  return (
    reading !== undefined &&
    reading.templates.length > 0 &&
    reading.templates.every(({ isPartial }) => isPartial === null)
  );
}

/** An old template without replicas is history. */
function isMoreThan({ templates }: TemplateReading, owner: TemplateReading): boolean {
  return templates.some(
    (template) =>
      template.replicas !== 0 && owner.templates.every(({ podSpec }) => exceedsTemplate(template.podSpec, podSpec)),
  );
}

function push<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}
