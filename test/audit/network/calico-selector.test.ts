import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Answer, doubt } from '../../../src/audit/network/answer.ts';
import {
  askExpression,
  CalicoSelectorError,
  keysOf,
  parseCalicoSelector,
} from '../../../src/audit/network/calico-selector.ts';

const LABELS: Readonly<Record<string, string>> = { app: 'web', 'a.b/c-d': 'x_1', empty: '' };

function ask(text: string, labels: Readonly<Record<string, string>> = LABELS): Answer {
  return askExpression(parseCalicoSelector(text), {
    isGlobal: false,
    labelOf: (key) => (Object.hasOwn(labels, key) ? (labels[key] ?? null) : null),
  });
}

describe('selectors of Calico', () => {
  it.each<[string, boolean]>([
    ['', true],
    ['  ', true],
    ['all()', true],
    ['all( )', true],
    ['global()', false],
    ["app == 'web'", true],
    ['app == "web"', true],
    ["app=='web'", true],
    ["app == 'db'", false],
    ["other == 'web'", false],
    ["app != 'db'", true],
    ["app != 'web'", false],
    ["other != 'web'", true],
    ['has(app)', true],
    ['has( app )', true],
    ['has(other)', false],
    ['has(empty)', true],
    ["empty == ''", true],
    ['!has(other)', true],
    ['!!has(app)', true],
    ["app in {'web', 'db'}", true],
    ["app in { 'db' }", false],
    ["app in {'web',}", true],
    ['app in {}', false],
    ["app in{'web'}", true],
    ["other in {'web'}", false],
    ["app not in {'db'}", true],
    ["app not in {'web'}", false],
    ["other not in {'web'}", true],
    ['app not in {}', true],
    ["app contains 'e'", true],
    ["app contains 'x'", false],
    ["other contains ''", false],
    ["app starts with 'we'", true],
    ["app starts with 'eb'", false],
    ["app ends with 'eb'", true],
    ["app ends with 'we'", false],
    ["a.b/c-d == 'x_1'", true],
    ["has(app) && has(other) || app == 'web'", true],
    ["app == 'web' || has(app) && has(other)", true],
    ["(app == 'web' || has(app)) && has(other)", false],
    ["!(app == 'db') && !has(other)", true],
    ["!app == 'db'", true],
    ["app == 'it''s'", false],
    ["\tapp  ==\t'web' ", true],
    ["has(has) || app == 'web'", true],
    ["in == 'x' || app == 'web'", true],
  ])('%j is %s', (text, expected) => {
    let answer: Answer | 'refused';
    try {
      answer = ask(text);
    } catch (error) {
      if (!(error instanceof CalicoSelectorError)) throw error;
      answer = 'refused';
    }
    expect(answer).toBe(text.includes("it''s") ? 'refused' : expected);
  });

  it.each([
    'app',
    'app ==',
    "== 'web'",
    "app = 'web'",
    'app == web',
    "app == 'web",
    "app == 'web' &&",
    "app == 'web' & has(x)",
    "app == 'web' | has(x)",
    "(app == 'web'",
    "app == 'web')",
    "app in 'web'",
    "app in {'web'",
    "app in {'web' 'db'}",
    'app in {web}',
    'has()',
    'has(app',
    'has (app)',
    "has('app')",
    'all',
    'all(app)',
    "app starts 'w'",
    "app not 'w'",
    "app === 'web'",
    "app == 'web' app == 'web'",
    '!',
    '()',
    'app == "web\'',
    '$app == "web"',
    'ünïcode == "x"',
    "app\n== 'web'",
  ])('%j makes no sense', (text) => {
    expect(() => parseCalicoSelector(text)).toThrow(CalicoSelectorError);
  });

  it('is not nested without end', () => {
    const nested = (depth: number): string => `${'('.repeat(depth)}has(a)${')'.repeat(depth)}`;
    expect(() => parseCalicoSelector(nested(60))).not.toThrow();
    expect(() => parseCalicoSelector(nested(100_000))).toThrow(expect.objectContaining({ code: 'too-deep' }));
    expect(ask(`${'!'.repeat(100_001)}has(other)`)).toBe(true);
  });

  it('knows the labels it asks for', () => {
    expect([...keysOf(parseCalicoSelector("a == '1' && !(b in {'x'} || has(c)) && all()"))]).toEqual(['a', 'b', 'c']);
  });

  it('knows what it does not know', () => {
    const unknown = doubt('pod-labels', 'nobody said');
    const askUnknown = (text: string): Answer =>
      askExpression(parseCalicoSelector(text), { isGlobal: true, labelOf: (key) => (key === 'known' ? 'x' : unknown) });
    expect(askUnknown("a == '1'")).toBe(unknown);
    expect(askUnknown('!has(a)')).toBe(unknown);
    expect(askUnknown("a == '1' && known == 'y'")).toBe(false);
    expect(askUnknown("a == '1' || known == 'x'")).toBe(true);
    expect(askUnknown('global()')).toBe(true);
  });

  it('either reads a text or says that it cannot', () => {
    const piece = fc.constantFrom(
      'a',
      'has(',
      ')',
      '(',
      '!',
      '==',
      '!=',
      "'x'",
      '"',
      'in',
      'not',
      '{',
      '}',
      ',',
      '&&',
      '||',
      ' ',
      'starts with',
      'all()',
      'global()',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(' ')),
        ),
        (text) => {
          try {
            const answer = ask(text);
            expect([true, false]).toContain(answer);
          } catch (error) {
            expect(error).toBeInstanceOf(CalicoSelectorError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
