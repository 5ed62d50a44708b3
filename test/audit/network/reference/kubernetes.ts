// NetworkPolicy, as its documentation reads.

import type { Body, Labels } from '../scene.ts';
import {
  all,
  any,
  is,
  blocksOfPod,
  isInBlock,
  MAYBE,
  NO,
  type Outcome,
  type Point,
  portMatches,
  type RefPlace,
  type RefPod,
  selects,
  YES,
} from './world.ts';

export interface KubernetesPeer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

interface Selector {
  readonly matchLabels?: Labels;
}

export interface KubernetesRule {
  readonly from?: readonly KubernetesPeer[];
  readonly to?: readonly KubernetesPeer[];
  readonly ports?: readonly {
    readonly port?: number | string;
    readonly endPort?: number;
    readonly protocol?: string;
  }[];
}

export interface KubernetesSpec {
  readonly podSelector: Selector;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly KubernetesRule[];
  readonly egress?: readonly KubernetesRule[];
}

export interface Question {
  readonly direction: 'ingress' | 'egress';
  readonly own: RefPod;
  readonly peer: RefPlace;
  readonly point: Point;
}

export function policiesOf(
  bodies: readonly Body[],
  own: RefPod,
  direction: 'ingress' | 'egress',
): readonly KubernetesSpec[] {
  return bodies
    .filter(({ apiVersion, kind }) => apiVersion === 'networking.k8s.io/v1' && kind === 'NetworkPolicy')
    .filter(({ metadata }) => metadata.namespace === own.namespace)
    .map(({ spec }) => spec as KubernetesSpec)
    .filter(({ podSelector }) => selects(podSelector, own.labels))
    .filter((spec) => typesOf(spec).includes(direction === 'ingress' ? 'Ingress' : 'Egress'));
}

function typesOf({ policyTypes, egress = [] }: KubernetesSpec): readonly string[] {
  if (policyTypes !== undefined && policyTypes.length > 0) return policyTypes;
  return egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

/** What a block says of a pod depends on the CNI. */
export type BlockOfPod = Outcome;

export function rulesOf(spec: KubernetesSpec, question: Question, blockOfPod: BlockOfPod = MAYBE): readonly Outcome[] {
  return (spec[question.direction] ?? []).map((rule) => ruleMatches(rule, question, blockOfPod));
}

export function kubernetesAllows(bodies: readonly Body[], question: Question): Outcome {
  const policies = policiesOf(bodies, question.own, question.direction);
  if (policies.length === 0) return YES;
  return any(NO, ...policies.flatMap((spec) => rulesOf(spec, question)));
}

function ruleMatches(rule: KubernetesRule, question: Question, blockOfPod: BlockOfPod): Outcome {
  const { direction, own, peer, point } = question;
  const peers = (direction === 'ingress' ? rule.from : rule.to) ?? [];
  const ports = rule.ports ?? [];
  const target = direction === 'ingress' ? own : peer;
  return all(
    peers.length === 0 ? YES : any(...peers.map((one) => peerMatches(one, { own, peer }, blockOfPod))),
    ports.length === 0
      ? YES
      : any(
          ...ports.map(({ port, endPort, protocol = 'TCP' }) =>
            portMatches(
              {
                protocol,
                ...(typeof port === 'string' ? { name: port } : {}),
                ...(typeof port === 'number' ? { number: port } : {}),
                ...(endPort === undefined ? {} : { last: endPort }),
              },
              target,
              point,
            ),
          ),
        ),
  );
}

function peerMatches(
  { podSelector, namespaceSelector, ipBlock }: KubernetesPeer,
  { own, peer }: Pick<Question, 'own' | 'peer'>,
  blockOfPod: BlockOfPod,
): Outcome {
  if (ipBlock !== undefined) {
    if (peer.kind === 'pod') return blocksOfPod([ipBlock.cidr], blockOfPod);
    const { cidr, except = [] } = ipBlock;
    return is(isInBlock(peer.text, cidr) && !except.some((block) => isInBlock(peer.text, block)));
  }
  if (peer.kind !== 'pod') return NO;
  const isInNamespace =
    namespaceSelector === undefined
      ? peer.namespace === own.namespace
      : selects(namespaceSelector, { ...peer.namespaceLabels, 'kubernetes.io/metadata.name': peer.namespace });
  return is(isInNamespace && (podSelector === undefined || selects(podSelector, peer.labels)));
}
