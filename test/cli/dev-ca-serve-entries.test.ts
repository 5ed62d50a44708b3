// The entries file of `dev-ca serve`: what it says, and every way to get it wrong, each with its place.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEntriesDocument } from '../../src/cli/dev-ca-serve-entries.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { DocumentError } from '../../src/yaml/located.ts';

const context = { own: parseTrustDomain('ai.example'), ttlMs: 30_000 };

function parse(text: string) {
  return parseEntriesDocument(
    Buffer.from(text),
    { path: '/etc/agent/entries.yaml', name: 'conf/entries.yaml' },
    context,
  );
}

function problemsOf(text: string): readonly string[] {
  try {
    parse(text);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    return error.message.split('\n');
  }
  return [];
}

describe('parseEntriesDocument', () => {
  it('reads entries, in their order, and bundles relative to the file', () => {
    const { entries, federation } = parse(`version: 1
entries:
  - id: spiffe://ai.example/training/job-1
  - id: spiffe://ai.example/registry/main
    hint: internal
    ttl: 10s
    dnsNames: [localhost, "*.ai.example"]
federation:
  partner.example: partner.json
  other.example: /etc/other.pem
`);
    expect(entries).toEqual([
      { id: 'spiffe://ai.example/training/job-1', hint: '', ttlMs: 30_000, dnsNames: [] },
      {
        id: 'spiffe://ai.example/registry/main',
        hint: 'internal',
        ttlMs: 10_000,
        dnsNames: ['localhost', '*.ai.example'],
      },
    ]);
    expect([...federation]).toEqual([
      ['partner.example', '/etc/agent/partner.json'],
      ['other.example', '/etc/other.pem'],
    ]);
  });

  it('reads a file of nobody, when it says so', () => {
    expect(parse('version: 1\nentries: []\n')).toEqual({ entries: [], federation: new Map() });
  });

  const one = (entry: string) => `version: 1\nentries:\n  - ${entry}\n`;
  const at = (more: string) => one(`{ id: spiffe://ai.example/x, ${more} }`);

  it.each<[string, string, string]>([
    ['no version', 'entries: []', '1:1: `version` is missing; write `version: 1` [missing-key]'],
    ['another version', 'version: 2\nentries: []', '1:10: `version` must be 1 [unsupported-version]'],
    ['no entries', 'version: 1', '1:1: an entries file needs `entries` [missing-key]'],
    ['entries left empty', 'version: 1\nentries:', '2:9: `entries` must be a list, and is empty'],
    ['a list as the whole', '- x', '1:1: an entries file must be a mapping, and is a list [wrong-type]'],
    ['a misspelt key', 'version: 1\nentrys: []\nentries: []', '2:1: unknown key `entrys`; did you mean `entries`?'],
    ['an entry that is a text', one('x'), '3:5: an entry must be a mapping, and is a string [wrong-type]'],
    ['an entry without ID', one('{ hint: a }'), '3:5: an entry needs `id` [missing-key]'],
    ['ID-8 an ID in capitals', one('{ id: SPIFFE://ai.example/x }'), '3:11: '],
    [
      'ID-25 an ID without path',
      one('{ id: spiffe://ai.example }'),
      '3:11: `spiffe://ai.example` names a trust domain, not',
    ],
    [
      'CE-31 an ID of elsewhere',
      one('{ id: spiffe://evil.example/x }'),
      '3:11: `spiffe://evil.example/x` is not of the',
    ],
    ['a number as ID', one('{ id: 1 }'), '3:11: `id` must be a string, and is `1`; quote it [wrong-type]'],
    ['an empty hint', at('hint: ""'), '3:40: leave `hint` out for none [bad-hint]'],
    ['a hint without end', at(`hint: ${'x'.repeat(1025)}`), '3:40: a hint has at most 1024 characters [bad-hint]'],
    ['a ttl without unit', at('ttl: "10"'), '3:39: `10` is not a lifetime'],
    ['a ttl that is a number', at('ttl: 10'), '3:39: `ttl` must be a string, and is `10`; quote it'],
    [
      'a ttl of no time',
      at('ttl: 1s'),
      '3:39: `1s` is too short a life to be renewed in time; use 2s or more [bad-ttl]',
    ],
    ['a DNS name that is none', at('dnsNames: [a_b]'), '3:45: `a_b` is not a DNS name [bad-dns-name]'],
    ['no DNS names', at('dnsNames: []'), '3:44: `dnsNames` is empty'],
    ['PF-124 a key that stands twice', at('hint: a, hint: b'), '3:43: key `hint` is already on line 3'],
    ['PF-124 a word that YAML readers differ on', at('hint: no'), '3:40: `no` means different things'],
    ['PF-124 an alias', 'version: 1\nentries: &a []\nfederation: *a', '2:13: anchor `&a`'],
  ])('refuses %s', (_name, text, problem) => {
    expect(problemsOf(text)[0]).toContain(`conf/entries.yaml:${problem}`);
  });

  it.each<[string, string, string]>([
    ['a name in capitals', '{ Partner.example: x }', '3:15: '],
    ['an ID as a name', '{ "spiffe://partner.example": x }', '3:15: '],
    [
      'WA-159 our own trust domain',
      '{ ai.example: x }',
      '3:15: `ai.example` is served here; its bundle is that of the CA',
    ],
    ['no file', '{ partner.example: "" }', '3:32: the bundle file of `partner.example` has no name [bad-bundle-file]'],
    ['a number as a file', '{ partner.example: 1 }', '3:32: the bundle file of `partner.example` must be a string'],
    ['a list', '[]', '3:13: `federation` must be a mapping, and is a list [wrong-type]'],
  ])('refuses a federation with %s', (_name, federation, problem) => {
    const problems = problemsOf(`version: 1\nentries: []\nfederation: ${federation}\n`);
    expect(problems[0]).toContain(`conf/entries.yaml:${problem}`);
    expect(problems).toHaveLength(1);
  });

  it('WA-160 refuses an ID and a hint that stand there already', () => {
    const entry = '  - { id: spiffe://ai.example/x, hint: a }\n';
    expect(problemsOf(`version: 1\nentries:\n${entry}${entry}`)).toEqual([
      'conf/entries.yaml:4:11: `spiffe://ai.example/x` stands on line 3 already; clients could not tell the two apart [duplicate-id]',
      'conf/entries.yaml:4:40: `a` stands on line 3 already; clients could not tell the two apart [duplicate-hint]',
    ]);
  });

  it('tells every problem at once, in the order of the file', () => {
    const problems = problemsOf(`version: 3
entries:
  - { id: nonsense, ttl: never, colour: red }
  - { hint: "" }
federation: { BAD: 1 }
`);
    const places = problems.map((problem) => problem.split(': ')[0]);
    expect(places).toEqual([
      'conf/entries.yaml:1:10',
      'conf/entries.yaml:3:11',
      'conf/entries.yaml:3:26',
      'conf/entries.yaml:3:33',
      'conf/entries.yaml:4:5',
      'conf/entries.yaml:4:13',
      'conf/entries.yaml:5:15',
      'conf/entries.yaml:5:20',
    ]);
  });

  it.each([
    ['nothing', ''],
    ['a NUL', 'version: 1\0'],
    ['a byte-order mark', '\uFEFFversion: 1\nentries: []'],
    ['two documents', 'version: 1\nentries: []\n---\nversion: 1\n'],
    ['half of it', 'version: 1\nentries: ['],
  ])('PF-123 refuses %s', (_name, text) => {
    expect(problemsOf(text)).not.toEqual([]);
  });

  it('refuses or reads whatever it is given, and throws nothing else', () => {
    const scalar = fc.oneof(
      fc.constantFrom('version', 'entries', 'id', 'hint', 'ttl', 'dnsNames', 'federation', '1', '10s', 'x', '[]', '{}'),
      fc.constantFrom('spiffe://ai.example/x', 'partner.example', '__proto__', 'null', 'true', '"', '&a', '*a', '\t'),
      fc.string({ maxLength: 6 }),
    );
    const line = fc
      .tuple(fc.nat(4), fc.constantFrom('', '- '), scalar, fc.constantFrom(': ', ':', ' '), scalar)
      .map(([indent, dash, key, colon, value]) => `${' '.repeat(indent * 2)}${dash}${key}${colon}${value}`);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), (lines) => {
        problemsOf(`version: 1\nentries:\n${lines.join('\n')}`);
      }),
      { numRuns: 1000 },
    );
  });
});
