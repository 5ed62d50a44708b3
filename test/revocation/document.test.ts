// The revocation file: what it may say, and every problem with its place.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/core/source-position.ts';
import { parseRevocationDocument } from '../../src/revocation/document.ts';
import type { Revocation } from '../../src/revocation/revocation.ts';
import { revocationKey } from '../../src/revocation/revocation.ts';
import { DocumentError } from '../../src/yaml/located.ts';
import { OWN, revoke, ofId } from './revocation-fixtures.ts';

const HASH = 'a1'.repeat(32);
const AT = 'reason: stolen, at: 2026-11-01T00:00:00Z';

const parse = (text: string): readonly Revocation[] => parseRevocationDocument(Buffer.from(text), 'r.yaml', OWN);
const list = (...entries: readonly string[]): string =>
  `version: 1\nrevocations:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`;
const keys = (text: string): readonly string[] => parse(text).map(({ target }) => revocationKey(target));

function problemsOf(text: string): readonly string[] {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof DocumentError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

describe('a revocation file', () => {
  it('may list nothing', () => {
    expect(parse('version: 1\nrevocations: []\n')).toEqual([]);
  });

  it('lists what is revoked, why, since when and until when', () => {
    const text = `# kept by the platform team
version: 1
revocations:
  - id: /training/job-7
    reason: Notebook gestohlen – INC-42
    at: 2026-11-01T01:00:00+01:00
    expires: 2026-12-01T00:00:00Z
  - { serial: "4F:2A:00", issuer: ${HASH}, reason: x, at: 2026-11-01T00:00:00Z }
`;
    expect(parse(text)).toEqual([
      revoke(ofId('/training/job-7'), { reason: 'Notebook gestohlen – INC-42', expiresMs: Date.UTC(2026, 11, 1) }),
      revoke({ kind: 'certificate', issuer: HASH, serialNumber: '4f2a00' }, { reason: 'x' }),
    ]);
  });

  it.each<[string, string]>([
    ['id: spiffe://b.example/x', 'id:spiffe://b.example/x'],
    ['id: /x/*', 'id:spiffe://ai.example/x/*'],
    ['id: /**', 'id:spiffe://ai.example/**'],
    [`spki: ${HASH}`, `spki:${HASH}`],
    [`spki: ${HASH.toUpperCase()}`, `spki:${HASH}`],
    [`spki: ${Array.from({ length: 32 }, () => 'A1').join(':')}`, `spki:${HASH}`],
    ['jti: 6f1c9e0a-1', 'jti:6f1c9e0a-1'],
    ['jti: "6f 1c:\u00e4"', 'jti:6f 1c:\u00e4'],
    [`issuer: ${HASH}, serial: "0x1000"`, `certificate:${HASH}:1000`],
    [`issuer: ${HASH}, serial: "10:00"`, `certificate:${HASH}:1000`],
    [`issuer: ${HASH}, serial: "0x0001000"`, `certificate:${HASH}:1000`],
    [`issuer: ${HASH}, serial: "00:00:FE"`, `certificate:${HASH}:fe`],
    [`issuer: ${HASH}, serial: fe1`, `certificate:${HASH}:0fe1`],
    [`issuer: ${HASH}, serial: "7"`, `certificate:${HASH}:07`],
    [`issuer: ${HASH}, serial: "0x0"`, `certificate:${HASH}:00`],
    [`issuer: ${HASH}, serial: 00${'f'.repeat(40)}`, `certificate:${HASH}:${'f'.repeat(40)}`],
  ])('may list { %s }', (entry, key) => {
    expect(keys(list(`{ ${entry}, ${AT} }`))).toEqual([key]);
  });

  it.each<[string, string]>([
    ['[]', 'r.yaml:1:1: a revocation file must be a mapping with `version` and `revocations` [wrong-type]'],
    ['revocations: []', 'r.yaml:1:1: `version` is missing; write `version: 1` [missing-key]'],
    ['version: "1"\nrevocations: []', 'r.yaml:1:10: `version` must be 1 [unsupported-version]'],
    ['version: 2\nrevocations: []', 'r.yaml:1:10: `version` must be 1 [unsupported-version]'],
    ['version: 1', 'r.yaml:1:1: `revocations` is missing; write `revocations: []` for none [missing-key]'],
    [
      'version: 1\nrevocations:\n',
      'r.yaml:2:13: `revocations` must be a list; write `[]` for an empty one [wrong-type]',
    ],
    [
      'version: 1\nrevocations: {}',
      'r.yaml:2:14: `revocations` must be a list; write `[]` for an empty one [wrong-type]',
    ],
    [
      'version: 1\nrevocatoins: []\nrevocations: []',
      'r.yaml:2:1: unknown key `revocatoins`; did you mean `revocations`? [unknown-key]',
    ],
    [
      'version: 1\nx: []\nrevocations: []',
      'r.yaml:2:1: unknown key `x`; known keys are version, revocations [unknown-key]',
    ],
    [
      'version: 1\nrevocations: []\nrevocations: []',
      'r.yaml:3:1: key `revocations` is already on line 2; two readers may take different ones [yaml-duplicate-key]',
    ],
    ['', 'r.yaml:1:1: the file is empty [yaml-empty]'],
    [list('/a'), 'r.yaml:3:5: a revocation must be a mapping such as `{ id: …, reason: …, at: … }` [wrong-type]'],
  ])('is refused when it is %j', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  it.each<[string, string, string]>([
    [`{ ${AT} }`, 'r.yaml:3:5', 'a revocation needs `id`, `serial` and `issuer`, `spki` or `jti` [no-target]'],
    [
      `{ id: /a, jti: b, ${AT} }`,
      'r.yaml:3:15',
      'a revocation is of one thing; it has `id` and `jti`, which are two [several-targets]',
    ],
    [
      `{ serial: ff, issuer: ${HASH}, spki: ${HASH}, ${AT} }`,
      'r.yaml:3:93',
      'a revocation is of one thing; it has `serial` and `spki`, which are two [several-targets]',
    ],
    [
      `{ issuer: ${HASH}, jti: a, ${AT} }`,
      'r.yaml:3:81',
      'a revocation is of one thing; it has `issuer` and `jti`, which are two [several-targets]',
    ],
    [`{ serial: ff, ${AT} }`, 'r.yaml:3:5', 'a revocation needs `issuer` [missing-key]'],
    [`{ issuer: ${HASH}, ${AT} }`, 'r.yaml:3:5', 'a revocation needs `serial` [missing-key]'],
    ['{ id: /a, at: 2026-11-01T00:00:00Z }', 'r.yaml:3:5', 'a revocation needs `reason` [missing-key]'],
    ['{ id: /a, reason: x }', 'r.yaml:3:5', 'a revocation needs `at` [missing-key]'],
    [`{ id: /a, ${AT}, raeson: x }`, 'r.yaml:3:57', 'unknown key `raeson`; did you mean `reason`? [unknown-key]'],
    [
      `{ id: /a, ${AT}, until: x }`,
      'r.yaml:3:57',
      'unknown key `until`; known keys are id, serial, issuer, spki, jti, reason, at, expires [unknown-key]',
    ],
    [`{ id: 7, ${AT} }`, 'r.yaml:3:11', '`id` must be a string; quote it [wrong-type]'],
    [`{ serial: 4096, issuer: ${HASH}, ${AT} }`, 'r.yaml:3:15', '`serial` must be a string; quote it [wrong-type]'],
    [`{ serial: 0x1000, issuer: ${HASH}, ${AT} }`, 'r.yaml:3:15', '`serial` must be a string; quote it [wrong-type]'],
    [
      `{ serial: "1000", issuer: ${HASH}, ${AT} }`,
      'r.yaml:3:15',
      '`serial`: `1000` could be hexadecimal or decimal; write `0x1000` if it is hexadecimal, `0x3e8` if it is decimal [ambiguous-serial]',
    ],
    [
      `{ serial: "-5", issuer: ${HASH}, ${AT} }`,
      'r.yaml:3:15',
      '`serial`: `-5` is not a serial number in hexadecimal, such as `4f:2a:01` or `0x4f2a01` [bad-serial]',
    ],
    [
      `{ serial: "", issuer: ${HASH}, ${AT} }`,
      'r.yaml:3:15',
      '`serial`: `` is not a serial number in hexadecimal, such as `4f:2a:01` or `0x4f2a01` [bad-serial]',
    ],
    [
      `{ serial: "4f:2", issuer: ${HASH}, ${AT} }`,
      'r.yaml:3:15',
      '`serial`: `4f:2` is not a serial number in hexadecimal, such as `4f:2a:01` or `0x4f2a01` [bad-serial]',
    ],
    [
      `{ serial: f${'0'.repeat(40)}, issuer: ${HASH}, ${AT} }`,
      'r.yaml:3:15',
      `\`serial\`: \`f${'0'.repeat(40)}\` has more than the 20 octets of a serial number [bad-serial]`,
    ],
    [
      `{ serial: ff, issuer: CN=root, ${AT} }`,
      'r.yaml:3:27',
      '`issuer`: `CN=root` is not a SHA-256 in hexadecimal, which has 64 digits [bad-sha256]',
    ],
    [
      `{ spki: ${'a1'.repeat(20)}, ${AT} }`,
      'r.yaml:3:13',
      `\`spki\`: \`${'a1'.repeat(20)}\` is not a SHA-256 in hexadecimal, which has 64 digits [bad-sha256]`,
    ],
    [
      `{ jti: "", ${AT} }`,
      'r.yaml:3:12',
      '`jti`: `` is not a token ID of 1 to 1024 characters without control characters [bad-jti]',
    ],
    [
      `{ jti: "a\\tb", ${AT} }`,
      'r.yaml:3:12',
      '`jti`: `a\\u{9}b` is not a token ID of 1 to 1024 characters without control characters [bad-jti]',
    ],
    [
      `{ id: /a/**/b, ${AT} }`,
      'r.yaml:3:11',
      '`id`: ID pattern `/a/**/b` has a `**` that is not its last segment [bad-id-pattern]',
    ],
    [
      `{ id: spiffe://ai.example, ${AT} }`,
      'r.yaml:3:11',
      '`id`: ID pattern `spiffe://ai.example` has no path; the ID of a trust domain itself names no workload [bad-id-pattern]',
    ],
    [
      '{ id: /a, reason: "  ", at: 2026-11-01T00:00:00Z }',
      'r.yaml:3:23',
      '`reason`: say why, in a few words [bad-reason]',
    ],
    [
      '{ id: /a, reason: "a\\nb", at: 2026-11-01T00:00:00Z }',
      'r.yaml:3:23',
      '`reason`: `a\\u{a}b` has characters that cannot be printed on one line [bad-reason]',
    ],
    [
      '{ id: /a, reason: "\u202eb", at: 2026-11-01T00:00:00Z }',
      'r.yaml:3:23',
      '`reason`: `\\u{202e}b` has characters that cannot be printed on one line [bad-reason]',
    ],
    [
      `{ id: /a, reason: ${'x'.repeat(257)}, at: 2026-11-01T00:00:00Z }`,
      'r.yaml:3:23',
      '`reason`: a reason has at most 256 characters; this one has 257 [bad-reason]',
    ],
    [
      '{ id: /a, reason: x, at: 2026-11-01 }',
      'r.yaml:3:30',
      '`at`: `2026-11-01` is not an instant such as `2026-03-01T12:00:00Z` [invalid-instant]',
    ],
    [
      '{ id: /a, reason: x, at: 1969-12-31T23:59:59Z }',
      'r.yaml:3:30',
      '`at`: `1969-12-31T23:59:59Z` is not in the years 1970 to 9999 [bad-instant]',
    ],
    [`{ id: /a, ${AT}, expires: 2026-11-01T00:00:00Z }`, 'r.yaml:3:66', '`expires` is not after `at` [bad-expiry]'],
    [
      `{ id: /a, ${AT}, expires: never }`,
      'r.yaml:3:66',
      '`expires`: `never` is not an instant such as `2026-03-01T12:00:00Z` [invalid-instant]',
    ],
    [`{ id: /a, ${AT}, expires: }`, 'r.yaml:3:66', '`expires` must be a string; quote it [wrong-type]'],
    [
      '{ id: /a, reason: no, at: 2026-11-01T00:00:00Z }',
      'r.yaml:3:23',
      '`no` means different things to different YAML readers; quote it, or write true, false or a decimal number [yaml-ambiguous-scalar]',
    ],
  ])('is refused for %s', (entry, position, message) => {
    expect(problemsOf(list(entry))).toEqual([`${position}: ${message}`]);
  });

  it('tells all its problems, in the order of the text', () => {
    const text = `version: 3
revocations:
  - { id: /a/, ${AT} }
  - { jti: x, reason: "", at: now }
  - id: /b
    reason: &x twice
    at: 2026-11-01T00:00:00Z
`;
    expect(problemsOf(text).map((problem) => problem.replace(/^r\.yaml:(\d+):.*\[(.*)\]$/, '$1 $2'))).toEqual([
      '1 unsupported-version',
      '3 bad-id-pattern',
      '4 bad-reason',
      '4 invalid-instant',
      '6 yaml-anchor',
    ]);
  });

  it.each<[string, string, string]>([
    [`{ id: /a, ${AT} }`, `{ id: spiffe://ai.example/a, ${AT} }`, 'id:spiffe://ai.example/a'],
    [
      `{ serial: "0x00fe", issuer: ${HASH}, ${AT} }`,
      `{ serial: FE, issuer: ${HASH}, ${AT} }`,
      `certificate:${HASH}:fe`,
    ],
    [`{ spki: ${HASH}, ${AT} }`, `{ spki: ${HASH.toUpperCase()}, ${AT} }`, `spki:${HASH}`],
    [`{ jti: a, ${AT} }`, `{ jti: "a", ${AT}, expires: 2027-01-01T00:00:00Z }`, 'jti:a'],
  ])('is refused for a duplicate of %s', (first, second, key) => {
    expect(problemsOf(list(first, '{ jti: other, reason: x, at: 2026-11-01T00:00:00Z }', second))).toEqual([
      `r.yaml:5:5: this is revoked on line 3 already (\`${key}\`) [duplicate-revocation]`,
    ]);
  });

  it('takes a reason of 256 characters, a token ID of 1024 and the last instant there is', () => {
    const entry = `{ jti: ${'x'.repeat(1024)}, reason: ${'y'.repeat(256)}, at: 1970-01-01T00:00:00Z, expires: 9999-12-31T23:59:59.999Z }`;
    expect(problemsOf(list(entry))).toEqual([]);
    expect(problemsOf(list(entry.replace('jti: x', 'jti: xx')))).toHaveLength(1);
    expect(problemsOf(list(entry.replace('.999Z', '.999-00:01')))).toHaveLength(1);
  });

  it('with 10,000 entries is read', () => {
    const entries = Array.from({ length: 10_000 }, (_, at) => `{ id: /job/${at}, ${AT} }`);
    expect(parse(list(...entries))).toHaveLength(10_000);
  });

  it('of any text is read or refused with problems', () => {
    const piece = fc.constantFrom(
      'version: 1\n',
      'revocations:\n',
      '  - ',
      'id: ',
      '/a',
      '\n    ',
      'reason: x',
      'at: ',
      '2026-11-01T00:00:00Z',
      'serial: ',
      '"10"',
      '[]',
      '{',
      '}',
      ',',
      '*',
      '\u0000',
      '!!set ',
      '? ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
        ),
        (text) => {
          for (const problem of problemsOf(text)) expect(problem).toMatch(/^r\.yaml:\d+:\d+: .* \[[a-z0-9-]+\]$/s);
        },
      ),
      { numRuns: 500 },
    );
  });
});
