// Questions that have three answers: yes, no, and nobody knows because of something that can be named.

export type DoubtCode =
  /** An IP block against a pod or node whose address is not known, or is changed on the way. */
  | 'address'
  /** Labels of a namespace of which only the name is known. */
  | 'namespace-labels'
  /** Labels that a controller may add to pods of a template. */
  | 'pod-labels'
  /** A named port that no container of the target has. */
  | 'named-port'
  /** Names that stand for addresses which change. */
  | 'domain-name'
  /** A pattern that is met by every name. */
  | 'any-domain-name'
  /** Pods of a node's network are on the same node or on another one. */
  | 'node'
  /** Two policies of one rank say different things. */
  | 'rank'
  /** A part of a policy that no reader understands. */
  | 'malformed'
  /** Policies that exist and were not read. */
  | 'unread'
  /** A kind of policy, or a part of one, whose effect is not computed here. */
  | 'unmodelled'
  /** Whether anything enforces the policy. */
  | 'enforcement';

export interface Doubt {
  readonly code: DoubtCode;
  /** For people: what would have to be known. */
  readonly detail: string;
}

export type Answer = boolean | Doubt;

export function doubt(code: DoubtCode, detail: string): Doubt {
  return { code, detail };
}

export function isDoubt(answer: Answer): answer is Doubt {
  return typeof answer === 'object';
}

export function and(left: Answer, right: Answer): Answer {
  if (left === false || right === false) return false;
  return left === true ? right : left;
}

/** Of two doubts, that about an address is the lesser: it is about addresses that somebody wrote down. */
export function or(left: Answer, right: Answer): Answer {
  if (left === true || right === true) return true;
  if (left === false || right === false) return left === false ? right : left;
  return left.code === 'address' ? right : left;
}

export function not(answer: Answer): Answer {
  return isDoubt(answer) ? answer : !answer;
}

/** At best this. */
export function atMost(answer: Answer, limit: Doubt): Answer {
  return answer === true ? limit : answer;
}
