// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy beside NetworkPolicy, as Cilium's documentation reads.

import type { Body, Labels } from '../scene.ts';
import { policiesOf, type Question, rulesOf } from './kubernetes.ts';
import {
  all,
  any,
  is,
  isInBlock,
  NO,
  type Outcome,
  portMatches,
  type RefPlace,
  type RefPod,
  selects,
  YES,
} from './world.ts';

interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

export interface CiliumRule {
  readonly fromEndpoints?: readonly Selector[];
  readonly toEndpoints?: readonly Selector[];
  readonly fromEntities?: readonly string[];
  readonly toEntities?: readonly string[];
  readonly fromCIDRSet?: readonly { readonly cidr: string; readonly except?: readonly string[] }[];
  readonly toCIDRSet?: readonly { readonly cidr: string; readonly except?: readonly string[] }[];
  readonly toPorts?: readonly {
    readonly ports: readonly { readonly port: string; readonly endPort?: number; readonly protocol?: string }[];
  }[];
}

export interface CiliumSpec {
  readonly endpointSelector: Selector;
  readonly ingress?: readonly CiliumRule[];
  readonly egress?: readonly CiliumRule[];
  readonly ingressDeny?: readonly CiliumRule[];
  readonly egressDeny?: readonly CiliumRule[];
  readonly enableDefaultDeny?: { readonly ingress?: boolean; readonly egress?: boolean };
}

const NAMESPACE = 'io.kubernetes.pod.namespace';
const NAMESPACE_LABELS = 'io.cilium.k8s.namespace.labels.';

/** What Cilium knows a pod by. */
function identityOf({ namespace, namespaceLabels, labels, serviceAccount }: RefPod): Labels {
  return {
    ...labels,
    [NAMESPACE]: namespace,
    'io.cilium.k8s.policy.serviceaccount': serviceAccount,
    ...Object.fromEntries(
      Object.entries({ ...namespaceLabels, 'kubernetes.io/metadata.name': namespace }).map(([key, value]) => [
        `${NAMESPACE_LABELS}${key}`,
        value,
      ]),
    ),
  };
}

/** Keys may be written with their source. */
function withoutSources({ matchLabels = {}, matchExpressions = [] }: Selector): Required<Selector> {
  const plain = (key: string): string => key.replace(/^(?:k8s|any):/, '');
  return {
    matchLabels: Object.fromEntries(Object.entries(matchLabels).map(([key, value]) => [plain(key), value])),
    matchExpressions: matchExpressions.map((expression) => ({ ...expression, key: plain(expression.key) })),
  };
}

function isPeer(written: Selector, policyNamespace: string | null, peer: RefPod): boolean {
  const selector = withoutSources(written);
  const keys = [...Object.keys(selector.matchLabels), ...selector.matchExpressions.map(({ key }) => key)];
  const namesNamespaces = keys.some((key) => key === NAMESPACE || key.startsWith(NAMESPACE_LABELS));
  if (policyNamespace !== null && !namesNamespaces && peer.namespace !== policyNamespace) return false;
  return selects(selector, identityOf(peer));
}

interface Selecting {
  readonly spec: CiliumSpec;
  readonly namespace: string | null;
}

export function ciliumAllows(bodies: readonly Body[], question: Question): Outcome {
  const { own, direction } = question;
  const selecting = bodies
    .filter(({ apiVersion }) => apiVersion === 'cilium.io/v2')
    .flatMap((body): readonly Selecting[] => {
      const namespace = body.kind === 'CiliumNetworkPolicy' ? (body.metadata.namespace ?? null) : null;
      const specs = [body['spec'], ...((body['specs'] as readonly unknown[] | undefined) ?? [])].filter(
        (spec) => spec !== undefined,
      );
      return specs.map((spec) => ({ spec: spec as CiliumSpec, namespace }));
    })
    .filter(({ namespace }) => namespace === null || namespace === own.namespace)
    .filter(({ spec }) => selects(withoutSources(spec.endpointSelector), identityOf(own)));
  const kubernetes = policiesOf(bodies, own, direction);
  const deny = any(NO, ...selecting.flatMap((one) => matchesOf(one, `${direction}Deny`, question)));
  const allow = any(
    NO,
    ...selecting.flatMap((one) => matchesOf(one, direction, question)),
    ...kubernetes.flatMap((spec) => rulesOf(spec, question, NO)),
  );
  const isClosed = kubernetes.length > 0 || selecting.some(({ spec }) => deniesByDefault(spec, direction));
  const rest = isClosed ? allow : YES;
  return { mayBeYes: deny.mayBeNo && rest.mayBeYes, mayBeNo: deny.mayBeYes || rest.mayBeNo };
}

function deniesByDefault(spec: CiliumSpec, direction: Question['direction']): boolean {
  const { enableDefaultDeny, [direction]: allow = [], [`${direction}Deny` as const]: deny = [] } = spec;
  return enableDefaultDeny?.[direction] ?? allow.length + deny.length > 0;
}

function matchesOf(
  { spec, namespace }: Selecting,
  section: 'ingress' | 'egress' | 'ingressDeny' | 'egressDeny',
  question: Question,
): readonly Outcome[] {
  return (spec[section] ?? []).map((rule) => ruleMatches(rule, namespace, question));
}

function ruleMatches(rule: CiliumRule, namespace: string | null, { direction, own, peer, point }: Question): Outcome {
  const endpoints = direction === 'ingress' ? rule.fromEndpoints : rule.toEndpoints;
  const entities = direction === 'ingress' ? rule.fromEntities : rule.toEntities;
  const blocks = direction === 'ingress' ? rule.fromCIDRSet : rule.toCIDRSet;
  const hasPeers = [endpoints, entities, blocks].some((list) => list !== undefined);
  // A rule without anything in it allows nothing.
  if (!hasPeers && rule.toPorts === undefined) return NO;
  const target = direction === 'ingress' ? own : peer;
  const isMeant =
    !hasPeers ||
    (endpoints ?? []).some((selector) => peer.kind === 'pod' && isPeer(selector, namespace, peer)) ||
    (entities ?? []).some((entity) => isEntity(entity, peer)) ||
    (blocks ?? []).some(
      ({ cidr, except = [] }) =>
        peer.kind === 'address' && isInBlock(peer.text, cidr) && !except.some((block) => isInBlock(peer.text, block)),
    );
  return all(is(isMeant), portsMatch(rule.toPorts, target, point));
}

function isEntity(entity: string, peer: RefPlace): boolean {
  if (entity === 'all') return true;
  return entity === (peer.kind === 'pod' ? 'cluster' : 'world');
}

function portsMatch(toPorts: CiliumRule['toPorts'], target: RefPlace, point: Question['point']): Outcome {
  if (toPorts === undefined) return YES;
  const ports = toPorts.flatMap((one) => one.ports);
  return any(
    NO,
    ...ports.map(({ port, endPort, protocol = 'ANY' }) => {
      const wanted = protocol === 'ANY' ? null : protocol;
      if (!/^\d+$/.test(port)) return portMatches({ name: port, protocol: wanted }, target, point);
      if (port === '0') return portMatches({ protocol: wanted }, target, point);
      return portMatches({ number: Number(port), last: endPort ?? Number(port), protocol: wanted }, target, point);
    }),
  );
}
