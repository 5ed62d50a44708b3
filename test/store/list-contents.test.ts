// The hash of a revocation list, whatever stands in it, and what it does to the list in force.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { revocationKey } from '../../src/revocation/revocation.ts';
import { formatStoredRevocation } from '../../src/revocation/stored-revocation.ts';
import {
  type ListContents,
  MAX_STORED_ENTRIES,
  NO_CONTENTS,
  readListContents,
  unexpired,
} from '../../src/store/list-contents.ts';
import { advanceMark, formatMark, startMark } from '../../src/store/list-mark.ts';
import { succeed } from '../../src/store/list-succession.ts';
import { idRevocation, revocation } from './revocation-entries.ts';

const MARK = startMark(null, 1_000, '00000000000000aa');

function replyOf(pairs: readonly (readonly [string | Buffer, string | Buffer])[]): readonly Buffer[] {
  return pairs.flat().map((cell) => Buffer.from(cell));
}

function stored(path: string, expires?: string): readonly [string, string] {
  const entry = idRevocation(path, expires);
  return [revocationKey(entry.target), formatStoredRevocation(entry)];
}

function pathsOf({ entries }: ListContents): readonly string[] {
  return [...entries.keys()].map((key) => key.replace('id:spiffe://ai.example', '')).sort();
}

describe('what stands in the hash', () => {
  it('is every kind of revocation', async () => {
    const sha256 = 'ab'.repeat(32);
    const all = [
      { id: 'spiffe://ai.example/a/*' },
      { serial: '0x01', issuer: sha256 },
      { spki: sha256 },
      { jti: 'token 1' },
    ];
    const revocations = all.map((texts) => revocation(texts));
    const reply = revocations.map((each) => [revocationKey(each.target), formatStoredRevocation(each)] as const);
    const { entries, problems, mark } = await readListContents(
      replyOf([['.list', formatMark(MARK)], ...reply]),
      NO_CONTENTS,
    );
    expect({ problems, mark }).toEqual({ problems: [], mark: MARK });
    expect([...entries.values()].map((entry) => entry.revocation)).toEqual(revocations);
  });

  it('keeps what it knows of an entry whose text is the same, and reads one whose text is another', async () => {
    const first = await readListContents(replyOf([stored('/a'), stored('/b')]), NO_CONTENTS);
    const second = await readListContents(replyOf([stored('/a'), stored('/b', '2027-01-01T00:00:00Z')]), first);
    const [a, b] = [...second.entries.values()];
    expect(a).toBe([...first.entries.values()][0]);
    expect(b?.revocation.expiresMs).toBe(Date.UTC(2027, 0, 1));
  });

  it('tells a misplaced entry at every reading, and applies it', async () => {
    const reply = replyOf([['elsewhere', stored('/a')[1]]]);
    const first = await readListContents(reply, NO_CONTENTS);
    const second = await readListContents(reply, first);
    for (const { problems, entries } of [first, second]) {
      expect(problems).toMatchObject([{ field: 'elsewhere', code: 'misplaced-entry' }]);
      expect(entries.size).toBe(1);
    }
  });

  it('tells fields and values that are no text', async () => {
    const reply = replyOf([
      [Buffer.from([0xff, 0xfe]), stored('/a')[1]],
      ['id:spiffe://ai.example/b', Buffer.concat([Buffer.from(stored('/b')[1].slice(0, -1)), Buffer.from([0xff])])],
    ]);
    const { problems, entries } = await readListContents(reply, NO_CONTENTS);
    expect(problems.map(({ field, code }) => [field, code])).toEqual([
      ['0xfffe', 'misplaced-entry'],
      ['id:spiffe://ai.example/b', 'broken-entry'],
    ]);
    expect(entries.size).toBe(1);
  });

  it.each<[string, unknown, string]>([
    ['no list', 'OK', 'command-refused'],
    ['an odd list', [Buffer.from('field')], 'command-refused'],
    ['a list of something else', [1, 2], 'command-refused'],
    [
      'an entry too many',
      Array.from({ length: 2 * (MAX_STORED_ENTRIES + 2) }, () => Buffer.alloc(0)),
      'list-too-large',
    ],
  ])('is refused when the reply is %s', async (_what, reply, code) => {
    await expect(readListContents(reply, NO_CONTENTS)).rejects.toMatchObject({ name: 'StoreError', code });
  });

  it('loses nothing to what stands beside it, and invents nothing', async () => {
    const cell = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string().map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { maxLength: 20 }), async (pairs) => {
        const junk = pairs.map(([field, value]) => [Buffer.from(field), Buffer.from(value)] as const);
        const { entries, problems } = await readListContents(replyOf([...junk, stored('/a')]), NO_CONTENTS);
        expect([...entries.keys()]).toEqual(['id:spiffe://ai.example/a']);
        expect(problems).toHaveLength(junk.length);
      }),
      { numRuns: 300 },
    );
  });

  it('counts until the instant of its expiry', async () => {
    const contents = await readListContents(replyOf([stored('/a', '2026-03-01T00:00:00Z'), stored('/b')]), NO_CONTENTS);
    const expiresMs = Date.UTC(2026, 2, 1);
    expect(unexpired(contents.entries, expiresMs - 1)).toHaveLength(2);
    expect(unexpired(contents.entries, expiresMs)).toEqual([idRevocation('/b')]);
  });
});

describe('what follows from what', () => {
  const contents = (mark: string | null, ...entries: readonly (readonly [string, string])[]): Promise<ListContents> =>
    readListContents(replyOf([...(mark === null ? [] : [['.list', mark] as const]), ...entries]), NO_CONTENTS);
  const later = formatMark(advanceMark(MARK, '00000000000000bb'));

  it.each<[string, string | null, string | null, string | null, readonly string[]]>([
    ['nothing was known, nothing is declared', null, null, 'no-list', ['/b']],
    ['nothing was known, a list is there', null, formatMark(MARK), null, ['/b']],
    ['the same list', formatMark(MARK), formatMark(MARK), null, ['/b']],
    ['a later state of the list', formatMark(MARK), later, null, ['/b']],
    ['an earlier state of the list', later, formatMark(MARK), 'list-rolled-back', ['/a', '/b']],
    ['a new list', later, formatMark(startMark(MARK, 0, '00000000000000cc')), null, ['/b']],
    ['no list any more', later, null, 'list-lost', ['/a', '/b']],
  ])('%s', async (_what, known, found, doubt, paths) => {
    const whole = known === null ? NO_CONTENTS : await contents(known, stored('/a'));
    const succession = succeed(whole, await contents(found, stored('/b')));
    expect(succession.doubt).toBe(doubt);
    expect(pathsOf(succession.inForce)).toEqual(paths);
  });

  it.each<[string, string | undefined, string | undefined, string | undefined]>([
    ['both end', '2026-05-01T00:00:00Z', '2026-04-01T00:00:00Z', '2026-05-01T00:00:00Z'],
    ['the one found ends later', '2026-05-01T00:00:00Z', '2026-06-01T00:00:00Z', '2026-06-01T00:00:00Z'],
    ['the one known does not end', undefined, '2026-06-01T00:00:00Z', undefined],
    ['the one found does not end', '2026-05-01T00:00:00Z', undefined, undefined],
  ])('in doubt holds what lasts longer: %s', async (_what, known, found, expected) => {
    const whole = await contents(later, stored('/a', known));
    const { inForce } = succeed(whole, await contents(null, stored('/a', found)));
    expect(unexpired(inForce.entries, 0)).toEqual([idRevocation('/a', expected)]);
  });

  it('in doubt tells what is broken now, not what was', async () => {
    const whole = await contents(later, stored('/a'), ['broken', '']);
    expect(succeed(whole, await contents(null)).inForce.problems).toEqual([]);
  });
});
