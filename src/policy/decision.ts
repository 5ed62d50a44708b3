// What the access matrix can answer, and the closed list of reasons it answers with.

/** What a request does to its target; which request is which is a property of the target's protocol. */
export const REQUEST_VERBS = ['read', 'write', 'infer', 'admin'] as const;

/** And `connect`: a TCP connection, of which nothing is known but who opens it to what. */
export const VERBS = [...REQUEST_VERBS, 'connect'] as const;

export type RequestVerb = (typeof REQUEST_VERBS)[number];
export type Verb = (typeof VERBS)[number];

/**
 * `would-deny`: the matrix denies the request and it is forwarded all the same, because the whole policy or the deciding
 * rule is in shadow.
 */
export type Effect = 'allow' | 'deny' | 'would-deny';

/** Every reason a decision can have, with what it means. Codes are stable: logs, metrics and tests rely on them. */
export const DECISION_REASONS = {
  'allowed-by-rule': 'an allow rule matches and no deny rule does',
  'denied-by-rule': 'a deny rule matches; deny beats allow',
  'not-granted': 'no allow rule of the component names this target with this verb',
  'conditions-not-met':
    'allow rules name this target and verb, and the methods, paths or upgrades of each exclude the request',
  'grant-in-shadow': 'only allow rules in shadow match: the grant is being watched before it is withdrawn',
  'unknown-principal': 'the SPIFFE ID belongs to no component',
  'unknown-target': 'the policy has no component of that name',
  'unknown-route': "the target's protocol knows no such method and path",
  'malformed-path':
    'the path is not made of plain segments: not absolute, not valid UTF-8, or with empty or dot segments',
  'ambiguous-query': 'a query parameter the route reads is given twice, or in a form two readers can take differently',
  'missing-parameter': 'the request needs a further permission on what a query parameter names, and it is not there',
  'unsafe-parameter':
    'the request needs a further permission on what a query parameter names, and it names no plain path',
} as const;

export type DecisionReason = keyof typeof DECISION_REASONS;

/** Where the deciding rule stands. */
export interface RuleReference {
  readonly file: string;
  readonly line: number;
}

/**
 * One answer. Decisions are interned per compiled policy: the same cell of the matrix answers with the same object, so they
 * can be counted by identity and a decision allocates nothing.
 */
export interface Decision {
  readonly effect: Effect;
  readonly reason: DecisionReason;
  readonly rule: RuleReference | null;
  /** The principal's component; null when its SPIFFE ID belongs to none. */
  readonly component: string | null;
  /** The target component, or `unknown` when the policy has no such component: never outside text. */
  readonly target: string;
  /** Null when the request was refused before its verb was known. */
  readonly verb: Verb | null;
  readonly policyDigest: string;
}

/** True when the request goes on to the upstream. */
export function isForwarded(effect: Effect): boolean {
  return effect !== 'deny';
}
