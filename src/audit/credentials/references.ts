// Which Secrets and ConfigMaps a pod template reads, and whether they are there to be looked at.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { Unreadable } from '../inventory.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Path } from '../path.ts';
import type { Workload } from '../workload.ts';

export interface Reference {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly name: string;
  /** `pull`: for the image, by the kubelet. `storage`: for a volume, by its driver. Neither gets into a container. */
  readonly use: 'env' | 'volume' | 'storage' | 'pull';
  /** The variable it is for; null for all keys, or none. */
  readonly variable: string | null;
  readonly container: string | null;
  /** In `source` of the workload. */
  readonly at: Path;
  readonly isOptional: boolean;
}

export type Referent =
  | { readonly kind: 'found'; readonly object: KubeObject }
  /** Known not to be there. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly unreadable: Unreadable };

/** Of every workload of the cluster; for `cluster.once`. */
export function readReferences(cluster: Cluster): ReadonlyMap<Workload, readonly Reference[]> {
  return new Map(cluster.workloads.map((workload) => [workload, referencesOf(workload)]));
}

export function findReferent(
  cluster: Cluster,
  { namespace }: Pick<Workload, 'namespace'>,
  { kind, name }: Pick<Reference, 'kind' | 'name'>,
): Referent {
  const object = cluster.find('', kind, { namespace, name });
  if (object !== null) return { kind: 'found', object };
  const unreadable = unseenByName(cluster, { kind, namespace, name });
  return unreadable === null ? { kind: 'absent' } : { kind: 'unknown', unreadable };
}

/** Why an object of the core group that was not found may be there all the same; null when it is not. */
export function unseenByName(
  cluster: Cluster,
  { kind, namespace, name }: { readonly kind: string; readonly namespace: string; readonly name: string },
): Unreadable | null {
  const known = cluster.isKnown('', kind, namespace);
  if (known !== true) return known;
  // Files need not hold everything of a kind of which they hold something.
  if (cluster.inventory.completeKinds !== 'as-given') return null;
  const what = `${kind} ${name} in namespace ${namespace}`;
  return { what, kind, namespace, reason: 'not-given', detail: 'it is not among the given files', position: null };
}

function referencesOf({ containers, podSpec }: Workload): readonly Reference[] {
  const references: Reference[] = [];
  const add = (field: Field, reference: Omit<Reference, 'name' | 'at' | 'isOptional'>, key = 'name'): void => {
    const name = field.get(key).asText();
    if (name === null || name === '') return;
    references.push({ ...reference, name, at: field.path, isOptional: field.get('optional').asBoolean() === true });
  };
  for (const { field, name: container } of containers) {
    for (const variable of field.get('env').asList()) {
      const name = variable.get('name').asText();
      const from = variable.get('valueFrom');
      add(from.get('secretKeyRef'), { kind: 'Secret', use: 'env', variable: name, container });
      add(from.get('configMapKeyRef'), { kind: 'ConfigMap', use: 'env', variable: name, container });
    }
    for (const from of field.get('envFrom').asList()) {
      add(from.get('secretRef'), { kind: 'Secret', use: 'env', variable: null, container });
      add(from.get('configMapRef'), { kind: 'ConfigMap', use: 'env', variable: null, container });
    }
  }
  const ofPod = { variable: null, container: null };
  for (const volume of podSpec.get('volumes').asList()) {
    add(volume.get('secret'), { kind: 'Secret', use: 'volume', ...ofPod }, 'secretName');
    add(volume.get('configMap'), { kind: 'ConfigMap', use: 'volume', ...ofPod });
    for (const source of volume.get('projected', 'sources').asList()) {
      add(source.get('secret'), { kind: 'Secret', use: 'volume', ...ofPod });
      add(source.get('configMap'), { kind: 'ConfigMap', use: 'volume', ...ofPod });
    }
    for (const [driver, key] of STORAGE_REFERENCES) {
      add(volume.get(driver, key), { kind: 'Secret', use: 'storage', ...ofPod });
    }
    add(volume.get('azureFile'), { kind: 'Secret', use: 'storage', ...ofPod }, 'secretName');
  }
  for (const pull of podSpec.get('imagePullSecrets').asList()) add(pull, { kind: 'Secret', use: 'pull', ...ofPod });
  return references;
}

const STORAGE_REFERENCES = [
  ['csi', 'nodePublishSecretRef'],
  ['cephfs', 'secretRef'],
  ['rbd', 'secretRef'],
  ['iscsi', 'secretRef'],
  ['flexVolume', 'secretRef'],
  ['scaleIO', 'secretRef'],
  ['storageos', 'secretRef'],
] as const;
