// AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy around NetworkPolicy, as NPEP-285 and its predecessors read.

import type { Body } from '../scene.ts';
import { policiesOf, type Question, rulesOf } from './kubernetes.ts';
import { decide, type RefTier } from './tiers.ts';
import {
  all,
  any,
  is,
  blocksOfPod,
  isInBlock,
  MAYBE,
  NO,
  type Outcome,
  portMatches,
  type RefPlace,
  type RefPod,
  selects,
  type Step,
  YES,
} from './world.ts';

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

interface Pods {
  readonly namespaceSelector: Selector;
  readonly podSelector: Selector;
}

interface AdminPeer {
  readonly namespaces?: Selector;
  readonly pods?: Pods;
  readonly networks?: readonly string[];
}

interface PortRange {
  readonly protocol?: string;
  readonly port?: number;
  readonly start?: number;
  readonly end?: number;
}

interface ClusterPort {
  readonly destinationPort?: {
    readonly number?: number;
    readonly range?: { readonly start: number; readonly end: number };
  };
}

interface AdminRule {
  readonly action: string;
  readonly from?: readonly AdminPeer[];
  readonly to?: readonly AdminPeer[];
  readonly ports?: readonly {
    readonly portNumber?: PortRange;
    readonly portRange?: PortRange;
    readonly namedPort?: string;
  }[];
  readonly protocols?: readonly (Readonly<Record<string, ClusterPort>> & { readonly destinationNamedPort?: string })[];
}

interface AdminSpec {
  readonly tier?: string;
  readonly priority?: number;
  readonly subject: { readonly namespaces?: Selector; readonly pods?: Pods };
  readonly ingress?: readonly AdminRule[];
  readonly egress?: readonly AdminRule[];
}

interface Placed {
  readonly tier: 'Admin' | 'Baseline';
  readonly priority: number;
  readonly steps: readonly Step[];
}

export function adminAllows(bodies: readonly Body[], question: Question): Outcome {
  return decide(adminTiers(bodies, question, kubernetesTier(bodies, question)));
}

export function kubernetesTier(bodies: readonly Body[], question: Question, blockOfPod = MAYBE): RefTier {
  const policies = policiesOf(bodies, question.own, question.direction);
  const steps = policies
    .flatMap((spec) => rulesOf(spec, question, blockOfPod))
    .map((matches) => ({ matches, action: 'allow' as const }));
  return { ranks: [[[steps]]], isIsolated: policies.length > 0, atEnd: 'deny' };
}

function adminTiers(bodies: readonly Body[], question: Question, between: RefTier): readonly RefTier[] {
  const placed = placedPolicies(bodies, question);
  return [tierOf(placed, 'Admin'), between, tierOf(placed, 'Baseline')];
}

/** Policies of one priority come in any order. */
export function tierOf(placed: readonly Placed[], tier: Placed['tier']): RefTier {
  const own = placed.filter((policy) => policy.tier === tier);
  const priorities = [...new Set(own.map(({ priority }) => priority))].sort((left, right) => left - right);
  const ranks = priorities.map((priority) =>
    own.filter((policy) => policy.priority === priority).map(({ steps }) => [steps]),
  );
  return { ranks, isIsolated: false, atEnd: 'pass' };
}

export function placedPolicies(bodies: readonly Body[], question: Question): readonly Placed[] {
  return bodies
    .filter(({ apiVersion }) => apiVersion.startsWith('policy.networking.k8s.io/'))
    .filter(({ spec }) => isSubject((spec as AdminSpec).subject, question.own))
    .map(({ kind, spec }) => {
      const { tier, priority = 0, ...rules } = spec as AdminSpec;
      const isBaseline = kind === 'BaselineAdminNetworkPolicy' || tier === 'Baseline';
      return {
        tier: isBaseline ? 'Baseline' : 'Admin',
        priority: kind === 'BaselineAdminNetworkPolicy' ? 0 : priority,
        steps: (rules[question.direction] ?? []).map((rule) => stepOf(rule, question)),
      };
    });
}

function isSubject({ namespaces, pods }: AdminSpec['subject'], pod: RefPod): boolean {
  return pods === undefined ? isInNamespaces(namespaces, pod) : isAmong(pods, pod);
}

function isAmong({ namespaceSelector, podSelector }: Pods, pod: RefPod): boolean {
  return isInNamespaces(namespaceSelector, pod) && selects(podSelector, pod.labels);
}

function isInNamespaces(selector: Selector | undefined, pod: RefPod): boolean {
  return selects(selector, { ...pod.namespaceLabels, 'kubernetes.io/metadata.name': pod.namespace });
}

const ACTIONS: Readonly<Record<string, Step['action']>> = {
  Allow: 'allow',
  Accept: 'allow',
  Deny: 'deny',
  Pass: 'pass',
};

function stepOf(rule: AdminRule, { direction, own, peer, point }: Question): Step {
  const peers = (direction === 'ingress' ? rule.from : rule.to) ?? [];
  const target = direction === 'ingress' ? own : peer;
  return {
    action: ACTIONS[rule.action] ?? 'pass',
    matches: all(any(NO, ...peers.map((one) => peerMatches(one, peer))), portsMatch(rule, target, point)),
  };
}

function peerMatches({ namespaces, pods, networks }: AdminPeer, peer: RefPlace): Outcome {
  if (networks !== undefined) {
    return peer.kind === 'pod' ? blocksOfPod(networks) : is(networks.some((block) => isInBlock(peer.text, block)));
  }
  if (peer.kind !== 'pod') return NO;
  return is(pods === undefined ? isInNamespaces(namespaces, peer) : isAmong(pods, peer));
}

function portsMatch({ ports, protocols }: AdminRule, target: RefPlace, point: Question['point']): Outcome {
  if (ports !== undefined && ports.length > 0) {
    return any(
      ...ports.map(({ portNumber, portRange, namedPort }) => {
        if (namedPort !== undefined) return portMatches({ name: namedPort, protocol: null }, target, point);
        const { protocol = 'TCP', port, start, end } = portNumber ?? portRange ?? {};
        const number = port ?? start ?? 0;
        return portMatches({ protocol, number, last: end ?? number }, target, point);
      }),
    );
  }
  if (protocols === undefined || protocols.length === 0) return YES;
  return any(
    ...protocols.map((one) => {
      if (one.destinationNamedPort !== undefined)
        return portMatches({ name: one.destinationNamedPort, protocol: null }, target, point);
      const [key = 'tcp'] = Object.keys(one);
      const { number, range } = one[key]?.destinationPort ?? {};
      const protocol = key.toUpperCase();
      if (range !== undefined) return portMatches({ protocol, number: range.start, last: range.end }, target, point);
      return portMatches({ protocol, ...(number === undefined ? {} : { number }) }, target, point);
    }),
  );
}
