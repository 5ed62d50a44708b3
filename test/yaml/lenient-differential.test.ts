// The fast reader beside the library: whatever the fast one takes, it must give the same value, the same keys twice and the same places.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type Extent, readFast, readItemPlaces, readOutline } from '../../src/yaml/lenient-block.ts';
import { BrokenDocument, readSlowly } from '../../src/yaml/lenient-library.ts';
import { findPlace, type Place } from '../../src/yaml/lenient-place.ts';
import { unifyLineBreaks } from '../../src/yaml/lenient.ts';
import { MANIFESTS } from './manifest-texts.ts';
import { type Choose, writeYaml } from './yaml-writer.ts';

interface Compared {
  taken: number;
  left: number;
  /** By the library, which asks for more indentation than Kubernetes does, or known to mean something else to it. */
  refused: number;
}

/** What there is of a document: its value, its keys that are there twice, and where everything stands. */
function compare(raw: string, compared: Compared): void {
  const text = unifyLineBreaks(raw);
  const extent = { start: 0, end: text.length };
  const fast = readFast(text, extent, 'places');
  const values = readFast(text, extent, 'values');
  // Places are no reason to read something else.
  expect([text, values?.value, values?.duplicates]).toEqual([text, fast?.value, fast?.duplicates]);
  if (fast === undefined) {
    compared.left += 1;
    return;
  }
  const slow = COLON_BEFORE_PUNCTUATION.test(text) ? null : readAll(text, extent);
  if (slow === null) {
    compared.refused += 1;
    return;
  }
  compared.taken += 1;
  expect([text, fast.value]).toEqual([text, slow.value]);
  expect([text, fast.duplicates]).toEqual([text, slow.duplicates]);
  if (fast.root !== null) comparePlaces(text, pathsIn(fast.value), { fast: fast.root, slow: slow.root });
  compareParts(text, fast.value, fast.root);
}

// To Kubernetes it belongs to the text before it, and to the library it ends a key.
const COLON_BEFORE_PUNCTUATION = /:[,[\]{}]/;

function readAll(text: string, extent: Extent): ReturnType<typeof readSlowly> | null {
  try {
    return readSlowly(text, extent);
  } catch (error) {
    if (!(error instanceof BrokenDocument)) throw error;
    if (INDENTATION.test(error.message)) return null;
    throw new Error(`${JSON.stringify(text)}: ${error.message}`, { cause: error });
  }
}

// Of the end of a flow collection, and of the lines of a quoted scalar. That Kubernetes takes them, too, is held to by lenient-kubernetes.test.ts.
const INDENTATION = /must be sufficiently indented|^missing closing ['"]quote$/;

interface Roots {
  readonly fast: Place;
  readonly slow: Place;
}

function comparePlaces(text: string, paths: readonly Path[], { fast, slow }: Roots): void {
  for (const path of paths) {
    expect([text, path, findPlace(fast, path)]).toEqual([text, path, findPlace(slow, path)]);
  }
}

/** The places of a long document are found by its outline, and by reading an item by itself. */
function compareParts(text: string, value: unknown, root: Place | null): void {
  if (root === null) return;
  const extent = { start: 0, end: text.length };
  const outline = readOutline(text, extent);
  for (const [key, list] of Object.entries(value ?? {})) {
    const items = outline?.inside instanceof Map ? outline.inside.get(key)?.place.inside : undefined;
    if (!Array.isArray(list) || !Array.isArray(items)) continue;
    for (const [index, item] of list.entries()) {
      const at: number = items[index].at;
      expect([text, index, at]).toEqual([text, index, findPlace(root, [key, index])]);
      const inside = readItemPlaces(text, extent, at)?.inside;
      // It may be beyond reading by itself, and is then read with the rest.
      if (inside === undefined) continue;
      for (const path of pathsIn(item)) {
        if (path.length === 0) continue;
        const found = findPlace({ at, inside }, path);
        expect([text, path, found]).toEqual([text, path, findPlace(root, [key, index, ...path])]);
      }
    }
  }
}

type Path = readonly (string | number)[];

function pathsIn(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const inside: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((item: unknown, index) => [index, item])
    : Object.entries(value);
  return [path, ...inside.flatMap(([step, part]) => pathsIn(part, [...path, step]))];
}

const PIECES = fc.oneof(
  fc.constantFrom(
    '\n',
    '\n\n',
    ' ',
    '  ',
    '\t',
    ':',
    ': ',
    '- ',
    '-',
    '#',
    ' # c',
    '"',
    "'",
    '\\',
    '\\n',
    '[',
    ']',
    '{',
    '}',
    ',',
    '|',
    '>',
    '|-\n',
    '>+\n',
    '|2\n',
    '&a ',
    '*a',
    '!!str ',
    '? ',
    '<<: ',
    '~',
    '...',
    '---\n',
    '%',
    '@',
    '`',
    '\r\n',
    '\r',
    '\u0085',
    '\u2028',
    '\ufeff',
    '\u00a0',
    'é',
    '😀',
    '0x1F',
    '010',
    '1_000',
    'yes',
    '.inf',
    '1e3',
    'null',
    'key: value\n',
    '\n  ',
    '\n    ',
    '\n- ',
    "''",
    '""',
    '{}',
    '[]',
    '{a: b}',
    '[a, b]',
    '\\\n',
    ' \n',
  ),
  fc.string({ maxLength: 4 }),
);

const EDIT = fc.record({ at: fc.nat(), cut: fc.oneof(fc.constant(0), fc.nat(10)), put: PIECES });

function edited(
  text: string,
  edits: readonly { readonly at: number; readonly cut: number; readonly put: string }[],
): string {
  return edits.reduce((before, { at, cut, put }) => {
    const start = at % (before.length + 1);
    return before.slice(0, start) + put + before.slice(start + cut);
  }, text);
}

const RUNS = 1000;

describe('the fast reader beside the library', () => {
  it('means the same by manifests with pieces cut out and put in', () => {
    const compared = { taken: 0, left: 0, refused: 0 };
    const edits = fc.array(EDIT, { maxLength: 3 });
    fc.assert(
      fc.property(fc.constantFrom(...MANIFESTS), edits, (text, changes) => compare(edited(text, changes), compared)),
      { numRuns: RUNS, seed: 1, endOnFailure: true },
    );
    // Not that it left everything to the library.
    expect(compared.taken).toBeGreaterThan(RUNS / 5);
    expect(compared.left).toBeGreaterThan(0);
  });

  it('means the same by values as the library writes them', () => {
    const compared = { taken: 0, left: 0, refused: 0 };
    const leaf = fc.oneof(
      fc.string(),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(
        'yes',
        '010',
        '0x1f',
        '1e3',
        '~',
        '',
        ' a',
        'a ',
        'a: b',
        'a #b',
        '- a',
        'a\nb',
        'a\n',
        '\n',
        '\ta',
        '---',
      ),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
    );
    const key = fc.oneof(fc.constantFrom('name', 'a b', 'x/y', '1', 'yes', '-', '?', '__proto__', ''), fc.string());
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4 }),
      ),
    }));
    const styles = fc.record({
      indent: fc.constantFrom(1, 2, 4),
      indentSeq: fc.boolean(),
      lineWidth: fc.constantFrom(0, 20, 40, 80),
      collectionStyle: fc.constantFrom('any' as const, 'flow' as const, 'block' as const),
      defaultStringType: fc.constantFrom(
        'PLAIN' as const,
        'QUOTE_DOUBLE' as const,
        'QUOTE_SINGLE' as const,
        'BLOCK_LITERAL' as const,
        'BLOCK_FOLDED' as const,
      ),
    });
    fc.assert(
      fc.property(value, styles, (written, style) => {
        compare(stringify(written, { aliasDuplicateObjects: false, ...style }), compared);
      }),
      { numRuns: RUNS, seed: 1, endOnFailure: true },
    );
    expect(compared.taken).toBeGreaterThan(RUNS / 3);
  });

  it('means the same by every style of writing, and by what is near it', () => {
    const compared = { taken: 0, left: 0, refused: 0 };
    fc.assert(
      fc.property(fc.gen(), fc.array(EDIT, { maxLength: 2 }), (gen, edits) => {
        const choose: Choose = (from) => from[gen(fc.nat, { max: from.length - 1 })] ?? raise();
        compare(edited(writeYaml(choose).text, edits), compared);
      }),
      { numRuns: RUNS, seed: 1, endOnFailure: true },
    );
    expect(compared.taken).toBeGreaterThan(RUNS / 5);
  });
});

function raise(): never {
  throw new Error('there is nothing to choose from');
}
