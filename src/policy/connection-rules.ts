// Rules that a component cannot be held to where it is reached over TCP: a connection has neither method nor path.

import { quote } from '../core/quote.ts';
import type { Problem } from '../core/source-position.ts';
import { VERBS } from './decision.ts';
import type { CompiledPolicy } from './matrix.ts';
import type { RuleDeclaration } from './rule-document.ts';

/**
 * Every rule about one of `components` that looks at requests. Of these only `connect` and a deny of everything can be kept: a
 * deny of writes, say, would let the same connection write.
 */
export function findRequestRules(policy: CompiledPolicy, components: ReadonlySet<string>): readonly Problem[] {
  if (components.size === 0) return [];
  const rules = [...policy.declarations.values()].flatMap((component) => component.rules);
  return rules
    .filter((rule) => components.has(rule.target.text) && looksAtRequests(rule))
    .map(({ effect, target, position }) => {
      const all = effect === 'deny' ? `, or \`${target.text}\` alone to deny everything` : '';
      return {
        code: 'request-rule-on-tcp',
        message: `${quote(target.text)} is served over TCP, where there are no requests to tell apart; write \`${target.text}: [connect]\`${all}`,
        position,
      };
    });
}

function looksAtRequests({ effect, verbs, methods, paths, upgrades }: RuleDeclaration): boolean {
  if (methods !== null || paths !== null || upgrades !== null) return true;
  const isEverything = effect === 'deny' && verbs.length === VERBS.length;
  return !isEverything && verbs.some((verb) => verb !== 'connect');
}
