// The indexed view of an inventory that rules work on.

import { MalformedNotes, type Field, type MalformedNote } from './fields.ts';
import { completeKind, type Inventory, type Unreadable } from './inventory.ts';
import type { KubeObject } from './kube-object.ts';
import type { Path } from './path.ts';
import { kindKey, type KindKey } from './scope.ts';
import type { UnseenTemplate, Workload } from './workload.ts';
import { findWorkloads } from './workloads.ts';

export interface Namespace {
  readonly name: string;
  /** `kubernetes.io/metadata.name` is always among them. */
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** Null when only objects in it were given. */
  readonly object: KubeObject | null;
  /** Its other labels are not known. */
  readonly isImplied: boolean;
}

export interface Cluster {
  readonly inventory: Inventory;
  /** In the order of their names, as are all lists here. */
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly workloads: readonly Workload[];
  readonly unseen: readonly UnseenTemplate[];
  /** Objects whose pods have all ended; they are no workloads any more. */
  readonly finished: readonly KubeObject[];
  workloadsIn(namespace: string): readonly Workload[];
  byKind(group: string, kind: string): readonly KubeObject[];
  inNamespace(group: string, kind: string, namespace: string): readonly KubeObject[];
  /** `namespace` is null for an object of the cluster. */
  find(
    group: string,
    kind: string,
    at: { readonly namespace: string | null; readonly name: string },
  ): KubeObject | null;
  /** Whether what is not there is known not to exist: in one namespace, or anywhere (null). */
  isKnown(group: string, kind: string, namespace?: string | null): true | Unreadable;
  /** What stands at a path of an object; reading it notes what is malformed. */
  field(object: KubeObject, ...path: Path): Field;
  /** What has been found malformed so far in an object, or in all. */
  malformedIn(object: KubeObject): readonly MalformedNote[];
  readonly malformed: readonly MalformedNote[];
  /** `build(cluster)`, made once: for what several rules work on. */
  once<T>(build: (cluster: Cluster) => T): T;
}

export function buildCluster(inventory: Inventory): Cluster {
  const notes = new MalformedNotes();
  const objects = [...inventory.objects].sort(compareObjects);
  const byKind = groupBy(objects, ({ group, kind }) => kindKey(group, kind));
  const byPlace = groupBy(objects, ({ group, kind, namespace }) => placeKey(kindKey(group, kind), namespace));
  const { workloads, unseen, finished } = findWorkloads(objects, notes);
  const workloadsByNamespace = groupBy(workloads, ({ namespace }) => namespace);
  const built = new Map<unknown, unknown>();
  const cluster: Cluster = {
    inventory,
    namespaces: readNamespaces(objects, workloads),
    workloads,
    unseen,
    finished,
    workloadsIn: (namespace) => workloadsByNamespace.get(namespace) ?? [],
    byKind: (group, kind) => byKind.get(kindKey(group, kind)) ?? [],
    inNamespace: (group, kind, namespace) => byPlace.get(placeKey(kindKey(group, kind), namespace)) ?? [],
    find: (group, kind, { namespace, name }) =>
      byPlace.get(placeKey(kindKey(group, kind), namespace))?.find((object) => object.name === name) ?? null,
    isKnown: (group, kind, namespace = null) =>
      isKindKnown({ inventory, isGiven: byKind.has(kindKey(group, kind)) }, kindKey(group, kind), namespace),
    field: (object, ...path) => notes.fieldOf(object).get(...path),
    malformedIn: (object) => notes.of(object),
    get malformed() {
      return notes.all;
    },
    once: <T>(build: (cluster: Cluster) => T): T => {
      if (!built.has(build)) built.set(build, build(cluster));
      return built.get(build) as T;
    },
  };
  return cluster;
}

function readNamespaces(
  objects: readonly KubeObject[],
  workloads: readonly Workload[],
): ReadonlyMap<string, Namespace> {
  const namespaces = new Map<string, Namespace>();
  const names = new Set([...objects.map(({ namespace }) => namespace), ...workloads.map(({ namespace }) => namespace)]);
  const given = objects.filter(({ group, kind }) => group === '' && kind === 'Namespace');
  for (const object of given) names.add(object.name);
  const objectOf = new Map(given.map((object) => [object.name, object]));
  for (const name of [...names].filter((name) => name !== null).sort()) {
    const object = objectOf.get(name) ?? null;
    namespaces.set(name, {
      name,
      labels: new Map([...(object?.labels ?? []), ['kubernetes.io/metadata.name', name]]),
      annotations: object?.annotations ?? new Map(),
      object,
      isImplied: object === null,
    });
  }
  return namespaces;
}

function isKindKnown(
  { inventory, isGiven }: { readonly inventory: Inventory; readonly isGiven: boolean },
  kind: KindKey,
  namespace: string | null,
): true | Unreadable {
  const { unreadable, completeKinds } = inventory;
  const missed = unreadable.find(
    (entry) =>
      (entry.kind === null || entry.kind === kind) &&
      (entry.namespace === null || namespace === null || entry.namespace === namespace),
  );
  if (missed !== undefined) return missed;
  const isComplete =
    completeKinds === 'as-given'
      ? isGiven
      : completeKinds.has(kind) || (namespace !== null && completeKinds.has(completeKind(kind, namespace)));
  if (isComplete) return true;
  const detail =
    completeKinds === 'as-given' ? `no ${kind} is among the given files` : `${kind} was not read from the API server`;
  return { what: kind, kind, namespace, reason: 'not-given', detail, position: null };
}

function placeKey(kind: KindKey, namespace: string | null): string {
  return `${kind}\n${namespace ?? ''}`;
}

function compareObjects(left: KubeObject, right: KubeObject): number {
  return (
    compareTexts(left.namespace ?? '', right.namespace ?? '') ||
    compareTexts(left.name, right.name) ||
    compareTexts(left.kind, right.kind) ||
    compareTexts(left.group, right.group)
  );
}

function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
