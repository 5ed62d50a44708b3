// Calico's policies in their tiers, with those of Kubernetes among them, as Calico's documentation reads.

import type { Body, Labels } from '../scene.ts';
import { kubernetesTier, placedPolicies, tierOf } from './admin.ts';
import type { Question } from './kubernetes.ts';
import { decide, type RefTier } from './tiers.ts';
import {
  all,
  any,
  is,
  blocksOfPod,
  isInBlock,
  MAYBE,
  negate,
  NO,
  type Outcome,
  portMatches,
  type RefPlace,
  type RefPod,
  type Step,
  YES,
} from './world.ts';

interface Entity {
  readonly nets?: readonly string[];
  readonly notNets?: readonly string[];
  readonly selector?: string;
  readonly notSelector?: string;
  readonly namespaceSelector?: string;
  readonly serviceAccounts?: { readonly names: readonly string[] };
  readonly ports?: readonly (number | string)[];
  readonly notPorts?: readonly (number | string)[];
}

interface CalicoRule {
  readonly action: string;
  readonly protocol?: string;
  readonly notProtocol?: string;
  readonly source?: Entity;
  readonly destination?: Entity;
}

interface CalicoSpec {
  readonly tier?: string;
  readonly order?: number;
  readonly selector?: string;
  readonly namespaceSelector?: string;
  readonly serviceAccountSelector?: string;
  readonly types?: readonly string[];
  readonly ingress?: readonly CalicoRule[];
  readonly egress?: readonly CalicoRule[];
}

interface NetworkSet {
  readonly labels: Labels;
  readonly nets: readonly string[];
}

/** Selectors are compared with what they were written from, not parsed again. */
export type SelectorTests = ReadonlyMap<string, (labels: Labels) => boolean>;

export interface CalicoWorld {
  readonly bodies: readonly Body[];
  readonly selectors: SelectorTests;
}

export function calicoAllows(world: CalicoWorld, question: Question): Outcome {
  return decide(tiersOf(world, question));
}

interface Placed {
  readonly tier: string;
  readonly order: number;
  readonly chain: string;
  readonly name: string;
  readonly steps: readonly Step[];
}

function tiersOf(world: CalicoWorld, question: Question): readonly RefTier[] {
  const { bodies } = world;
  const own = bodies
    .filter(({ apiVersion, kind }) => apiVersion === 'projectcalico.org/v3' && /^(?:Global)?NetworkPolicy$/.test(kind))
    .filter((body) => isSubject(body, world, question.own))
    .filter(({ spec }) => typesOf(spec as CalicoSpec).includes(question.direction === 'ingress' ? 'Ingress' : 'Egress'))
    .map((body): Placed => {
      const { tier = 'default', order = Number.POSITIVE_INFINITY, ...spec } = body['spec'] as CalicoSpec;
      const namespace = body.kind === 'NetworkPolicy' ? (body.metadata.namespace ?? null) : null;
      const steps = (spec[question.direction] ?? [])
        .filter(({ action }) => action !== 'Log')
        .map((rule) => stepOf(rule, { world, namespace }, question));
      return { tier, order, chain: body.kind, name: body.metadata.name, steps };
    });
  const kubernetes = kubernetesTier(bodies, question);
  const ranks = kubernetes.ranks.flat(2).flat();
  const asCalico: readonly Placed[] = kubernetes.isIsolated
    ? [{ tier: 'default', order: 1000, chain: 'Kubernetes', name: '', steps: ranks }]
    : [];
  const admin = placedPolicies(bodies, question);
  return tierList(bodies).map(({ name, atEnd }): RefTier => {
    if (name === 'kube-admin') return tierOf(admin, 'Admin');
    if (name === 'kube-baseline') return tierOf(admin, 'Baseline');
    const members = [...own, ...asCalico].filter(({ tier }) => tier === name);
    return { ranks: ranksOf(members), isIsolated: members.length > 0, atEnd };
  });
}

function tierList(
  bodies: readonly Body[],
): readonly { readonly name: string; readonly order: number; readonly atEnd: 'deny' | 'pass' }[] {
  const given = bodies
    .filter(({ kind }) => kind === 'Tier')
    .map(({ metadata, spec }) => {
      const { order = Number.POSITIVE_INFINITY, defaultAction } = spec as {
        readonly order?: number;
        readonly defaultAction?: string;
      };
      return { name: metadata.name, order, atEnd: defaultAction === 'Pass' ? ('pass' as const) : ('deny' as const) };
    });
  const fixed = [
    { name: 'kube-admin', order: 1000, atEnd: 'pass' as const },
    { name: 'default', order: 1e6, atEnd: 'deny' as const },
    { name: 'kube-baseline', order: 1e7, atEnd: 'pass' as const },
  ];
  return [...given, ...fixed].sort((left, right) => left.order - right.order || (left.name < right.name ? -1 : 1));
}

function ranksOf(members: readonly Placed[]): RefTier['ranks'] {
  const orders = [...new Set(members.map(({ order }) => order))].sort((left, right) => left - right);
  return orders.map((order) => {
    const equals = members.filter((member) => member.order === order);
    return [...new Set(equals.map(({ chain }) => chain))].map((chain) =>
      equals
        .filter((member) => member.chain === chain)
        .sort((left, right) => (left.name < right.name ? -1 : 1))
        .map(({ steps }) => steps),
    );
  });
}

function typesOf({ types = [], ingress = [], egress = [] }: CalicoSpec): readonly string[] {
  if (types.length > 0) return types;
  if (egress.length === 0) return ['Ingress'];
  return ingress.length === 0 ? ['Egress'] : ['Ingress', 'Egress'];
}

function isSubject({ kind, metadata, spec }: Body, world: CalicoWorld, pod: RefPod): boolean {
  const { selector, namespaceSelector, serviceAccountSelector } = spec as CalicoSpec;
  if (kind === 'NetworkPolicy' && metadata.namespace !== pod.namespace) return false;
  return (
    passes(selector, world, endpointLabels(pod)) &&
    (kind === 'NetworkPolicy' || passes(namespaceSelector, world, namespaceLabels(pod))) &&
    passes(serviceAccountSelector, world, accountLabels(pod))
  );
}

function endpointLabels({ labels, namespace, serviceAccount }: RefPod): Labels {
  return {
    ...labels,
    'projectcalico.org/namespace': namespace,
    'projectcalico.org/orchestrator': 'k8s',
    'projectcalico.org/serviceaccount': serviceAccount,
  };
}

function namespaceLabels({ namespaceLabels: labels, namespace }: RefPod): Labels {
  return { ...labels, 'projectcalico.org/name': namespace, 'kubernetes.io/metadata.name': namespace };
}

function accountLabels({ serviceAccount }: RefPod): Labels {
  return serviceAccount === 'runner' ? { kind: 'runner' } : {};
}

function passes(selector: string | undefined, { selectors }: CalicoWorld, labels: Labels): boolean {
  if (selector === undefined || selector === '') return true;
  const test = selectors.get(selector);
  if (test === undefined) throw new Error(`nobody wrote ${selector}`);
  return test(labels);
}

interface PolicyContext {
  readonly world: CalicoWorld;
  readonly namespace: string | null;
}

const ACTIONS: Readonly<Record<string, Step['action']>> = { Allow: 'allow', Deny: 'deny', Pass: 'pass' };

function stepOf(rule: CalicoRule, context: PolicyContext, { direction, own, peer, point }: Question): Step {
  const [source, destination] = direction === 'ingress' ? [peer, own] : [own, peer];
  return {
    action: ACTIONS[rule.action] ?? 'pass',
    matches: all(
      entityMatches(rule.source ?? {}, context, source),
      entityMatches(rule.destination ?? {}, context, destination),
      is(rule.protocol === undefined || rule.protocol === point.protocol),
      is(rule.notProtocol !== point.protocol),
      portsMatch(rule, destination, point),
    ),
  };
}

function portsMatch(
  { protocol = 'TCP', destination = {} }: CalicoRule,
  target: RefPlace,
  point: Question['point'],
): Outcome {
  const listed = (ports: readonly (number | string)[]): Outcome =>
    any(NO, ...ports.map((port) => onePort(port, protocol, target, point)));
  return all(
    destination.ports === undefined || destination.ports.length === 0 ? YES : listed(destination.ports),
    destination.notPorts === undefined || destination.notPorts.length === 0
      ? YES
      : negate(listed(destination.notPorts)),
  );
}

function onePort(port: number | string, protocol: string, target: RefPlace, point: Question['point']): Outcome {
  const range = /^(\d+)(?::(\d+))?$/.exec(String(port));
  if (range === null) return portMatches({ name: String(port), protocol }, target, point);
  return portMatches({ number: Number(range[1]), last: Number(range[2] ?? range[1]), protocol }, target, point);
}

function entityMatches(entity: Entity, { world, namespace }: PolicyContext, place: RefPlace): Outcome {
  const { nets = [], notNets = [], selector, notSelector, namespaceSelector, serviceAccounts } = entity;
  const sets = world.bodies
    .filter(({ kind }) => kind === 'GlobalNetworkSet')
    .map(({ metadata, spec }) => ({
      labels: metadata['labels'] as Labels,
      nets: (spec as { readonly nets: readonly string[] }).nets,
    }));
  const isConfined =
    [selector, namespaceSelector, serviceAccounts].some((part) => part !== undefined) ||
    (notSelector !== undefined && namespace !== null);
  return all(
    nets.length === 0 ? YES : inNets(nets, place),
    notNets.length === 0 ? YES : negate(inNets(notNets, place)),
    isConfined ? selected({ selector, namespaceSelector, serviceAccounts }, { world, namespace, sets }, place) : YES,
    notSelector === undefined ? YES : negate(selectedBy(notSelector, { world, sets }, place)),
  );
}

function inNets(nets: readonly string[], place: RefPlace): Outcome {
  return place.kind === 'pod' ? blocksOfPod(nets) : is(nets.some((net) => isInBlock(place.text, net)));
}

interface SetContext {
  readonly world: CalicoWorld;
  readonly namespace: string | null;
  readonly sets: readonly NetworkSet[];
}

function selected(
  {
    selector,
    namespaceSelector,
    serviceAccounts,
  }: { [Key in 'selector' | 'namespaceSelector' | 'serviceAccounts']: Entity[Key] },
  { world, namespace, sets }: SetContext,
  place: RefPlace,
): Outcome {
  // Sets of the cluster have no service account, and are in no namespace: what asks for the absence of its labels still finds them.
  const isOpen =
    namespaceSelector === undefined
      ? namespace === null
      : namespaceSelector !== 'all()' && passes(namespaceSelector, world, {});
  const chosen = sets.filter(
    ({ labels }) => isOpen && serviceAccounts === undefined && passes(selector, world, labels),
  );
  if (place.kind === 'address') return is(chosen.some(({ nets }) => nets.some((net) => isInBlock(place.text, net))));
  const isHere =
    namespaceSelector === undefined
      ? namespace === null || place.namespace === namespace
      : passes(namespaceSelector, world, namespaceLabels(place));
  const isMeant =
    isHere &&
    passes(selector, world, endpointLabels(place)) &&
    (serviceAccounts?.names.includes(place.serviceAccount) ?? true);
  // The address of a pod may be in a set.
  return any(is(isMeant), chosen.length === 0 ? NO : MAYBE);
}

function selectedBy(selector: string, { world, sets }: Omit<SetContext, 'namespace'>, place: RefPlace): Outcome {
  const chosen = sets.filter(({ labels }) => passes(selector, world, labels));
  if (place.kind === 'address') return is(chosen.some(({ nets }) => nets.some((net) => isInBlock(place.text, net))));
  return any(is(passes(selector, world, endpointLabels(place))), chosen.length === 0 ? NO : MAYBE);
}
