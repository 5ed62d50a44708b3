// Endpoint selectors of Cilium, which ask for labels with a source: `k8s:app`, `reserved:host`, `any:app`.
// https://docs.cilium.io/en/stable/security/policy/language/

import type { Field } from '../fields.ts';
import type { Requirement } from '../selector.ts';
import { ALL_ADDRESSES } from './address-set.ts';
import { type Answer, and, doubt, isDoubt, type Doubt } from './answer.ts';
import type { PodFacts } from './endpoint.ts';
import { outsideOf, someOutside } from './peer-test.ts';
import { readSelector } from './selector-test.ts';
import type { PeerTest, PodTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface IdentitySelector {
  readonly requirements: readonly IdentityRequirement[];
  readonly isMalformed: boolean;
}

interface IdentityRequirement extends Requirement {
  /** `any` when the key has none. */
  readonly source: string;
}

export interface IdentityScope {
  /** Of the policy; null for one of the cluster. */
  readonly namespace: string | null;
  readonly clusterName: string;
  readonly vocabulary: Vocabulary;
}

const NAMESPACE_KEY = 'io.kubernetes.pod.namespace';
const NAMESPACE_LABEL_PREFIX = 'io.cilium.k8s.namespace.labels.';
const SERVICE_ACCOUNT_KEY = 'io.cilium.k8s.policy.serviceaccount';
const CLUSTER_KEY = 'io.cilium.k8s.policy.cluster';
/** What Cilium by default leaves out of identities. */
const LEFT_OUT =
  /^(?:kubernetes\.io|.*beta\.kubernetes\.io|k8s\.io|io\.kubernetes|statefulset\.kubernetes\.io|apps\.kubernetes\.io|batch\.kubernetes\.io|pod-template-|controller-revision-hash|controller-uid|annotation|etcd_node)/;

const MALFORMED = doubt('malformed', 'the endpoint selector cannot be read');
const FILTERED = doubt('pod-labels', 'Cilium takes such labels into identities only where it is configured to');
const NO_NAMESPACE_LABELS = doubt('namespace-labels', 'the labels of the namespace are not among what was read');
const NO_POD_LABELS = doubt('pod-labels', 'the template does not show all labels of its pods');
const ANY_SERVICE_ACCOUNT = doubt('pod-labels', 'the service account is not known');
const API_SERVER = doubt('node', 'whether the API server is on that node is not known');

export function readIdentitySelector(field: Field): IdentitySelector {
  const { requirements, isMalformed } = readSelector(field);
  return {
    requirements: requirements.map((requirement) => {
      const colon = requirement.key.indexOf(':');
      if (colon === -1) return { ...requirement, source: 'any' };
      return { ...requirement, source: requirement.key.slice(0, colon), key: requirement.key.slice(colon + 1) };
    }),
    isMalformed,
  };
}

/** The pods a policy is applied to: of its own namespace, whatever its selector says of namespaces. */
export function selectSubjects(selector: IdentitySelector, scope: IdentityScope): PodTest {
  return podTest(
    scope.namespace === null ? selector : withRequirement(withoutNamespace(selector), scope.namespace),
    scope,
  );
}

/** The pods, nodes and addresses that a peer selector means: pods of the policy's own namespace where it names none. */
export function selectPeers(selector: IdentitySelector, scope: IdentityScope): PeerTest {
  const scoped = withScope(selector, scope);
  const world = askAll(scoped, (requirement) => reservedLabel(requirement, ['world']));
  return {
    pods: [podTest(scoped, scope)],
    nodes: {
      same: askAll(scoped, (requirement) => reservedLabel(requirement, ['host'])),
      other: askAll(scoped, (requirement) => reservedLabel(requirement, ['remote-node'])),
    },
    outside: isDoubt(world) ? someOutside(ALL_ADDRESSES, world) : outsideOf(world ? ALL_ADDRESSES : []),
  };
}

/** A selector that names reserved identities is taken as it is. */
function withScope(selector: IdentitySelector, { namespace }: IdentityScope): IdentitySelector {
  const { requirements } = selector;
  if (requirements.some(({ source }) => source === 'reserved')) return selector;
  if (requirements.some(({ source, key }) => isPodSource(source) && key === NAMESPACE_KEY)) return selector;
  if (namespace === null) {
    const isPod = { source: 'k8s', key: NAMESPACE_KEY, operator: 'Exists', values: new Set<string>() } as const;
    return { ...selector, requirements: [...requirements, isPod] };
  }
  const hasNamespaceLabels = requirements.some(
    ({ source, key }) => isPodSource(source) && key.startsWith(NAMESPACE_LABEL_PREFIX),
  );
  return hasNamespaceLabels ? selector : withRequirement(selector, namespace);
}

function withRequirement(selector: IdentitySelector, namespace: string): IdentitySelector {
  const own = { source: 'k8s', key: NAMESPACE_KEY, operator: 'In', values: new Set([namespace]) } as const;
  return { ...selector, requirements: [...selector.requirements, own] };
}

function withoutNamespace(selector: IdentitySelector): IdentitySelector {
  return {
    ...selector,
    requirements: selector.requirements.filter(({ source, key }) => !(isPodSource(source) && key === NAMESPACE_KEY)),
  };
}

function podTest(selector: IdentitySelector, scope: IdentityScope): PodTest {
  const { requirements } = selector;
  for (const { source, key } of requirements) {
    if (!isPodSource(source)) continue;
    if (key === SERVICE_ACCOUNT_KEY) scope.vocabulary.serviceAccounts.isAsked = true;
    else if (!isNamespaceKey(key)) scope.vocabulary.podLabels.add(key);
  }
  const own = requirements.find(
    ({ key, operator, values }) => key === NAMESPACE_KEY && operator === 'In' && values.size === 1,
  );
  return {
    kind: 'some',
    key: JSON.stringify(['cilium', ...requirements.map(keyOf).sort(), selector.isMalformed]),
    namespace: own === undefined || !isPodSource(own.source) ? null : ([...own.values][0] ?? null),
    ofNamespace: (namespace) =>
      askAll(
        {
          ...selector,
          requirements: requirements.filter(({ source, key }) => isPodSource(source) && isNamespaceKey(key)),
        },
        ({ key }) => namespaceLabel(key, namespace),
      ),
    ofPod: (pod) =>
      askAll(
        {
          requirements: requirements.filter(({ source, key }) => !(isPodSource(source) && isNamespaceKey(key))),
          isMalformed: false,
        },
        ({ source, key }) => (isPodSource(source) ? podLabel(key, pod, scope) : null),
      ),
  };
}

/** The value of a label, null where there is none, or why nobody knows. */
type Label = string | null | Doubt;

function askAll(
  { requirements, isMalformed }: IdentitySelector,
  labelOf: (requirement: IdentityRequirement) => Label,
): Answer {
  let answer: Answer = isMalformed ? MALFORMED : true;
  for (const requirement of requirements) answer = and(answer, ask(requirement, labelOf(requirement)));
  return answer;
}

function ask({ operator, values }: Requirement, label: Label): Answer {
  if (typeof label === 'object' && label !== null) return label;
  switch (operator) {
    case 'In':
      return label !== null && values.has(label);
    case 'NotIn':
      return label === null || !values.has(label);
    case 'Exists':
      return label !== null;
    case 'DoesNotExist':
      return label === null;
  }
}

function namespaceLabel(key: string, { name, labels, isImplied }: PodFacts['namespace']): Label {
  if (key === NAMESPACE_KEY) return name;
  const label = labels.get(key.slice(NAMESPACE_LABEL_PREFIX.length));
  return label ?? (isImplied ? NO_NAMESPACE_LABELS : null);
}

function podLabel(key: string, { labels, serviceAccount }: PodFacts, { clusterName }: IdentityScope): Label {
  if (key === CLUSTER_KEY) return clusterName;
  if (key === SERVICE_ACCOUNT_KEY) return serviceAccount ?? ANY_SERVICE_ACCOUNT;
  if (LEFT_OUT.test(key)) return FILTERED;
  return labels.labels.get(key) ?? (labels.isImplied ? NO_POD_LABELS : null);
}

function reservedLabel({ source, key }: IdentityRequirement, own: readonly string[]): Label {
  if (source !== 'reserved' && source !== 'any') return null;
  if (own.includes(key)) return '';
  return key === 'kube-apiserver' && !own.includes('world') ? API_SERVER : null;
}

function isPodSource(source: string): boolean {
  return source === 'any' || source === 'k8s';
}

function isNamespaceKey(key: string): boolean {
  return key === NAMESPACE_KEY || key.startsWith(NAMESPACE_LABEL_PREFIX);
}

function keyOf({ source, key, operator, values }: IdentityRequirement): string {
  return JSON.stringify([source, key, operator, [...values].sort()]);
}
