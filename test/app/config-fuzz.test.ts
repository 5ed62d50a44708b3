import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { toConfigView } from '../../src/app/config-view.ts';
import { parseConfig } from '../../src/app/config.ts';
import { formatPosition } from '../../src/core/source-position.ts';
import { DocumentError, parseYaml, toPlain } from '../../src/yaml/located.ts';
import { EXAMPLE, EXAMPLE_FILE } from './config-example.ts';

const FULL = `${EXAMPLE}probes: { bind: "0.0.0.0:9902" }
decisionLog: { allow: 0.5, queueEntries: 100 }
log: { level: debug }
cache: { maxEntries: 10, maxEntriesPerPrincipal: 5, verifyEvery: 0 }
drain: { timeout: 1s }
upstream: { connectTimeout: 1s, maxConnections: 5, maxIdleConnections: 4 }
limits: { maxConnections: 10, maxHeadBytes: 7KiB }
leases: { policyChanged: drain }
trust:
  bundles: { b.example: b.json, __proto__: c.json }
  federation:
    d.example: { url: "https://d/x", profile: https_web, ca: ca.pem, maxAge: 1h }
    e.example: { url: "https://e", profile: https_spiffe, endpointSpiffeId: "spiffe://e.example/a", bundle: e.json }
  endpoint: { bind: "127.0.0.1:8445", profile: https_web, certificate: w.pem, privateKey: w.key, path: /a }
revocation:
  file: list.yaml
  redis: { url: "rediss://redis:1/2", username: me, passwordFile: p, ca: ca.pem, key: k, maxAge: 1m }
`.replace(
  'admin:',
  `  - name: second
    bind: 127.0.0.1:8444
    limits: { maxConnections: 3 }
    leases: { grace: 1s, revoked: drain }
    authenticate: [x509, jwt]
    jwt: { audiences: [a, b], maxAudiences: 2, delegations: [{ peer: /a/*, subjects: [/b/**, "spiffe://c/d"] }] }
    allowPlaintextUpstream: false
    routes:
      - { host: a, pathPrefix: /b, component: c, upstream: "unix:/run/a.sock", allowPlaintextUpstream: true }
      - { component: d, upstream: "http://localhost:1" }
admin:`,
);

const FROM_AGENT = FULL.replace(
  /identity:[^]*?(?=policy:)/,
  'identity: { workloadApi: { socket: "unix:///run/a.sock", spiffeId: /a, startTimeout: 1s } }\n',
);

/** Accepts, or refuses with at least one located problem; anything else fails the property. */
function expectVerdict(bytes: Uint8Array): void {
  try {
    const config = parseConfig(bytes, EXAMPLE_FILE);
    expect(JSON.parse(JSON.stringify(toConfigView(config)))).toHaveProperty('listeners');
    for (const { routes, authenticate } of config.listeners) {
      expect(routes).not.toHaveLength(0);
      expect(authenticate.x509 || authenticate.jwt !== null).toBe(true);
      if (authenticate.jwt !== null) expect(authenticate.jwt.audiences).not.toHaveLength(0);
    }
    for (const { trustDomain, url } of config.trust.federation) {
      expect(trustDomain).not.toBe(config.trustDomain);
      expect(config.trust.bundles.has(trustDomain)).toBe(false);
      expect(url).toMatch(/^https:\/\/[^@#]+$/);
    }
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    expect(error.problems).not.toHaveLength(0);
    for (const { message, code, position } of error.problems) {
      expect(formatPosition(position)).toMatch(/^\/etc\/sallyport\/config\.yaml:[1-9]\d*:[1-9]\d*$/);
      expect(code).toMatch(/^[a-z0-9-]+$/);
      expect(message).not.toMatch(/undefined|\[object|\.$|^$/);
    }
  }
}

describe('parseConfig, fuzzed', () => {
  it('accepts what the mutations begin with', () => {
    expect(parseConfig(Buffer.from(FULL), EXAMPLE_FILE).listeners).toHaveLength(2);
    expect(parseConfig(Buffer.from(FROM_AGENT), EXAMPLE_FILE).identity.kind).toBe('workload-api');
  });

  it('PF-123 gives a verdict for every prefix of a file', () => {
    const bytes = Buffer.from(FROM_AGENT);
    for (let end = 0; end <= bytes.length; end += 1) expectVerdict(bytes.subarray(0, end));
  });

  it('PF-124 gives a verdict for any bytes put anywhere', () => {
    const bytes = Buffer.from(FULL);
    const words = fc.constantFrom(
      ' ',
      '\n',
      '\t',
      ':',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '#',
      '"',
      '&a ',
      '*a',
      '!!',
      '0',
      'null',
      '\0',
      '\ufeff',
      '__proto__: 1\n',
    );
    const inserted = fc.oneof(
      words.map((word) => Buffer.from(word)),
      fc.uint8Array({ maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.nat(6), inserted, (at, removed, put) => {
        expectVerdict(Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + removed)]));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['with files', FULL],
    ['with a Workload API', FROM_AGENT],
  ])('PF-124 gives a verdict for any value in place of any other, %s', (_, text) => {
    const plain = JSON.stringify(toPlain(parseYaml(Buffer.from(text), EXAMPLE_FILE)));
    const paths = pathsOf(JSON.parse(plain));
    const key = fc.constantFrom(
      'name',
      'bind',
      'routes',
      'files',
      'url',
      'profile',
      'b.example',
      'constructor',
      '',
      '0',
    );
    const value = fc.oneof(
      fc.constantFrom('127.0.0.1:8443', 'unix:/a', 'http://h:1', '10s', '1KiB', 'none', 'all', '/a', '/a/**', ''),
      fc.constantFrom(
        'jwt',
        'x509',
        'drain',
        'https_web',
        'https_spiffe',
        'https://h/',
        'redis://h',
        'spiffe://b.example/a',
      ),
      fc.jsonValue({ maxDepth: 2 }),
      fc.dictionary(key, fc.constantFrom<unknown>(null, 1, 'a', [], {})),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...paths), value), { minLength: 1, maxLength: 4 }), (changes) => {
        const document: unknown = JSON.parse(plain);
        for (const [path, put] of changes) replaceAt(document, path, put);
        expectVerdict(Buffer.from(stringify(document)));
      }),
      { numRuns: 500 },
    );
  });
});

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const below = Object.entries(value).flatMap(([key, entry]) =>
    pathsOf(entry, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return path.length === 0 ? below : [path, ...below];
}

function replaceAt(document: unknown, path: Path, put: unknown): void {
  let parent = document;
  for (const step of path.slice(0, -1))
    parent = typeof parent === 'object' && parent !== null ? Reflect.get(parent, step) : null;
  const last = path.at(-1);
  if (typeof parent === 'object' && parent !== null && last !== undefined) Reflect.set(parent, last, put);
}
