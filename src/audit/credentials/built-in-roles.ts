// Roles that every cluster has, for when they are not among the objects: as much of them as gives power.
// https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles

import type { PolicyRule } from './policy-rule.ts';

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];

const VIEW: readonly PolicyRule[] = [
  rule(READ, '', [
    'configmaps',
    'endpoints',
    'pods',
    'pods/log',
    'serviceaccounts',
    'services',
    'events',
    'namespaces',
  ]),
  rule(READ, 'apps', ['daemonsets', 'deployments', 'replicasets', 'statefulsets']),
  rule(READ, 'batch', ['cronjobs', 'jobs']),
];

const EDIT: readonly PolicyRule[] = [
  ...VIEW,
  rule(READ, '', ['secrets', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'services/proxy']),
  rule(WRITE, '', ['pods', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'services/proxy']),
  rule(WRITE, '', [
    'configmaps',
    'secrets',
    'serviceaccounts',
    'services',
    'replicationcontrollers',
    'persistentvolumeclaims',
  ]),
  rule(['impersonate'], '', ['serviceaccounts']),
  rule(['create'], '', ['serviceaccounts/token']),
  rule(WRITE, 'apps', ['daemonsets', 'deployments', 'replicasets', 'statefulsets']),
  rule(WRITE, 'batch', ['cronjobs', 'jobs']),
];

const ADMIN: readonly PolicyRule[] = [
  ...EDIT,
  rule([...READ, ...WRITE], 'rbac.authorization.k8s.io', ['rolebindings', 'roles']),
];

export const BUILT_IN_ROLES: ReadonlyMap<string, readonly PolicyRule[]> = new Map([
  ['cluster-admin', [rule(['*'], '*', ['*'])]],
  ['admin', ADMIN],
  ['edit', EDIT],
  ['view', VIEW],
  ['system:discovery', []],
  ['system:basic-user', []],
  ['system:public-info-viewer', []],
  ['system:service-account-issuer-discovery', []],
  ['system:auth-delegator', [rule(['create'], 'authentication.k8s.io', ['tokenreviews'])]],
  ['system:image-puller', []],
  ['system:monitoring', []],
]);

function rule(verbs: readonly string[], group: string, resources: readonly string[]): PolicyRule {
  return { verbs: new Set(verbs), groups: new Set([group]), resources: new Set(resources), names: null };
}
