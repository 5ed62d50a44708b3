// One cell of the matrix in a word, for people who compare and read matrices.

import { VERBS, type Verb } from './decision.ts';
import type { CompiledPolicy } from './matrix.ts';
import type { RuleDeclaration } from './rule-document.ts';

/**
 * `none`: nothing said, so denied. `deny`: for every request. `allow`: for every request but those to upgrade. `partly`: it depends on method,
 * path or upgrade. `watched`: forwarded as would-deny for every request, because a rule is in shadow.
 */
export type CellAnswer = 'none' | 'deny' | 'allow' | 'partly' | 'watched';

export interface CellSummary {
  readonly answer: CellAnswer;
  /** Where methods, paths or upgrades decide: the rules that do, in a form that two policies can be compared by. */
  readonly conditions: readonly string[];
}

/** Says nothing of the policy's mode: shadow changes what is done with a denial, not what the matrix says. */
export function summariseCell(
  policy: CompiledPolicy,
  cell: { component: string; target: string; verb: Verb },
): CellSummary {
  const rules = policy.declarations.get(cell.component)?.rules ?? [];
  const relevant = rules.filter(({ target, verbs }) => target.text === cell.target && verbs.includes(cell.verb));
  const finds = (effect: 'allow' | 'deny', shadow: boolean): RuleDeclaration | undefined =>
    relevant.find((rule) => rule.effect === effect && rule.shadow === shadow && isUnconditional(rule));
  if (finds('deny', false) !== undefined) return { answer: 'deny', conditions: [] };
  const conditions = relevant
    .filter((rule) => !isUnconditional(rule))
    .map(describeConditions)
    .sort();
  if (conditions.length > 0) {
    const always = relevant
      .filter(isUnconditional)
      .map(({ effect, shadow }) => `${effect}${shadow ? ' in shadow' : ''}`);
    return { answer: 'partly', conditions: [...always.sort(), ...conditions] };
  }
  const granted = finds('allow', false) !== undefined;
  const watched = finds('allow', true) !== undefined;
  if (!granted && !watched) return { answer: 'none', conditions: [] };
  return { answer: granted && finds('deny', true) === undefined ? 'allow' : 'watched', conditions: [] };
}

/** The verbs that requests to the target can have at all, and `connect` where anybody may. */
export function verbsOf(policy: CompiledPolicy, target: string): readonly Verb[] {
  const routes = policy.protocolOf.get(target)?.routes ?? [];
  const known = new Set<Verb>(
    routes.flatMap(({ declaration }) => [declaration.verb, ...declaration.also.map(({ verb }) => verb)]),
  );
  if (policy.connectable.has(target)) known.add('connect');
  return VERBS.filter((verb) => known.has(verb));
}

function isUnconditional({ methods, paths, upgrades }: RuleDeclaration): boolean {
  return methods === null && paths === null && upgrades === null;
}

function describeConditions({ effect, methods, paths, upgrades, shadow }: RuleDeclaration): string {
  const parts = [
    methods?.toSorted().join(',') ?? '*',
    paths
      ?.map(({ text }) => text)
      .sort()
      .join(' ') ?? '/**',
    ...(upgrades === null ? [] : [`upgrade ${upgrades.toSorted().join(',')}`]),
  ];
  return `${effect} ${parts.join(' ')}${shadow ? ' in shadow' : ''}`;
}
