// What no rule asks for is not kept: it is half of what a cluster says, changes all the time, and partly is secret.

import { own } from '../audit/kube-object.ts';

/** Takes it out of an object as it was parsed. */
export function dropUnasked(item: object, kind: string): void {
  const metadata = own(item, 'metadata');
  for (const key of ['managedFields', 'resourceVersion', 'generation', 'selfLink']) drop(metadata, key);
  // Of components that elect a leader by an annotation, every other second.
  drop(own(metadata, 'annotations'), 'control-plane.alpha.kubernetes.io/leader');
  if (kind === 'Secret') {
    // Its name and type are enough: what is not kept cannot be told.
    drop(item, 'data');
    drop(item, 'stringData');
    drop(own(metadata, 'annotations'), 'kubectl.kubernetes.io/last-applied-configuration');
  }
  dropStatus(item, kind);
}

/** Of the status that a controller writes again with every replica, or a node with every minute. */
const ASKED_STATUS: ReadonlyMap<string, readonly string[]> = new Map([
  ['Pod', ['phase']],
  ['Node', ['nodeInfo']],
  ['Service', ['loadBalancer']],
  ['Deployment', []],
  ['ReplicaSet', []],
  ['StatefulSet', []],
  ['DaemonSet', []],
  ['ReplicationController', []],
  ['Namespace', []],
  ['CustomResourceDefinition', []],
  ['CronJob', []],
  ['Ingress', []],
  ['PersistentVolumeClaim', []],
  ['PersistentVolume', []],
]);

function dropStatus(item: object, kind: string): void {
  const asked = ASKED_STATUS.get(kind);
  const status = own(item, 'status');
  if (asked === undefined || typeof status !== 'object' || status === null) return;
  for (const key of Object.keys(status)) if (!asked.includes(key)) Reflect.deleteProperty(status, key);
}

function drop(value: unknown, key: string): void {
  if (typeof value === 'object' && value !== null) Reflect.deleteProperty(value, key);
}
