import { describe, expect, it } from 'vitest';
import { PEERS } from '../../bench/decide/peers.ts';
import { OWN_ENGINES } from '../../bench/decide/sallyport.ts';
import { isAllowed, matrixOf, principalOf, questionsOf, RULE_COUNTS, rulesOf } from '../../bench/decide/matrix.ts';

describe('the matrix all engines are given', () => {
  it.each(RULE_COUNTS)('has %d rules, none twice', (count) => {
    const rules = rulesOf(matrixOf(count, 1));
    expect(new Set(rules.map(({ from, to }) => `${from} ${to}`)).size).toBe(count);
  });

  it('asks on behalf of as many principals as it has, about what rules name', () => {
    const matrix = matrixOf(1_000, 1_000);
    const questions = questionsOf(matrix);
    const rules = new Set(rulesOf(matrix).map(({ from, to }) => `${from} ${to}`));
    expect(new Set(questions.map(({ principal }) => principal)).size).toBe(1_000);
    expect(questions.every(({ from, to }) => rules.has(`${from} ${to}`))).toBe(true);
  });

  it.each([...OWN_ENGINES, ...PEERS])('is answered alike by $name, a stranger included', async (engine) => {
    const matrix = matrixOf(10, 1);
    const known = questionsOf(matrix).slice(0, 20);
    const { principal } = principalOf(matrix, 0);
    const unknown = { principal, from: 'c0', to: 'c99', verb: 'read' as const };
    const loaded = await engine.load(matrix, [...known, unknown]);
    expect(known.map((_, index) => loaded.ask(index))).toEqual(known.map(isAllowed));
    expect(loaded.ask(known.length)).toBe(false);
  });
});
