// Under which service account a pod runs, and whether it gets that account's token without asking.
// https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/

import type { Cluster } from '../cluster.ts';
import { refToObject, type ResourceRef } from '../finding.ts';
import type { Unreadable } from '../inventory.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Path } from '../path.ts';
import { unseenByName } from './references.ts';
import type { Workload } from '../workload.ts';

export interface AccountName {
  readonly namespace: string;
  readonly name: string;
}

export interface ServiceAccount extends AccountName {
  readonly object: KubeObject | null;
  /** Why it could not be looked at; null when it is there, or is the one that every namespace gets by itself. */
  readonly unseen: Unreadable | null;
  readonly workloads: readonly Workload[];
}

export type Automount =
  /** `says`: whose word it is. */
  | { readonly kind: 'on' | 'off'; readonly says: 'pod' | 'service account' | 'default'; readonly at: Path }
  | { readonly kind: 'unknown'; readonly reason: string; readonly detail: string; readonly at: Path };

/** By `namespace/name`, of all under which a workload runs; for `cluster.once`. */
export function findServiceAccounts(cluster: Cluster): ReadonlyMap<string, ServiceAccount> {
  const workloads = new Map<string, Workload[]>();
  for (const workload of cluster.workloads) {
    if (!hasKnownAccount(workload)) continue;
    const key = accountKey({ namespace: workload.namespace, name: workload.serviceAccount });
    const users = workloads.get(key);
    if (users === undefined) workloads.set(key, [workload]);
    else users.push(workload);
  }
  return new Map(
    [...workloads].map(([key, users]) => {
      const { namespace, serviceAccount: name } = users[0] as Workload;
      const object = cluster.find('', 'ServiceAccount', { namespace, name });
      const isSeen = object !== null || name === 'default';
      const unseen = isSeen ? null : unseenByName(cluster, { kind: 'ServiceAccount', namespace, name });
      return [key, { namespace, name, object, unseen, workloads: users }];
    }),
  );
}

/** A template for whichever namespace will use it has none yet, and what a controller adds to one may be another. */
function hasKnownAccount({ namespace, isPartial, serviceAccount }: Workload): boolean {
  return namespace !== '' && (isPartial === null || serviceAccount !== 'default');
}

/** Null when it is not known. */
export function accountOf(cluster: Cluster, { namespace, serviceAccount }: Workload): ServiceAccount | null {
  return cluster.once(findServiceAccounts).get(accountKey({ namespace, name: serviceAccount })) ?? null;
}

function accountKey({ namespace, name }: AccountName): string {
  return `${namespace}/${name}`;
}

export function refToAccount({ object, namespace, name }: ServiceAccount): ResourceRef {
  if (object !== null) return refToObject(object);
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    namespace,
    name,
    container: null,
    ref: `${namespace}/${name}[ServiceAccount]`,
    object: null,
    locate: () => null,
    body: null,
  };
}

/** The pod's word goes before that of the service account; without either it is on. */
export function automountOf(cluster: Cluster, workload: Workload, account: ServiceAccount): Automount {
  const { podSpec, podPath, isPartial } = workload;
  const ofPod = podSpec.get('automountServiceAccountToken');
  const asked = ofPod.asBoolean();
  if (asked !== null) return { kind: asked ? 'on' : 'off', says: 'pod', at: ofPod.path };
  if (isPartial !== null) return { kind: 'unknown', reason: 'partial-template', detail: isPartial, at: podPath };
  if (account.object !== null) {
    const ofAccount = cluster.field(account.object, 'automountServiceAccountToken').asBoolean();
    if (ofAccount !== null) return { kind: ofAccount ? 'on' : 'off', says: 'service account', at: podPath };
    return { kind: 'on', says: 'default', at: podPath };
  }
  const unseen = account.unseen ?? unseenDefault(cluster, account);
  if (unseen === null) return { kind: 'on', says: 'default', at: podPath };
  const detail = `whether service account ${account.name} has its token mounted is not known: ${unseen.detail}`;
  return { kind: 'unknown', reason: unseen.reason, detail, at: podPath };
}

/** Every namespace has one that mounts; when they could not be listed, somebody may have told it not to. */
function unseenDefault(cluster: Cluster, { namespace }: AccountName): Unreadable | null {
  const known = cluster.isKnown('', 'ServiceAccount', namespace);
  return known === true || known.reason === 'not-given' ? null : known;
}
