// A naive reading of policies, one pod, one pod and one port at a time, for the engine to be held against. Nothing here is shared with it.

import type { Labels } from '../scene.ts';

/** What may be the case: one of them, or both when nobody knows. */
export interface Outcome {
  readonly mayBeYes: boolean;
  readonly mayBeNo: boolean;
}

export const YES: Outcome = { mayBeYes: true, mayBeNo: false };
export const NO: Outcome = { mayBeYes: false, mayBeNo: true };
export const MAYBE: Outcome = { mayBeYes: true, mayBeNo: true };

export function all(...outcomes: readonly Outcome[]): Outcome {
  return {
    mayBeYes: outcomes.every(({ mayBeYes }) => mayBeYes),
    mayBeNo: outcomes.some(({ mayBeNo }) => mayBeNo),
  };
}

export function any(...outcomes: readonly Outcome[]): Outcome {
  return {
    mayBeYes: outcomes.some(({ mayBeYes }) => mayBeYes),
    mayBeNo: outcomes.every(({ mayBeNo }) => mayBeNo),
  };
}

export function is(answer: boolean): Outcome {
  return answer ? YES : NO;
}

export function negate({ mayBeYes, mayBeNo }: Outcome): Outcome {
  return { mayBeYes: mayBeNo, mayBeNo: mayBeYes };
}

export interface RefPod {
  readonly kind: 'pod';
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  readonly name: string;
  readonly labels: Labels;
  readonly serviceAccount: string;
  readonly ports: readonly (readonly [name: string, number: number, protocol: string])[];
}

/** An address outside, as a number of IPv4. */
export interface RefAddress {
  readonly kind: 'address';
  readonly text: string;
}

export type RefPlace = RefPod | RefAddress;

export interface Point {
  readonly protocol: string;
  readonly port: number;
}

/** One step of a chain of rules: whether it matches, and what it says then. */
export interface Step {
  readonly matches: Outcome;
  readonly action: 'allow' | 'deny' | 'pass';
}

/** Everything that may come out of the steps, `end` when none of them matches. */
export function firstOf<End extends string>(steps: readonly Step[], end: End): ReadonlySet<Step['action'] | End> {
  const outcomes = new Set<Step['action'] | End>();
  for (const { matches, action } of steps) {
    if (matches.mayBeYes) outcomes.add(action);
    if (!matches.mayBeNo) return outcomes;
  }
  outcomes.add(end);
  return outcomes;
}

interface RefSelector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

export function selects(selector: RefSelector | undefined, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  const areEqual = Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
  const doFit = matchExpressions.every(({ key, operator, values = [] }) => {
    const value = labels[key];
    if (operator === 'In') return value !== undefined && values.includes(value);
    if (operator === 'NotIn') return value === undefined || !values.includes(value);
    return operator === 'Exists' ? value !== undefined : value === undefined;
  });
  return areEqual && doFit;
}

export function isInBlock(address: string, block: string): boolean {
  const toNumber = (text: string): number => text.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);
  const [network = '', prefix = '32'] = block.split('/');
  const size = 2 ** (32 - Number(prefix));
  return Math.floor(toNumber(address) / size) === Math.floor(toNumber(network) / size);
}

/** What blocks say of a pod whose address is not known; nobody but the cloud has that of its metadata. */
export function blocksOfPod(blocks: readonly string[], answer: Outcome = MAYBE): Outcome {
  return blocks.every((block) => block === '169.254.169.254/32') ? NO : answer;
}

/** A number, a range, or a name that the target resolves; a name it does not have may be any port of the protocol. */
export function portMatches(
  port: { readonly number?: number; readonly last?: number; readonly name?: string; readonly protocol: string | null },
  target: RefPlace,
  point: Point,
): Outcome {
  const { number, last, name, protocol } = port;
  if (protocol !== null && protocol !== point.protocol) return NO;
  if (name !== undefined) {
    const own = target.kind === 'pod' ? target.ports : [];
    const named = own.filter((one) => one[0] === name && (protocol === null || one[2] === protocol));
    return named.length === 0 ? MAYBE : is(named.some((one) => one[1] === point.port && one[2] === point.protocol));
  }
  if (number === undefined) return YES;
  return is(number <= point.port && point.port <= (last ?? number));
}
