// All workloads of an inventory: the pod templates of every kind, with running pods folded into what they were made from.

import type { Field, MalformedNotes } from './fields.ts';
import type { KubeObject } from './kube-object.ts';
import { fold } from './folding.ts';
import { Owners, type OwnerReference } from './owners.ts';
import { isFinished } from './templates/finished.ts';
import { blueprintReaderOf, readerOf } from './templates/kinds.ts';
import type { PodTemplate, TemplateContext, TemplateReading, TemplateSubject } from './templates/pod-template.ts';
import { readContainers } from './pod-spec.ts';
import { kindKey } from './scope.ts';
import type { UnseenTemplate, Workload } from './workload.ts';

export interface WorkloadReading {
  readonly workloads: readonly Workload[];
  /** Pod templates that others make their pods from, and that make none themselves. */
  readonly blueprints: readonly Workload[];
  readonly unseen: readonly UnseenTemplate[];
  readonly finished: readonly KubeObject[];
  /** Objects with templates that another stands for. */
  readonly folded: ReadonlySet<KubeObject>;
}

/** What `ref` and `name` say a workload is. */
interface Title {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

const MAX_NESTED = 4;

/** `objects` in the order in which workloads shall be. */
export function findWorkloads(objects: readonly KubeObject[], notes: MalformedNotes): WorkloadReading {
  const owners = new Owners(objects, notes);
  const read = new TemplateReadings(objects, notes);
  const folded = fold(read.byObject, owners);
  const titles = new Titles();
  const workloads = [...read.byObject].flatMap(([object, { templates }]) => {
    if (folded.away.has(object)) return [];
    const reference = folded.ofAbsentOwner.has(object) ? owners.referenceOf(object) : null;
    const title = reference === null ? object : titleOfOwner(object, reference);
    const pods = distribute(templates, folded.podsOf.get(object) ?? []);
    return templates.map((template, index) =>
      toWorkload(object, template, { title, titles, pods: pods[index] ?? [], isOneOfMany: templates.length > 1 }),
    );
  });
  return {
    workloads,
    blueprints: read.blueprints.flatMap(([object, { templates }]) =>
      templates.map((template) =>
        toWorkload(object, template, { title: object, titles, pods: [], isOneOfMany: templates.length > 1 }),
      ),
    ),
    unseen: [...read.byObject].flatMap(([object, { unseen }]) =>
      folded.away.has(object)
        ? []
        : unseen.map(({ at, detail }) => ({ object, ref: refOf(object.namespace, object, null), at, detail })),
    ),
    finished: read.finished,
    folded: folded.away,
  };
}

class TemplateReadings {
  readonly byObject = new Map<KubeObject, TemplateReading>();
  readonly blueprints: (readonly [KubeObject, TemplateReading])[] = [];
  readonly finished: KubeObject[] = [];
  readonly #notes: MalformedNotes;
  readonly #byName = new Map<string, KubeObject>();

  constructor(objects: readonly KubeObject[], notes: MalformedNotes) {
    this.#notes = notes;
    for (const object of objects) this.#byName.set(nameKey(object), object);
    for (const object of objects) this.#readObject(object);
  }

  #readObject(object: KubeObject): void {
    const { group, kind } = object;
    const root = this.#notes.fieldOf(object);
    const blueprintReader = blueprintReaderOf(group, kind);
    if (blueprintReader !== null) {
      this.blueprints.push([object, blueprintReader(root, this.#contextOf(object, 0))]);
      return;
    }
    const reading = readerOf(group, kind)(root, this.#contextOf(object, 0));
    if (reading.templates.length === 0 && reading.unseen.length === 0) return;
    if (isFinished(group, kind, root)) this.finished.push(object);
    else this.byObject.set(object, reading);
  }

  #contextOf(object: TemplateSubject, depth: number): TemplateContext {
    return {
      object,
      find: (group, kind, { namespace, name }) => {
        const found = this.#byName.get(nameKey({ group, kind, namespace, name }));
        return found === undefined ? null : { object: found, root: this.#notes.fieldOf(found) };
      },
      readNested: (root) => this.#readNested(object, root, depth + 1),
    };
  }

  #readNested(object: TemplateSubject, root: Field, depth: number): TemplateReading {
    const kind = root.get('kind').requireText() ?? '';
    const apiVersion = root.get('apiVersion').requireText() ?? '';
    if (depth > MAX_NESTED) return { templates: [], unseen: [{ at: root.path, detail: 'objects nested too deeply' }] };
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
    // An object in another has no name of its own yet, and gets one that nobody knows.
    const inner = {
      group,
      kind,
      namespace: object.namespace,
      name: `${object.name}-`,
      labels: root.get('metadata', 'labels').asTextMap(),
      annotations: root.get('metadata', 'annotations').asTextMap(),
    };
    return readerOf(group, kind)(root, this.#contextOf(inner, depth));
  }
}

/** A pod belongs to the template all of whose labels it has; to the one with most of them where several fit. */
function distribute(templates: readonly PodTemplate[], pods: readonly KubeObject[]): readonly KubeObject[][] {
  const shares: KubeObject[][] = templates.map(() => []);
  for (const pod of pods) {
    let best = templates.length === 1 ? 0 : -1;
    for (const [index, { labels }] of templates.entries()) {
      const fits = [...labels].every(([key, value]) => pod.labels.get(key) === value);
      if (fits && labels.size > (templates[best]?.labels.size ?? -1)) best = index;
    }
    shares[best]?.push(pod);
  }
  return shares;
}

/** Unique texts for workloads. */
class Titles {
  readonly #taken = new Set<string>();

  take(
    namespace: string | null,
    title: Title,
    role: string | null,
  ): { readonly ref: string; readonly role: string | null } {
    for (let count = 1; ; count += 1) {
      const distinct = count === 1 ? role : [role, count].filter((part) => part !== null).join('-');
      const ref = refOf(namespace, title, distinct);
      if (this.#taken.has(ref)) continue;
      this.#taken.add(ref);
      return { ref, role: distinct };
    }
  }
}

function refOf(namespace: string | null, { name, kind }: Title, role: string | null): string {
  const place = namespace === null ? name : `${namespace}/${name}`;
  return role === null ? `${place}[${kind}]` : `${place}[${kind}/${role}]`;
}

/** Pods of a Deployment tell its name by that of their ReplicaSet. */
function titleOfOwner(pod: KubeObject, { apiVersion, kind, name }: OwnerReference): Title {
  const hash = pod.labels.get('pod-template-hash');
  const isOfDeployment = kind === 'ReplicaSet' && hash !== undefined && name.endsWith(`-${hash}`);
  if (!isOfDeployment) return { apiVersion, kind, name };
  return { apiVersion, kind: 'Deployment', name: name.slice(0, -hash.length - 1) };
}

function toWorkload(
  object: KubeObject,
  template: PodTemplate,
  {
    title,
    titles,
    pods,
    isOneOfMany,
  }: {
    readonly title: Title;
    readonly titles: Titles;
    readonly pods: readonly KubeObject[];
    readonly isOneOfMany: boolean;
  },
): Workload {
  const { podSpec, labels, annotations, replicas, isPartial, source } = template;
  const { ref, role } = titles.take(object.namespace, title, isOneOfMany ? template.role : null);
  const named = [podSpec.get('serviceAccountName').asText(), podSpec.get('serviceAccount').asText()];
  return {
    ref,
    object,
    source: source ?? object,
    namespace: object.namespace ?? '',
    apiVersion: title.apiVersion,
    name: title.name,
    kind: title.kind,
    role,
    labels,
    annotations,
    podSpec,
    podPath: podSpec.path,
    serviceAccount: [template.serviceAccount, ...named].find((name) => name !== null && name !== '') ?? 'default',
    replicas: object.kind === 'Pod' ? Math.max(pods.length, 1) : replicas,
    isHostNetwork: podSpec.get('hostNetwork').asBoolean() ?? false,
    containers: readContainers(podSpec, isPartial),
    isPartial,
    pods: object.kind === 'Pod' && pods.length === 0 ? [object] : pods,
  };
}

function nameKey({ group, kind, namespace, name }: Pick<KubeObject, 'group' | 'kind' | 'namespace' | 'name'>): string {
  return `${kindKey(group, kind)}\n${namespace ?? ''}\n${name}`;
}
