// `revoke add` and `revoke remove` on files as people write them: what they wrote stays.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRevocationDocument } from '../../src/revocation/document.ts';
import { addRevocation, EMPTY_REVOCATION_DOCUMENT, removeRevocation } from '../../src/revocation/edit-document.ts';
import { formatEntry } from '../../src/revocation/entry.ts';
import type { Revocation, RevocationTarget } from '../../src/revocation/revocation.ts';
import { revocationKey } from '../../src/revocation/revocation.ts';
import { formatStoredRevocation } from '../../src/revocation/stored-revocation.ts';
import { DocumentError } from '../../src/yaml/located.ts';
import { anyRevocation, ofId, ofToken, OWN, revoke } from './revocation-fixtures.ts';

const add = (text: string, revocation: Revocation): string =>
  addRevocation({ text, file: 'revoked.yaml', own: OWN }, revocation);
const remove = (text: string, target: RevocationTarget): string =>
  removeRevocation({ text, file: 'revoked.yaml', own: OWN }, target);
const parse = (text: string): readonly Revocation[] => parseRevocationDocument(Buffer.from(text), 'revoked.yaml', OWN);
const stored = (revocations: readonly Revocation[]): readonly string[] => revocations.map(formatStoredRevocation);

const c = revoke(ofId('/c'));
const C = `  - id: spiffe://ai.example/c
    reason: "stolen laptop"
    at: "2026-11-01T00:00:00Z"
`;

const KEPT_BY_PEOPLE = `# Revoked by the platform team. Call 4711 first.
version: 1

revocations: # newest last
  # INC-1: somebody lost a laptop
  - id: /a   # only this one
    reason: 'it''s gone'
    at: 2026-01-01T00:00:00Z
    # its disk was encrypted

  # INC-2
  -
    reason: >-
      folded over
      two lines
    at: "2026-01-02T00:00:00+01:00"
    id: spiffe://ai.example/b

# the end
`;

describe('adding', () => {
  it.each([
    ['to nothing', EMPTY_REVOCATION_DOCUMENT, `version: 1\nrevocations:\n${C}`],
    [
      'to an empty list with a comment',
      'version: 1\nrevocations: []  # none\n',
      `version: 1\nrevocations:  # none\n${C}`,
    ],
    ['to an empty list that is not the last key', 'revocations: [ ]\nversion: 1\n', `revocations:\n${C}version: 1\n`],
    [
      'to an empty list at the end without a line break',
      'version: 1\nrevocations: []',
      `version: 1\nrevocations:\n${C}`,
    ],
    [
      'to an empty list below its key',
      'version: 1\nrevocations:\n  []\n',
      'version: 1\nrevocations:\n  [{"id": "spiffe://ai.example/c", "reason": "stolen laptop", "at": "2026-11-01T00:00:00Z"}]\n',
    ],
    [
      'to a list without indentation',
      'version: 1\nrevocations:\n- { jti: x, reason: why, at: 2026-01-01T00:00:00Z }\n',
      `version: 1\nrevocations:\n- { jti: x, reason: why, at: 2026-01-01T00:00:00Z }\n${C.replaceAll(/^ {2}/gm, '')}`,
    ],
    [
      'to a list without a line break at its end',
      'version: 1\nrevocations:\n  - { jti: x, reason: why, at: 2026-01-01T00:00:00Z } # c',
      `version: 1\nrevocations:\n  - { jti: x, reason: why, at: 2026-01-01T00:00:00Z } # c\n${C}`,
    ],
    [
      'to JSON',
      '{"version": 1, "revocations": [{"jti": "x", "reason": "why", "at": "2026-01-01T00:00:00Z"}]}',
      '{"version": 1, "revocations": [{"jti": "x", "reason": "why", "at": "2026-01-01T00:00:00Z"}, {"id": "spiffe://ai.example/c", "reason": "stolen laptop", "at": "2026-11-01T00:00:00Z"}]}',
    ],
    [
      'to JSON without entries',
      '{"version":1,"revocations":[]}',
      '{"version":1,"revocations":[{"id": "spiffe://ai.example/c", "reason": "stolen laptop", "at": "2026-11-01T00:00:00Z"}]}',
    ],
    [
      'to a file with the line breaks of Windows',
      'version: 1\r\nrevocations: []\r\n',
      `version: 1\r\nrevocations:\r\n${C.replaceAll('\n', '\r\n')}`,
    ],
  ])('%s', (_name, before, after) => {
    expect(add(before, c)).toBe(after);
    expect(stored(parse(after)).at(-1)).toBe(formatStoredRevocation(c));
  });

  it('keeps every character that people wrote, and stands before what they wrote below the list', () => {
    const after = add(KEPT_BY_PEOPLE, c);
    expect(after).toBe(KEPT_BY_PEOPLE.replace('    id: spiffe://ai.example/b\n', (line) => line + C));
    expect(parse(after)).toHaveLength(3);
  });

  it('stands behind a comment that belongs to the last entry', () => {
    const text =
      'version: 1\nrevocations:\n  - jti: x\n    reason: why\n    at: 2026-01-01T00:00:00Z\n    # of x\n  # below\n';
    expect(add(text, c)).toBe(text.replace('    # of x\n', (line) => line + C));
  });

  it('writes what it is given and nothing that YAML would take for something else', () => {
    for (const reason of [
      'no',
      '12',
      '0x10',
      'a: b # c',
      '"',
      "it's",
      'ü – \\',
      '{a}',
      '- x',
      '&a',
      '*',
      '~',
      'a\u00a0b',
    ]) {
      const after = add(EMPTY_REVOCATION_DOCUMENT, revoke(ofToken(reason), { reason }));
      expect(parse(after)).toEqual([revoke(ofToken(reason), { reason })]);
    }
  });

  it('of what is listed already is refused, however it is written', () => {
    const text =
      'version: 1\nrevocations:\n  - { id: /c, reason: why, at: 2026-01-01T00:00:00Z, expires: 2026-01-02T00:00:00Z }\n';
    expect(() => add(text, c)).toThrow(
      expect.objectContaining({
        code: 'already-listed',
        message: 'revoked.yaml: `id:spiffe://ai.example/c` is listed already',
      }),
    );
  });

  it('to a broken file is refused with its problems', () => {
    expect(() => add('version: 2\nrevocations: []\n', c)).toThrow(DocumentError);
    expect(() => add('version: 1\nrevocations:\n', c)).toThrow(DocumentError);
    expect(() => add('', c)).toThrow(DocumentError);
  });
});

describe('removing', () => {
  it('takes the lines of the entry and no other', () => {
    expect(remove(KEPT_BY_PEOPLE, ofId('/a'))).toBe(KEPT_BY_PEOPLE.replace(/ {2}- id: \/a[^]*?at: .*\n/, ''));
    expect(remove(KEPT_BY_PEOPLE, ofId('/b'))).toBe(KEPT_BY_PEOPLE.replace(/ {2}-\n[^]*?\/b\n/, ''));
  });

  it('leaves an empty list when it was the last, and the comments', () => {
    const neither = remove(remove(KEPT_BY_PEOPLE, ofId('/a')), ofId('/b'));
    expect(parse(neither)).toEqual([]);
    expect(neither.match(/#.*/g)).toEqual([
      '# Revoked by the platform team. Call 4711 first.',
      '# newest last',
      '# INC-1: somebody lost a laptop',
      '# its disk was encrypted',
      '# INC-2',
      '# the end',
    ]);
    expect(neither).toContain('revocations: [] # newest last\n');
  });

  const item = (jti: string): string => `{"jti": "${jti}", "reason": "why", "at": "2026-01-01T00:00:00Z"}`;
  const json = (...items: readonly string[]): string => `{"version": 1, "revocations": [${items.join(', ')}]}\n`;
  it.each([
    ['the only one', json(item('x')), json()],
    ['the first', json(item('x'), item('b')), json(item('b'))],
    ['one between', json(item('a'), item('x'), item('b')), json(item('a'), item('b'))],
    ['the last', json(item('a'), item('x')), json(item('a'))],
    [
      'the last before a comma',
      `version: 1\nrevocations: [${item('a')}, # of a\n  ${item('x')}, # of x\n]\n`,
      `version: 1\nrevocations: [${item('a')}, # of a\n  # of x\n]\n`,
    ],
    [
      'the last behind a comment',
      `version: 1\nrevocations: [${item('a')} # of a\n  , ${item('x')} # of x\n]\n`,
      `version: 1\nrevocations: [${item('a')} # of a\n   # of x\n]\n`,
    ],
  ])('of a list in brackets takes %s', (_name, before, after) => {
    expect(remove(before, ofToken('x'))).toBe(after);
  });

  it('of what is not listed is refused', () => {
    expect(() => remove(KEPT_BY_PEOPLE, ofId('/a/*'))).toThrow(
      expect.objectContaining({
        code: 'not-listed',
        message: 'revoked.yaml: `id:spiffe://ai.example/a/*` is not listed',
      }),
    );
  });
});

describe('any edits', () => {
  const layout: fc.Arbitrary<string> = fc.constantFrom<string>(
    EMPTY_REVOCATION_DOCUMENT,
    KEPT_BY_PEOPLE,
    '{"version":1,"revocations":[]}',
    'revocations:\n- {jti: x, reason: why, at: 2026-01-01T00:00:00Z}\nversion: 1',
  );

  it('change one entry and nothing else, and lead back', () => {
    const several = fc.uniqueArray(anyRevocation, { maxLength: 5, selector: ({ target }) => revocationKey(target) });
    fc.assert(
      fc.property(layout, several, fc.nat(), (start, revocations, which) => {
        const before = parse(start);
        let text = start;
        for (const revocation of revocations) text = add(text, revocation);
        expect(stored(parse(text))).toEqual(stored([...before, ...revocations]));
        const victim = revocations[which % Math.max(revocations.length, 1)];
        if (victim === undefined) return;
        const kept = revocations.filter((revocation) => revocation !== victim);
        text = remove(text, victim.target);
        expect(stored(parse(text))).toEqual(stored([...before, ...kept]));
        for (const revocation of kept) text = remove(text, revocation.target);
        expect(stored(parse(text))).toEqual(stored(before));
        expect(text.match(/#.*/g)).toEqual(start.match(/#.*/g));
      }),
      { numRuns: 100 },
    );
  });

  it('of a list in any layout change one entry, keep every comment, and lead back', () => {
    const several = fc.uniqueArray(anyRevocation, { maxLength: 4, selector: ({ target }) => revocationKey(target) });
    const choices = fc.infiniteStream(fc.nat(99));
    fc.assert(
      fc.property(several, choices, (revocations, stream) => {
        const text = layOut(revocations, (count) => (stream.next().value ?? 0) % count);
        expect(stored(parse(text))).toEqual(stored(revocations));
        const longer = add(text, c);
        expect(stored(parse(longer))).toEqual(stored([...revocations, c]));
        expect(comments(longer)).toEqual(comments(text));
        expect(comments(remove(longer, c.target))).toEqual(comments(text));
        for (const revocation of revocations) {
          const shorter = remove(text, revocation.target);
          expect(stored(parse(shorter))).toEqual(stored(revocations.filter((kept) => kept !== revocation)));
          expect(comments(shorter).filter((comment) => !comment.startsWith('#in'))).toEqual(
            comments(text).filter((comment) => !comment.startsWith('#in')),
          );
        }
      }),
      { numRuns: 100 },
    );
  });
});

/** `#in…` stands inside an entry, every other comment outside. */
function comments(text: string): readonly string[] {
  return text.match(/#(?:in|out)[0-9]+/g) ?? [];
}

/** A revocation file as somebody might have written it. */
function layOut(revocations: readonly Revocation[], choose: (count: number) => number): string {
  let count = 0;
  const comment = (where: 'in' | 'out'): string => (choose(3) === 0 ? ` #${where}${(count += 1)}` : '');
  const ownLine = (indent: string): string =>
    choose(4) === 0 ? `${choose(2) === 0 ? '\n' : ''}${indent}#out${(count += 1)}\n` : '';
  const fieldsOf = (revocation: Revocation): readonly string[] => {
    const written = formatEntry(revocation).map(([key, text]) => `${key}: ${JSON.stringify(text)}`);
    return choose(2) === 0 ? written : written.toReversed();
  };
  const flow = (revocation: Revocation): string => `{${fieldsOf(revocation).join(', ')}}`;
  const indent = ['', '  ', '    '][choose(3)] ?? '';
  const block = (revocation: Revocation): string => {
    const [first = '', ...others] = fieldsOf(revocation);
    const gap = [' ', '   ', `${comment('in')}\n${indent}    `][choose(3)] ?? ' ';
    const inner = `${indent} ${gap.includes('\n') ? '   ' : gap}`;
    return `${indent}-${gap}${first}${others.map((field) => `${comment('in')}\n${choose(6) === 0 ? '\n' : ''}${inner}${field}`).join('')}`;
  };
  const item = (revocation: Revocation): string =>
    `${ownLine(indent)}${choose(3) === 0 ? `${indent}- ${flow(revocation)}` : block(revocation)}${comment('in')}\n`;
  const isFlow = revocations.length === 0 || choose(3) === 0;
  const separated = (revocation: Revocation, at: number): string =>
    `${at === 0 ? '' : `${comment('out')}\n  ,`}${choose(2) === 0 ? '\n ' : ' '}${flow(revocation)}`;
  const list = isFlow
    ? ` [${revocations.map(separated).join('')}${revocations.length > 0 && choose(2) === 0 ? ',' : ''}${comment('out')}\n ]${comment('out')}\n`
    : `${comment('out')}\n${revocations.map(item).join('')}`;
  const parts = ['version: 1\n', `revocations:${list}${ownLine('')}`];
  const text = `${ownLine('')}${(choose(2) === 0 ? parts : parts.toReversed()).join(ownLine(''))}`;
  const whole = choose(4) === 0 ? text.trimEnd() : text;
  return choose(4) === 0 ? whole.replaceAll('\n', '\r\n') : whole;
}
