// One question to the policies a pod is subject to: what may go to, or come from, one endpoint.

import { containsRange } from './address-set.ts';
import type { Answer } from './answer.ts';
import type { Program } from './binding.ts';
import { ALL_BOUNDS, type Bounds, meet } from './bounds.ts';
import { NO_CONNECTIONS } from './connection-set.ts';
import type { Endpoint } from './endpoint.ts';
import { type BoundRule, evaluate, type RuleMatch, type Trace } from './evaluate.ts';
import { askAnyPodTest } from './pod-test.ts';
import { resolvePorts } from './port-test.ts';
import type { PeerTest } from './traffic-policy.ts';

export function askPeer({ pods, nodes, outside }: PeerTest, endpoint: Endpoint): Answer {
  switch (endpoint.kind) {
    case 'pod':
      return askAnyPodTest(pods, endpoint.pod);
    case 'node':
      return nodes[endpoint.place];
    case 'outside':
      if (containsRange(outside.certain, endpoint.range)) return true;
      return containsRange(outside.possible, endpoint.range) && outside.doubt !== null && outside.doubt;
  }
}

const NO_MATCH: RuleMatch = { certain: NO_CONNECTIONS, possible: NO_CONNECTIONS };

/** What a rule matches, once it is known whether it is about `peer`. */
function matchRule({ rule, applies }: BoundRule, answer: Answer, destination: Endpoint): RuleMatch {
  if (answer === false) return NO_MATCH;
  const { bounds } = resolvePorts(rule.ports, destination);
  const isCertain = answer === true && applies === true && rule.doubt === null;
  return isCertain ? bounds : { certain: NO_CONNECTIONS, possible: bounds.possible };
}

export function destinationOf(program: Program, peer: Endpoint): Endpoint {
  return program.direction === 'egress' ? peer : { kind: 'pod', pod: program.pod };
}

/** Whether a rule is about the peer that is asked about. */
export type AnswerOf = (bound: BoundRule) => Answer;

export function aboutPeer(peer: Endpoint): AnswerOf {
  return ({ rule }) => askPeer(rule.peer, peer);
}

/** What all enforcers let through. `peer` says what names of ports mean, `answerOf` which rules are about it. */
export function askProgram(
  program: Program,
  { peer, answerOf }: { readonly peer: Endpoint; readonly answerOf: AnswerOf },
  trace?: Trace,
): Bounds {
  const destination = destinationOf(program, peer);
  return program.enforcers.reduce<Bounds>(
    (bounds, tiers) =>
      meet(
        bounds,
        evaluate(tiers, (bound) => matchRule(bound, answerOf(bound), destination), trace),
      ),
    ALL_BOUNDS,
  );
}
