// The kinds of a stand-in cluster: those that every cluster has, and some that operators bring.

import type { StandInKind } from './stand-in-store.ts';

function kinds(
  groupVersion: string,
  ...named: readonly (readonly [kind: string, resource: string, scope?: 'cluster'])[]
): readonly StandInKind[] {
  const slash = groupVersion.indexOf('/');
  const group = groupVersion.slice(0, Math.max(slash, 0));
  const isCustom = group.includes('.') && !group.endsWith('.k8s.io');
  return named.map(([kind, resource, scope]) => ({
    group,
    version: groupVersion.slice(slash + 1),
    kind,
    resource,
    isNamespaced: scope !== 'cluster',
    isCustom,
  }));
}

export const STAND_IN_KINDS: readonly StandInKind[] = [
  ...kinds(
    'v1',
    ['Namespace', 'namespaces', 'cluster'],
    ['Node', 'nodes', 'cluster'],
    ['Pod', 'pods'],
    ['Service', 'services'],
    ['ServiceAccount', 'serviceaccounts'],
    ['ConfigMap', 'configmaps'],
    ['Secret', 'secrets'],
    ['LimitRange', 'limitranges'],
    ['PersistentVolumeClaim', 'persistentvolumeclaims'],
    ['PersistentVolume', 'persistentvolumes', 'cluster'],
    ['PodTemplate', 'podtemplates'],
    ['ReplicationController', 'replicationcontrollers'],
  ),
  ...kinds(
    'apps/v1',
    ['Deployment', 'deployments'],
    ['StatefulSet', 'statefulsets'],
    ['DaemonSet', 'daemonsets'],
    ['ReplicaSet', 'replicasets'],
  ),
  ...kinds('batch/v1', ['Job', 'jobs'], ['CronJob', 'cronjobs']),
  ...kinds('networking.k8s.io/v1', ['NetworkPolicy', 'networkpolicies'], ['Ingress', 'ingresses']),
  ...kinds(
    'rbac.authorization.k8s.io/v1',
    ['Role', 'roles'],
    ['RoleBinding', 'rolebindings'],
    ['ClusterRole', 'clusterroles', 'cluster'],
    ['ClusterRoleBinding', 'clusterrolebindings', 'cluster'],
  ),
  ...kinds('apiextensions.k8s.io/v1', ['CustomResourceDefinition', 'customresourcedefinitions', 'cluster']),
  ...kinds(
    'security.istio.io/v1',
    ['PeerAuthentication', 'peerauthentications'],
    ['AuthorizationPolicy', 'authorizationpolicies'],
  ),
  ...kinds('security.istio.io/v1beta1', ['PeerAuthentication', 'peerauthentications']),
  ...kinds('ray.io/v1', ['RayCluster', 'rayclusters'], ['RayJob', 'rayjobs'], ['RayService', 'rayservices']),
];
