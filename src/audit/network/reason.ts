// Why a connection is allowed, denied or unknown: policies and rules by name and place.

import { formatPosition } from '../../core/source-position.ts';
import type { Path } from '../path.ts';
import { formatPath } from '../path.ts';
import { type Answer, type Doubt, isDoubt } from './answer.ts';
import { aboutPeer, askProgram, destinationOf, type AnswerOf } from './ask-program.ts';
import type { Program } from './binding.ts';
import { type ConnectionSet, formatConnections, isNone } from './connection-set.ts';
import type { Endpoint } from './endpoint.ts';
import type { BoundRule, BoundTier } from './evaluate.ts';
import { resolvePorts } from './port-test.ts';
import type { Direction, TrafficPolicy } from './traffic-policy.ts';

export type Effect =
  /** No policy restricts the direction. */
  | 'open'
  | 'allows'
  | 'denies'
  /** Leaves the decision to the next tier. */
  | 'passes'
  /** Denies what no rule allows. */
  | 'isolates'
  /** No policy is applied: pods on the network of their node, the outside, a pod to itself. */
  | 'beyond-policy'
  | 'not-enforced'
  /** Why the answer is not certain, where that is not because of one rule. */
  | 'unknown';

export interface Reason {
  readonly direction: Direction | null;
  readonly effect: Effect;
  readonly policy: TrafficPolicy | null;
  /** In the object of the policy; empty where there is none. */
  readonly path: Path;
  /** What it is about; null for everything. */
  readonly connections: ConnectionSet | null;
  /** Not null when it is not certain. */
  readonly doubt: Doubt | null;
  readonly detail: string;
}

const MAX_ISOLATING = 8;

/** What the program says of `peer`, rule by rule. */
export function explainProgram(
  program: Program,
  peer: Endpoint,
  answerOf: AnswerOf = aboutPeer(peer),
): readonly Reason[] {
  const { direction } = program;
  const reasons: Reason[] = [];
  askProgram(
    program,
    { peer, answerOf },
    {
      rule: (bound, connections) => reasons.push(reasonOfRule(bound, connections, { program, peer, answerOf })),
      tierEnd: (tier, connections) => reasons.push(...reasonsOfEnd(tier, connections, direction)),
    },
  );
  if (reasons.length > 0) return reasons;
  const detail =
    program.rules.length === 0 && program.enforcers.every((tiers) => tiers.length === 0)
      ? 'no policy selects the pod'
      : 'no policy decides';
  return [{ direction, effect: 'open', policy: null, path: [], connections: null, doubt: null, detail }];
}

/** `ingress: ml/web[NetworkPolicy] spec.ingress[0] allows TCP 80`. */
export function formatReason({ direction, effect, policy, path, connections, doubt, detail }: Reason): string {
  const place = [policy?.title, formatPath(path)].filter((part) => part !== undefined && part !== '').join(' ');
  const what = connections === null || effect === 'isolates' ? '' : ` ${formatConnections(connections)}`;
  const sentence = SENTENCES[effect];
  const text = policy === null ? detail : `${place} ${sentence}${what}${detail === '' ? '' : ` (${detail})`}`;
  const certainty = doubt === null ? text : `${text}, perhaps: ${doubt.detail}`;
  return direction === null ? certainty : `${direction}: ${certainty}`;
}

/** `policies.yaml:12:5`; null where nothing has a place. */
export function locateReason({ policy, path }: Reason): string | null {
  const position = policy?.object?.locate(path) ?? null;
  return position === null ? null : formatPosition(position);
}

const SENTENCES: Readonly<Record<Effect, string>> = {
  open: 'leaves it open',
  allows: 'allows',
  denies: 'denies',
  passes: 'leaves to the next tier',
  isolates: 'isolates the pod from what no rule allows',
  'beyond-policy': 'is not applied',
  'not-enforced': 'is not enforced',
  unknown: 'leaves unknown',
};

const EFFECTS = { allow: 'allows', deny: 'denies', pass: 'passes' } as const;

interface RuleContext {
  readonly program: Program;
  readonly peer: Endpoint;
  readonly answerOf: AnswerOf;
}

function reasonOfRule(bound: BoundRule, connections: ConnectionSet, { program, peer, answerOf }: RuleContext): Reason {
  const { rule, policy, applies } = bound;
  const ports = resolvePorts(rule.ports, destinationOf(program, peer));
  return {
    direction: program.direction,
    effect: EFFECTS[rule.action],
    policy,
    path: rule.path,
    connections,
    doubt: firstDoubt([applies, rule.doubt ?? true, answerOf(bound), ports.doubt ?? true]),
    detail: rule.remarks.length === 0 ? '' : `narrowed by ${rule.remarks.join(', ')}`,
  };
}

function reasonsOfEnd(tier: BoundTier, connections: ConnectionSet, direction: Direction): readonly Reason[] {
  if (isNone(connections)) return [];
  return tier.isolating.slice(0, MAX_ISOLATING).map((policy) => ({
    direction,
    effect: 'isolates',
    policy,
    path: policy.path,
    connections,
    doubt: isDoubt(tier.isolated) ? tier.isolated : null,
    detail: '',
  }));
}

function firstDoubt(answers: readonly Answer[]): Doubt | null {
  return answers.find(isDoubt) ?? null;
}
