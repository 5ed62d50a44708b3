import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedNotes, type Field } from '../../src/audit/fields.ts';
import { compileEquality, compileSelector, matchLabels, matchNamespace } from '../../src/audit/selector.ts';
import { objectOf } from './inventory.ts';

function fieldOf(value: unknown): Field {
  const object = objectOf({ apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, value });
  return new MalformedNotes().fieldOf(object).get('value');
}

function match(selector: unknown, labels: Record<string, string>): string {
  return matchLabels(compileSelector(fieldOf(selector)), new Map(Object.entries(labels)));
}

const A_IN = (values: readonly unknown[]): unknown => ({ matchExpressions: [{ key: 'a', operator: 'In', values }] });
const A = (operator: string): unknown => ({ matchExpressions: [{ key: 'a', operator }] });

describe('label selectors', () => {
  it.each<[string, unknown, Record<string, string>, string]>([
    ['nothing asked', {}, { a: '1' }, 'yes'],
    ['an absent selector', undefined, {}, 'yes'],
    ['a null selector', null, {}, 'yes'],
    ['null parts', { matchLabels: null, matchExpressions: null }, {}, 'yes'],
    ['an equal label', { matchLabels: { a: '1' } }, { a: '1', b: '2' }, 'yes'],
    ['another value', { matchLabels: { a: '1' } }, { a: '2' }, 'no'],
    ['an absent label', { matchLabels: { a: '1' } }, {}, 'no'],
    ['one of two labels', { matchLabels: { a: '1', b: '2' } }, { a: '1' }, 'no'],
    ['In', A_IN(['1', '2']), { a: '2' }, 'yes'],
    ['In, and another value', A_IN(['1', '2']), { a: '3' }, 'no'],
    ['In, and no label', A_IN(['1']), {}, 'no'],
    ['NotIn', { matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, { a: '2' }, 'yes'],
    ['NotIn, and no label', { matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, {}, 'yes'],
    ['NotIn, and the value', { matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, { a: '1' }, 'no'],
    ['Exists', A('Exists'), { a: '' }, 'yes'],
    ['Exists, and no label', A('Exists'), {}, 'no'],
    ['DoesNotExist', A('DoesNotExist'), {}, 'yes'],
    ['DoesNotExist, and a label', A('DoesNotExist'), { a: '' }, 'no'],
    ['labels and expressions', { matchLabels: { b: '2' }, ...Object(A('Exists')) }, { a: '1' }, 'no'],
    ['a label of a prototype', A('Exists'), { toString: 'x' }, 'no'],
    [
      'a key that objects have by their prototype',
      { matchExpressions: [{ key: 'constructor', operator: 'Exists' }] },
      {},
      'no',
    ],
    ['an operator that there is not', A('Near'), { a: '1' }, 'unknown'],
    ['In without values', A_IN([]), { a: '1' }, 'unknown'],
    ['a value that is no text', A_IN(['1', 2]), { a: '1' }, 'unknown'],
    ['a label that is no text', { matchLabels: { a: 1 } }, { a: '1' }, 'unknown'],
    ['a selector that is a text', 'a=1', { a: '1' }, 'unknown'],
    ['expressions that are a mapping', { matchExpressions: {} }, {}, 'unknown'],
    ['an expression without a key', { matchExpressions: [{ operator: 'Exists' }] }, {}, 'unknown'],
    ['something malformed beside what does not match', { matchLabels: { b: '2', a: 1 } }, { a: '1' }, 'no'],
  ])('%s', (_name, selector, labels, expected) => {
    expect(match(selector, labels)).toBe(expected);
  });

  it('knows the empty one', () => {
    expect(compileSelector(fieldOf({})).isEmpty).toBe(true);
    expect(compileSelector(fieldOf({ matchLabels: { a: '1' } })).isEmpty).toBe(false);
    expect(compileSelector(fieldOf({ matchLabels: { a: 1 } })).isEmpty).toBe(false);
    expect(compileEquality(fieldOf({})).isEmpty).toBe(true);
  });

  it('has one key for selectors of the same requirements', () => {
    const key = (selector: unknown): string => compileSelector(fieldOf(selector)).key;
    expect(key({ matchLabels: { a: '1', b: '2' } })).toBe(key({ matchLabels: { b: '2', a: '1' } }));
    expect(key(A_IN(['2', '1']))).toBe(key(A_IN(['1', '2'])));
    expect(key({ matchLabels: { a: '1' } })).toBe(key(A_IN(['1'])));
    expect(key(A_IN(['1']))).not.toBe(key(A_IN(['1,2'])));
    expect(key({ matchLabels: { a: 1 } })).not.toBe(key({}));
  });

  it('agrees with a reading of the definition', () => {
    const text = fc.constantFrom('a', 'b', 'c');
    const expression = fc.record({
      key: text,
      operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
      values: fc.array(text, { minLength: 1, maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(expression, { maxLength: 3 }), fc.dictionary(text, text), (matchExpressions, labels) => {
        const isMet = matchExpressions.every(({ key, operator, values }) => {
          const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
          const isAmong = value !== undefined && values.includes(value);
          return { In: isAmong, NotIn: !isAmong, Exists: value !== undefined, DoesNotExist: value === undefined }[
            operator
          ];
        });
        expect(match({ matchExpressions }, labels)).toBe(isMet ? 'yes' : 'no');
      }),
    );
  });
});

describe('selectors of namespaces', () => {
  const implied = { labels: new Map([['kubernetes.io/metadata.name', 'ml']]), isImplied: true };

  it.each<[string, unknown, string]>([
    ['its name', { matchLabels: { 'kubernetes.io/metadata.name': 'ml' } }, 'yes'],
    ['another name', { matchLabels: { 'kubernetes.io/metadata.name': 'web' } }, 'no'],
    ['a label that nobody gave', { matchLabels: { team: 'ml' } }, 'unknown'],
    ['the absence of one', { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] }, 'unknown'],
    ['another name and a label', { matchLabels: { team: 'ml', 'kubernetes.io/metadata.name': 'web' } }, 'no'],
    ['all', {}, 'yes'],
  ])('of which only the name is known: %s', (_name, selector, expected) => {
    expect(matchNamespace(compileSelector(fieldOf(selector)), implied)).toBe(expected);
  });

  it('of which the labels are known', () => {
    const known = { labels: new Map([['team', 'ml']]), isImplied: false };
    expect(matchNamespace(compileSelector(fieldOf({ matchLabels: { team: 'ml' } })), known)).toBe('yes');
    expect(matchNamespace(compileSelector(fieldOf({ matchLabels: { zone: '1' } })), known)).toBe('no');
    expect(matchNamespace(compileSelector(fieldOf({ matchLabels: { zone: 1 } })), known)).toBe('unknown');
  });
});
