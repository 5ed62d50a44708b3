import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBundleUrl, parseEndpointPath, parseRedisUrl } from '../../src/app/config-urls.ts';
import { SallyportError } from '../../src/core/error.ts';

/** `code: message`, or what was accepted. */
function verdictOf(parse: () => unknown): string {
  try {
    return `accepted ${JSON.stringify(parse())}`;
  } catch (error) {
    if (error instanceof SallyportError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

describe('the URL of a bundle endpoint (SPIFFE_Federation.md §5.2.1.1)', () => {
  it.each([
    ['https://bundles.partner.example/bundle.json', 'https://bundles.partner.example/bundle.json'],
    ['https://partner.example', 'https://partner.example/'],
    ['https://partner.example?bundle', 'https://partner.example/?bundle'],
    ['https://Partner.Example/Bundle', 'https://partner.example/Bundle'],
    ['https://partner.example:443/', 'https://partner.example/'],
    ['https://partner.example:8443/a//b/', 'https://partner.example:8443/a//b/'],
    ['https://10.0.0.1/', 'https://10.0.0.1/'],
    ['https://[2001:DB8:0::1]:8443/', 'https://[2001:db8::1]:8443/'],
    ['https://partner.example/a%20b;v=1?x=%2F..&y=/', 'https://partner.example/a%20b;v=1?x=%2F..&y=/'],
    ['https://partner.example/...', 'https://partner.example/...'],
  ])('is accepted: %s', (text, url) => {
    expect(parseBundleUrl(text)).toBe(url);
  });

  it.each([
    ['', 'invalid-url: `` is not a URL; write `https://host/path`'],
    ['partner.example/bundle', 'invalid-url: `partner.example/bundle` is not a URL; write `https://host/path`'],
    ['//partner.example/', 'invalid-url: '],
    ['https:/partner.example/', 'invalid-url: '],
    [' https://partner.example/', 'invalid-url: '],
    [
      'http://partner.example/',
      'unsupported-scheme: `http://partner.example/` does not use `https://`, as the URL of a bundle must',
    ],
    ['HTTPS://partner.example/', 'unsupported-scheme: `HTTPS://partner.example/` does not begin with `https://` in'],
    ['spiffe://partner.example/', 'unsupported-scheme: '],
    ['https://', 'invalid-url: `https://` has no host; an IPv6 address stands in brackets'],
    ['https:///bundle', 'invalid-url: '],
    ['https://:443/', 'invalid-url: '],
    ['https://::1/', 'invalid-url: '],
    ['https://[::1/', 'invalid-url: '],
    ['https://[fe80::1%25eth0]/', 'invalid-url: '],
    ['https://127.1/', 'invalid-url: '],
    ['https://0x7f000001/', 'invalid-url: '],
    ['https://0.0.0.0/', 'invalid-url: `https://0.0.0.0/` has an address to listen on'],
    ['https://[::]/', 'invalid-url: '],
    ['https://pärtner.example/', 'invalid-url: '],
    ['https://partner.example:/', 'invalid-url: `https://partner.example:/` has no port between 1 and 65535'],
    ['https://partner.example:0/', 'invalid-url: '],
    ['https://partner.example:65536/', 'invalid-url: '],
    ['https://partner.example:0443/', 'invalid-url: '],
    ['https://partner.example/#', 'invalid-url: `https://partner.example/#` has a fragment'],
    ['https://partner.example/a#b', 'invalid-url: '],
    ['https://partner.example/a/../b', 'invalid-url: `https://partner.example/a/../b` has a segment that is `.`'],
    ['https://partner.example/.', 'invalid-url: '],
    ['https://partner.example/%2e%2E/b', 'invalid-url: '],
    ['https://partner.example/.%2e?a', 'invalid-url: '],
    ['https://partner.example\\evil.example/', 'invalid-url: '],
    ['https://partner.example/a b', 'invalid-url: `https://partner.example/a b` has characters'],
    ['https://partner.example/a\\b', 'invalid-url: '],
    ['https://partner.example/a\nb', 'invalid-url: '],
    ['https://partner.example/%', 'invalid-url: '],
    ['https://partner.example/%zz', 'invalid-url: '],
    ['https://partner.example/ä', 'invalid-url: '],
    [`https://partner.example/${'a'.repeat(2_048)}`, 'invalid-url: '],
  ])('is refused: %s', (text, expected) => {
    expect(verdictOf(() => parseBundleUrl(text)).slice(0, expected.length)).toBe(expected);
  });

  it.each(['https://root:hunter2@partner.example/', 'https://@partner.example/', 'root:hunter2@partner.example'])(
    'is refused with userinfo, which is not told further: %s',
    (text) => {
      expect(verdictOf(() => parseBundleUrl(text))).toBe(
        'password-in-url: the URL of a bundle takes no user name or password; write an `@` of its path as `%40`',
      );
    },
  );

  it('is read by a URL parser as what it says', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((ip) => `[${ip}]`),
    );
    const rest = fc.stringMatching(/^(?:\/|a|B|\.|%2e|%20|;|=|\?|~|\*){0,12}$/);
    const port = fc.constantFrom('', ':443', ':8443', ':1');
    fc.assert(
      fc.property(host, port, rest, (name, suffix, path) => {
        const text = `https://${name}${suffix}/${path}`;
        const verdict = verdictOf(() => parseBundleUrl(text));
        if (!verdict.startsWith('accepted')) return;
        const url = new URL(parseBundleUrl(text));
        expect(url.href).toBe(new URL(text).href);
        expect(`${url.pathname}${url.search}`).toBe(`/${path}`.replace(/^([^?]*)\?$/, '$1'));
        expect([url.username, url.password, url.hash]).toEqual(['', '', '']);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the URL of a Redis server', () => {
  it.each<[string, object]>([
    ['redis://127.0.0.1', { host: '127.0.0.1', port: 6_379, database: 0, isEncrypted: false }],
    ['redis://127.0.0.1:6380/', { host: '127.0.0.1', port: 6_380, database: 0, isEncrypted: false }],
    ['redis://[::1]:6379/0', { host: '::1', port: 6_379, database: 0, isEncrypted: false }],
    ['redis://[::1]', { host: '::1', port: 6_379, database: 0, isEncrypted: false }],
    ['rediss://Redis.ai.example/15', { host: 'redis.ai.example', port: 6_379, database: 15, isEncrypted: true }],
  ])('is accepted: %s', (url, expected) => {
    expect(parseRedisUrl(url)).toEqual({ url, ...expected });
  });

  it.each([
    ['', 'invalid-url: `` is not a URL; write `redis://127.0.0.1:6379/0`'],
    ['127.0.0.1:6379', 'invalid-url: '],
    ['http://127.0.0.1', 'unsupported-scheme: `http://127.0.0.1` does not begin with `redis://` or `rediss://`'],
    ['REDIS://127.0.0.1', 'unsupported-scheme: '],
    ['unix:///run/redis.sock', 'unsupported-scheme: '],
    ['redis://', 'invalid-url: '],
    ['redis:///0', 'invalid-url: '],
    ['redis://:6379', 'invalid-url: '],
    ['redis://127.0.0.1:0', 'invalid-url: '],
    ['redis://127.0.0.1:99999', 'invalid-url: '],
    ['redis://127.1', 'invalid-url: '],
    ['redis://0.0.0.0', 'invalid-url: '],
    ['redis://127.0.0.1/a', 'invalid-url: `redis://127.0.0.1/a` does not end with the number of a database'],
    ['redis://127.0.0.1/01', 'invalid-url: '],
    ['redis://127.0.0.1/-1', 'invalid-url: '],
    ['redis://127.0.0.1/65536', 'invalid-url: '],
    ['redis://127.0.0.1/0/1', 'invalid-url: '],
    ['redis://127.0.0.1/0\n', 'invalid-url: '],
  ])('is refused: %s', (text, expected) => {
    expect(verdictOf(() => parseRedisUrl(text)).slice(0, expected.length)).toBe(expected);
  });

  it.each([
    'redis://:hunter2@127.0.0.1',
    'redis://root:hunter2@127.0.0.1:6379/0',
    'redis://@127.0.0.1',
    'redis://127.0.0.1?password=hunter2',
    'redis://127.0.0.1/0#hunter2',
    'root:hunter2@127.0.0.1',
  ])('is refused with what may hold a password, which is not told further: %s', (text) => {
    const verdict = verdictOf(() => parseRedisUrl(text));
    expect(verdict).toMatch(
      /^password-in-url: .*; keep the password in a file of its own and name it as `passwordFile`/,
    );
    expect(verdict).not.toContain('hunter2');
  });
});

describe('the path of our own bundle endpoint', () => {
  it.each(['/', '/bundle.json', '/a/b-c_d~e/...', `/${'a'.repeat(2_047)}`])('is accepted: %s', (path) => {
    expect(parseEndpointPath(path)).toBe(path);
  });

  it.each([
    '',
    'bundle',
    '//',
    '/a/',
    '/a//b',
    '/.',
    '/a/..',
    '/a?b',
    '/a#b',
    '/%61',
    '/a b',
    '/ä',
    '/a\n',
    `/${'a'.repeat(2_048)}`,
  ])('is refused: %s', (path) => {
    expect(verdictOf(() => parseEndpointPath(path))).toMatch(/^invalid-url-path: /);
  });
});

describe('URLs', () => {
  it('give nothing but a value or a refusal, whatever the text', () => {
    const nearly = fc.stringMatching(
      /^(?:https|redis|rediss|:\/\/|\[|\]|::|:|\/|\.|\*|%|@|\?|#|-|a|0|1|127\.0\.0\.1| )*$/,
    );
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), nearly), (text) => {
        for (const parse of [parseBundleUrl, parseRedisUrl, parseEndpointPath]) verdictOf(() => parse(text));
      }),
      { numRuns: 1_000 },
    );
  });
});
