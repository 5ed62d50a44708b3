// The indexed view of an inventory that rules work on.

import { isDeepStrictEqual } from 'node:util';
import { MalformedNotes, type Field, type MalformedNote } from './fields.ts';
import { completeKind, type Inventory, type Unreadable } from './inventory.ts';
import { own, type KubeObject } from './kube-object.ts';
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

export interface ObjectName {
  /** Null for an object of the cluster. */
  readonly namespace: string | null;
  readonly name: string;
}

export interface Cluster {
  readonly inventory: Inventory;
  /** By namespace, name and kind, as are all lists here; the same object given twice is there once. */
  readonly objects: readonly KubeObject[];
  /** In the order of their names. */
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly workloads: readonly Workload[];
  /** Templates from which other objects make their pods, such as serving runtimes: to be hardened, and never running as they are. */
  readonly blueprints: readonly Workload[];
  readonly unseen: readonly UnseenTemplate[];
  /** Objects whose pods have all ended; they are no workloads any more. */
  readonly finished: readonly KubeObject[];
  /** Objects that another stands for: replicas, what a Deployment made, or a job of which what was made of it says more. */
  readonly folded: ReadonlySet<KubeObject>;
  workloadsIn(namespace: string): readonly Workload[];
  byKind(group: string, kind: string): readonly KubeObject[];
  inNamespace(group: string, kind: string, namespace: string): readonly KubeObject[];
  /** Of several with one name, the one given last, as applying them in their order would leave it. */
  find(group: string, kind: string, at: ObjectName): KubeObject | null;
  /** Whether what is not there is known not to exist: in one namespace, or anywhere (null, or left out). */
  isKnown(group: string, kind: string, namespace?: string | null): true | Unreadable;
  /** What stands at a path of an object; reading it notes what is malformed. */
  field(object: KubeObject, ...path: Path): Field;
  /** What has been found malformed so far in an object, or in all. */
  malformedIn(object: KubeObject): readonly MalformedNote[];
  readonly malformed: readonly MalformedNote[];
  /** `build(cluster)`, made once for each function: for what several rules work on. */
  once<T>(build: (cluster: Cluster) => T): T;
}

export function buildCluster(inventory: Inventory): Cluster {
  const notes = new MalformedNotes();
  const byIdentity = new Map<string, KubeObject>();
  const objects = indexObjects(inventory.objects, byIdentity).sort(compareObjects);
  for (const object of objects) noteMetadata(object, notes);
  const byKind = groupBy(objects, ({ group, kind }) => kindKey(group, kind));
  const byPlace = groupBy(objects, ({ group, kind, namespace }) => `${kindKey(group, kind)}\n${namespace ?? ''}`);
  const { workloads, blueprints, unseen, finished, folded } = findWorkloads(objects, notes);
  const workloadsByNamespace = groupBy(workloads, ({ namespace }) => namespace);
  const known = new Map<string, true | Unreadable>();
  const built = new Map<unknown, unknown>();
  const cluster: Cluster = {
    inventory,
    objects,
    namespaces: readNamespaces({ objects, workloads, given: byKind.get('Namespace') ?? [] }, notes),
    workloads,
    blueprints,
    unseen,
    finished,
    folded,
    workloadsIn: (namespace) => workloadsByNamespace.get(namespace) ?? [],
    byKind: (group, kind) => byKind.get(kindKey(group, kind)) ?? [],
    inNamespace: (group, kind, namespace) => byPlace.get(`${kindKey(group, kind)}\n${namespace}`) ?? [],
    find: (group, kind, at) => byIdentity.get(identityKey({ group, kind, ...at })) ?? null,
    isKnown: (group, kind, namespace = null) => {
      const key = kindKey(group, kind);
      const question = completeKind(key, namespace);
      const answer = known.get(question) ?? isKindKnown({ inventory, isGiven: byKind.has(key) }, key, namespace);
      known.set(question, answer);
      return answer;
    },
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

function indexObjects(objects: readonly KubeObject[], byIdentity: Map<string, KubeObject>): KubeObject[] {
  return objects.filter((object) => {
    const key = identityKey(object);
    const known = byIdentity.get(key);
    if (known !== undefined && isDeepStrictEqual(known.body, object.body)) return false;
    byIdentity.set(key, object);
    return true;
  });
}

/** Labels and annotations of `KubeObject` are without what is no string. */
function noteMetadata(object: KubeObject, notes: MalformedNotes): void {
  const metadata = own(object.body, 'metadata');
  for (const key of ['labels', 'annotations'] as const) {
    const value = own(metadata, key) ?? {};
    const isWhole =
      typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === object[key].size;
    if (!isWhole) notes.fieldOf(object).get('metadata', key).asTextMap();
  }
}

function readNamespaces(
  from: {
    readonly objects: readonly KubeObject[];
    readonly workloads: readonly Workload[];
    readonly given: readonly KubeObject[];
  },
  notes: MalformedNotes,
): ReadonlyMap<string, Namespace> {
  const objectOf = new Map(from.given.map((object) => [object.name, object]));
  const names = new Set(objectOf.keys());
  for (const { namespace } of [...from.objects, ...from.workloads]) if (namespace !== null) names.add(namespace);
  return new Map(
    [...names].sort().map((name) => {
      const object = objectOf.get(name) ?? null;
      const labels = new Map(object?.labels).set('kubernetes.io/metadata.name', name);
      const isImplied = object === null || notes.of(object).length > 0;
      return [name, { name, labels, annotations: object?.annotations ?? new Map(), object, isImplied }];
    }),
  );
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
  const isFromFiles = completeKinds === 'as-given';
  const isComplete = isFromFiles
    ? isGiven
    : completeKinds.has(kind) || (namespace !== null && completeKinds.has(completeKind(kind, namespace)));
  if (isComplete) return true;
  const detail = isFromFiles ? `no ${kind} is among the given files` : `${kind} was not read from the API server`;
  return { what: kind, kind, namespace, reason: 'not-given', detail, position: null };
}

function identityKey({
  group,
  kind,
  namespace,
  name,
}: Pick<KubeObject, 'group' | 'kind' | 'namespace' | 'name'>): string {
  return `${kindKey(group, kind)}\n${namespace ?? ''}\n${name}`;
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
