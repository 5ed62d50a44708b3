// What a service account can do that its owner should know of.
// https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks

import { SEVERITIES, type Json, type Severity } from '../finding.ts';
import { formatObject } from '../kube-object.ts';
import { permits, type PolicyRule } from './policy-rule.ts';
import type { Grant } from './rbac.ts';

export type PowerArea = 'admin' | 'secrets' | 'pods' | 'escalation';

export interface Power {
  readonly area: PowerArea;
  /** "read Secrets". */
  readonly title: string;
  readonly inCluster: Severity;
  /** Null for what can be granted for the whole cluster only. */
  readonly inNamespace: Severity | null;
  /** Whether it is one when it is limited to some names. */
  readonly countsWhenNamed: boolean;
  isIn(rule: PolicyRule): boolean;
}

export interface HeldPower {
  readonly power: Power;
  readonly grant: Grant;
  readonly severity: Severity;
}

const RBAC = 'rbac.authorization.k8s.io';
const CHANGE = ['create', 'update', 'patch'];
const WEBHOOKS = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'];

const POWERS: readonly Power[] = [
  {
    area: 'admin',
    title: 'do everything',
    inCluster: 'critical',
    inNamespace: 'high',
    countsWhenNamed: false,
    isIn: ({ verbs, groups, resources }) => verbs.has('*') && resources.has('*') && (groups.has('*') || groups.has('')),
  },
  {
    area: 'admin',
    title: 'change resources of whatever kind',
    inCluster: 'high',
    inNamespace: 'medium',
    countsWhenNamed: false,
    isIn: ({ verbs, resources }) =>
      resources.has('*') && ['*', 'create', 'update', 'patch'].some((verb) => verbs.has(verb)),
  },
  power({
    area: 'secrets',
    title: 'read Secrets',
    inCluster: 'critical',
    inNamespace: 'medium',
    asks: [{ verbs: ['get', 'list', 'watch'], group: '', resources: ['secrets'] }],
  }),
  power({
    area: 'pods',
    title: 'run pods',
    inCluster: 'high',
    inNamespace: 'medium',
    asks: [
      { verbs: ['create'], group: '', resources: ['pods', 'replicationcontrollers'] },
      { verbs: CHANGE, group: 'apps', resources: ['deployments', 'daemonsets', 'statefulsets', 'replicasets'] },
      { verbs: CHANGE, group: 'batch', resources: ['jobs', 'cronjobs'] },
    ],
  }),
  power({
    area: 'pods',
    title: 'run commands in pods',
    inCluster: 'high',
    inNamespace: 'medium',
    asks: [
      // A WebSocket is opened with GET.
      { verbs: ['create', 'get'], group: '', resources: ['pods/exec', 'pods/attach'] },
      { verbs: ['update', 'patch'], group: '', resources: ['pods/ephemeralcontainers'] },
    ],
  }),
  power({
    area: 'pods',
    title: 'speak to every kubelet',
    inCluster: 'critical',
    inNamespace: null,
    asks: [{ verbs: ['get', 'create'], group: '', resources: ['nodes/proxy'] }],
  }),
  power({
    area: 'pods',
    title: 'connect to pods past network policies',
    inCluster: 'medium',
    inNamespace: 'low',
    asks: [{ verbs: ['create', 'get'], group: '', resources: ['pods/portforward', 'pods/proxy', 'services/proxy'] }],
  }),
  namedPower({
    area: 'escalation',
    title: 'give itself any right',
    inCluster: 'critical',
    inNamespace: 'high',
    asks: [{ verbs: ['escalate', 'bind'], group: RBAC, resources: ['roles', 'clusterroles'] }],
  }),
  // What it binds must be its own already, or it must have `bind` as well.
  power({
    area: 'escalation',
    title: 'bind roles',
    inCluster: 'medium',
    inNamespace: 'medium',
    asks: [{ verbs: CHANGE, group: RBAC, resources: ['rolebindings', 'clusterrolebindings'] }],
  }),
  namedPower({
    area: 'escalation',
    title: 'act as others',
    inCluster: 'critical',
    inNamespace: null,
    asks: [{ verbs: ['impersonate'], group: '', resources: ['users', 'groups'] }],
  }),
  namedPower({
    area: 'escalation',
    title: 'act as other service accounts',
    inCluster: 'critical',
    inNamespace: 'high',
    asks: [{ verbs: ['impersonate'], group: '', resources: ['serviceaccounts'] }],
  }),
  power({
    area: 'escalation',
    title: 'issue tokens of service accounts',
    inCluster: 'critical',
    inNamespace: 'high',
    asks: [{ verbs: ['create'], group: '', resources: ['serviceaccounts/token'] }],
  }),
  power({
    area: 'escalation',
    title: 'approve certificates',
    inCluster: 'high',
    inNamespace: null,
    asks: [
      { verbs: ['update', 'patch'], group: 'certificates.k8s.io', resources: ['certificatesigningrequests/approval'] },
    ],
  }),
  power({
    area: 'escalation',
    title: 'see and change what everybody creates',
    inCluster: 'high',
    inNamespace: null,
    asks: [{ verbs: CHANGE, group: 'admissionregistration.k8s.io', resources: WEBHOOKS }],
  }),
  power({
    area: 'escalation',
    title: 'make volumes of any directory of a node',
    inCluster: 'medium',
    inNamespace: null,
    asks: [{ verbs: ['create'], group: '', resources: ['persistentvolumes'] }],
  }),
];

/** Of one area; the gravest first. */
export function powersIn(grants: readonly Grant[], area: PowerArea): readonly HeldPower[] {
  const held = grants.flatMap((grant) =>
    POWERS.filter((power) => power.area === area && power.isIn(grant.rule)).flatMap((power) => {
      const severity = severityOf(power, grant);
      return severity === null ? [] : [{ power, grant, severity }];
    }),
  );
  return held.sort((left, right) => SEVERITIES.indexOf(left.severity) - SEVERITIES.indexOf(right.severity));
}

/** "read Secrets in the whole cluster (ClusterRole x by y[ClusterRoleBinding])". */
export function describePower({ power, grant }: HeldPower): string {
  const { binding, role, group } = grant;
  const through = group === null ? '' : `, to the group ${group}`;
  return `${power.title} ${scopeOf(grant)} (${role} by ${formatObject(binding)}${through})`;
}

export function powerEvidence({ power, grant }: HeldPower): Json {
  const { binding, role, group, namespace, rule } = grant;
  return {
    power: power.title,
    scope: namespace ?? 'cluster',
    role,
    binding: formatObject(binding),
    ...(group === null ? {} : { group }),
    ...(rule.names === null ? {} : { names: [...rule.names] }),
  };
}

/** Each power once, by the grant that reaches farthest. */
export function distinctPowers(held: readonly HeldPower[]): readonly HeldPower[] {
  const byTitle = new Map<string, HeldPower>();
  for (const one of held) {
    const known = byTitle.get(one.power.title);
    if (known === undefined || (known.grant.namespace !== null && one.grant.namespace === null)) {
      byTitle.set(one.power.title, one);
    }
  }
  return [...byTitle.values()];
}

function scopeOf({ namespace }: Grant): string {
  return namespace === null ? 'in the whole cluster' : `in namespace ${namespace}`;
}

/** Names that are worth as much as all. */
const MIGHTY_NAMES = ['cluster-admin', 'admin', 'system:masters'];

function severityOf(power: Power, { rule, namespace }: Grant): Severity | null {
  const severity = namespace === null ? power.inCluster : power.inNamespace;
  if (rule.names === null || severity === null) return severity;
  if (!power.countsWhenNamed) return null;
  return MIGHTY_NAMES.some((name) => rule.names?.has(name)) ? severity : 'low';
}

interface Asks {
  readonly verbs: readonly string[];
  readonly group: string;
  readonly resources: readonly string[];
}

interface PowerTerms extends Pick<Power, 'area' | 'title' | 'inCluster' | 'inNamespace'> {
  readonly asks: readonly Asks[];
}

/** When it is limited to some names, it is what its role is for. */
function power({ asks, ...power }: PowerTerms): Power {
  const isIn = (rule: PolicyRule): boolean =>
    asks.some(({ verbs, group, resources }) =>
      verbs.some((verb) => resources.some((resource) => permits(rule, { verb, group, resource }))),
    );
  return { ...power, countsWhenNamed: false, isIn };
}

function namedPower(terms: PowerTerms): Power {
  return { ...power(terms), countsWhenNamed: true };
}
