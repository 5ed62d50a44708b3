import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LocatedDocument, offsetInDocument, PlaceCache } from '../../src/yaml/lenient-places.ts';
import { type Choose, writeYaml } from './yaml-writer.ts';

function documentOf(text: string): LocatedDocument {
  return { text, extent: { start: 0, end: text.length }, key: 'x' };
}

/** What begins where the path leads. */
function at(text: string, path: readonly (string | number)[]): string {
  const offset = offsetInDocument(documentOf(text), path, new PlaceCache(4));
  return text.slice(offset, offset + 4);
}

const TEXT = 'spec:\n  list:\n  - name: x\n    none:\n  - y\n  flow: {k: [va11, va12]}\nkind: Poda\n';

describe('places', () => {
  it.each<[string, readonly (string | number)[], string]>([
    ['a scalar where it begins', ['kind'], 'Poda'],
    ['a mapping at its key', ['spec'], 'spec'],
    ['a list at its key', ['spec', 'list'], 'list'],
    ['a mapping in a list where it begins', ['spec', 'list', 0], 'name'],
    ['a scalar in a mapping in a list', ['spec', 'list', 0, 'name'], 'x\n  '],
    ['nothing behind a key at the key', ['spec', 'list', 0, 'none'], 'none'],
    ['a flow collection at its key', ['spec', 'flow', 'k'], 'k: ['],
    ['an item of a flow list', ['spec', 'flow', 'k', 1], 'va12'],
    ['the root where it begins', [], 'spec'],
    ['a missing key at its parent', ['spec', 'list', 0, 'other', 'more'], 'name'],
    ['a missing item at its list', ['spec', 'list', 7], 'list'],
    ['a step into a scalar at the scalar', ['kind', 'deeper'], 'kind'],
    ['a name in a list at the list', ['spec', 'list', 'name'], 'list'],
  ])('finds %s', (_name, path, expected) => {
    expect(at(TEXT, path)).toBe(expected);
    // With an anchor it is the slow reader that finds it.
    expect(at(`${TEXT}anchor: &a 1\n`, path)).toBe(expected);
  });

  it('finds the last of two equal keys, what an alias stands for, and what was merged', () => {
    expect(at('a: 1111\na: 2222\n', ['a'])).toBe('2222');
    expect(at('a: &x {k: vvvv}\nb: *x\n', ['b'])).toBe('b: *');
    expect(at('a: &x {k: vvvv}\nb: *x\n', ['b', 'k'])).toBe('vvvv');
    expect(at('a: &x {k: vvvv}\nb: {<<: *x}\n', ['b', 'k'])).toBe('vvvv');
  });

  it('finds every leaf of what was written where a search finds it', () => {
    fc.assert(
      fc.property(fc.gen(), (gen) => {
        const choose: Choose = (from) => from[gen(fc.nat, { max: from.length - 1 })] ?? raise();
        const { text, leaves } = writeYaml(choose);
        const cache = new PlaceCache(4);
        for (const { path, token } of leaves) {
          const offset = offsetInDocument(documentOf(text), path, cache);
          const found = text.indexOf(token);
          // It begins with its quote, its header or its scheme.
          expect(text.slice(offset, found)).toMatch(/^(?:["']|[|>][-+]?[^\n]*\n *|http:\/\/|)$/);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('finds items of a long list without the places of all others', () => {
    const items = Array.from(
      { length: 3000 },
      (_, index) => `- kind: Pod\n  metadata:\n    name: pod-${index}\n  spec: {m: [${index}]}\n`,
    );
    const text = `apiVersion: v1\nitems:\n${items.join('')}kind: List\n`;
    const cache = new PlaceCache(4);
    for (const index of [0, 1, 1500, 2999]) {
      const find = (...path: readonly (string | number)[]): string =>
        text.slice(offsetInDocument(documentOf(text), ['items', index, ...path], cache)).split('\n')[0] ?? '';
      expect(find('metadata', 'name')).toBe(`pod-${index}`);
      expect(find('metadata')).toBe('metadata:');
      expect(find('spec', 'm', 0)).toBe(`${index}]}`);
      expect(find()).toBe('kind: Pod');
      expect(find('none')).toBe('kind: Pod');
    }
    expect(text.slice(offsetInDocument(documentOf(text), ['kind'], cache))).toBe('List\n');
    expect(text.slice(offsetInDocument(documentOf(text), ['items', 3000], cache))).toMatch(/^items/);
  });
});

function raise(): never {
  throw new Error('there is nothing to choose from');
}
