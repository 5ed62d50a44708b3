// What policies say of pods and addresses that nobody had in mind when writing them.

import type { KnownLabels } from '../selector.ts';
import { type Doubt, type DoubtCode, isDoubt } from './answer.ts';
import { type AnswerOf, askPeer, askProgram } from './ask-program.ts';
import type { Program } from './binding.ts';
import type { Bounds } from './bounds.ts';
import { type ConnectionSet, countPorts, MAX_PORT, PROTOCOLS } from './connection-set.ts';
import type { Connectivity } from './connectivity.ts';
import type { Endpoint, NamespaceFacts, PodEndpoint, PodFacts } from './endpoint.ts';
import { largestPart } from './outside.ts';
import { explainProgram, type Reason } from './reason.ts';

const NO_LABELS: KnownLabels = { labels: new Map(), isImplied: false };
// No namespace can be called so, and no policy can name it.
const NOWHERE: NamespaceFacts = {
  name: ' ',
  labels: new Map([['kubernetes.io/metadata.name', ' ']]),
  isImplied: false,
};

/** A pod without labels, in a namespace without labels. */
export const STRANGER: PodEndpoint = {
  kind: 'pod',
  pod: {
    namespace: NOWHERE,
    labels: NO_LABELS,
    serviceAccount: ' ',
    serviceAccountLabels: NO_LABELS,
    ports: new Map(),
    otherPorts: 'none',
  },
};

/** A pod of a namespace of which nothing is known but that it may come. */
export function futurePod(namespace: NamespaceFacts): PodFacts {
  const anyLabels: KnownLabels = { labels: new Map(), isImplied: true };
  return {
    namespace,
    labels: anyLabels,
    serviceAccount: null,
    serviceAccountLabels: anyLabels,
    ports: new Map(),
    otherPorts: 'none',
  };
}

/** The same pod, for which a name of a port that it does not have is none: however it is read, a name stands for few ports. */
export function withoutUnnamedPorts(pod: PodFacts): PodFacts {
  return { ...pod, otherPorts: 'none' };
}

/** More than half of the ports of a protocol: what is allowed is not a list of ports any more. */
export function isWide(connections: ConnectionSet): boolean {
  return PROTOCOLS.some((protocol) => countPorts(connections, protocol) * 2 > MAX_PORT);
}

export interface Openness {
  /** `wide`: to everybody. `perhaps`: nobody knows. `narrow`: to those that rules name, and on ports that rules name. */
  readonly width: 'wide' | 'perhaps' | 'narrow';
  /** Whom it is open to; the last one asked when it is open to none. */
  readonly peer: 'pods' | 'addresses';
  readonly bounds: Bounds;
  readonly doubts: readonly Doubt[];
  /** Made when asked for. */
  readonly why: () => readonly Reason[];
}

/** What one direction of a pod leaves open to strangers: pods of any namespace, addresses anywhere. */
export function opennessOf(program: Program, found: Connectivity): Openness {
  const answers = [askStranger(program), ...addressesOf(found).map((endpoint) => ask(program, endpoint, 'addresses'))];
  const [first] = answers.toSorted((left, right) => WIDTHS.indexOf(left.width) - WIDTHS.indexOf(right.width));
  if (first === undefined) throw new RangeError('there is always a stranger');
  return first;
}

/** What it leaves open to pods of any namespace. */
export function askStranger(program: Program): Openness {
  return ask(program, STRANGER, 'pods');
}

/** Rules that write down addresses or names do not mean a stranger. */
function ask(program: Program, endpoint: Endpoint, peer: Openness['peer']): Openness {
  const answerOf: AnswerOf = ({ rule }) => {
    const answer = askPeer(rule.peer, endpoint);
    return isDoubt(answer) && NAMED.has(answer.code) ? false : answer;
  };
  // Names of ports are those of a stranger, wherever he is.
  const bounds = askProgram(program, { peer: STRANGER, answerOf });
  const width = widthOf(bounds);
  const why = (): readonly Reason[] => explainProgram(program, STRANGER, answerOf);
  return { peer, bounds, width, why, doubts: width === 'perhaps' ? doubtsOf(why()) : [] };
}

const NAMED: ReadonlySet<DoubtCode> = new Set(['address', 'domain-name']);
const WIDTHS: readonly Openness['width'][] = ['wide', 'perhaps', 'narrow'];

/** One of each family, such as no policy names. */
function addressesOf({ outside }: Connectivity): readonly Endpoint[] {
  const parts = [largestPart(outside, 4), largestPart(outside, 6)];
  return parts.flatMap((part) => part?.addresses[0] ?? []).map((range) => ({ kind: 'outside', range }));
}

function widthOf({ certain, possible }: Bounds): Openness['width'] {
  if (isWide(certain)) return 'wide';
  return isWide(possible) ? 'perhaps' : 'narrow';
}

export function doubtsOf(reasons: readonly Reason[]): readonly Doubt[] {
  const doubts = new Map<string, Doubt>();
  for (const { doubt } of reasons) if (doubt !== null) doubts.set(`${doubt.code} ${doubt.detail}`, doubt);
  return [...doubts.values()];
}
