import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatUpstream, parseUpstream } from '../../src/app/config-upstreams.ts';
import { ConfigValueError } from '../../src/app/config-values.ts';

const tcp = (host: string, port: number): object => ({ kind: 'tcp', host, port });
const http = (address: object): object => ({ scheme: 'http', address });
const h2c = (address: object): object => ({ scheme: 'h2c', address });

function codeOf(parse: () => unknown): string {
  try {
    return `accepted ${JSON.stringify(parse())}`;
  } catch (error) {
    if (error instanceof ConfigValueError) return error.code;
    throw error;
  }
}

describe('parseUpstream', () => {
  it.each<[string, object]>([
    ['http://127.0.0.1:5000', http(tcp('127.0.0.1', 5000))],
    ['http://[::1]:5000', http(tcp('::1', 5000))],
    ['http://[0::1]:5000', http(tcp('::1', 5000))],
    ['http://localhost:80', http(tcp('localhost', 80))],
    ['http://Registry.ML.svc.cluster.local.:80', http(tcp('registry.ml.svc.cluster.local.', 80))],
    ['http://a_b-c:1', http(tcp('a_b-c', 1))],
    ['https://Registry.ML:8443', { scheme: 'https', address: tcp('registry.ml', 8443) }],
    ['https+unix:/run/registry.sock', { scheme: 'https', address: { kind: 'unix', path: '/run/registry.sock' } }],
    ['h2://registry:8443', { scheme: 'h2', address: tcp('registry', 8443) }],
    ['h2+unix:/run/registry.sock', { scheme: 'h2', address: { kind: 'unix', path: '/run/registry.sock' } }],
    ['unix:/run/registry.sock', http({ kind: 'unix', path: '/run/registry.sock' })],
    ['unix:registry.sock', http({ kind: 'unix', path: 'registry.sock' })],
    ['h2c://127.0.0.1:8001', h2c(tcp('127.0.0.1', 8001))],
    ['h2c://[::1]:8001', h2c(tcp('::1', 8001))],
    ['h2c+unix:/run/app.sock', h2c({ kind: 'unix', path: '/run/app.sock' })],
  ])('reads %s', (text, upstream) => {
    expect(parseUpstream(text)).toEqual(upstream);
  });

  it.each([
    '',
    '127.0.0.1:5000',
    'localhost',
    'HTTP://127.0.0.1:5000',
    'Https://127.0.0.1:5000',
    'https://127.0.0.1',
    'https://127.0.0.1:5000/v1',
    'https+unix:',
    'http:127.0.0.1:5000',
    'http:/127.0.0.1:5000',
    'http://',
    'http://:5000',
    'http://127.0.0.1',
    'http://127.0.0.1:',
    'http://127.0.0.1:0',
    'http://127.0.0.1:65536',
    'http://127.0.0.1:5000/',
    'http://127.0.0.1:5000/v1',
    'http://127.0.0.1:5000?a',
    'http://127.0.0.1:5000#a',
    'http://127.0.0.1\\@evil:5000',
    'http://user@127.0.0.1:5000',
    'http://user:password@127.0.0.1:5000',
    'http://::1:5000',
    'http://[::1%lo]:5000',
    'http://0.0.0.0:5000',
    'http://[::]:5000',
    'http://[::ffff:0.0.0.0]:5000',
    'http://127.1:5000',
    'http://2130706433:5000',
    'http://0x7f000001:5000',
    'http://0177.0.0.1:5000',
    'http://a..b:5000',
    'http://-a:5000',
    'http://a b:5000',
    'http://a%62:5000',
    'http://bücher:5000',
    `http://${'a'.repeat(64)}:5000`,
    ' http://127.0.0.1:5000',
    'http://127.0.0.1:5000\n',
    'H2C://127.0.0.1:5000',
    'h2c:127.0.0.1:5000',
    'h2c://127.0.0.1',
    'h2c://127.0.0.1:5000/x',
    'h2c+unix:',
    'h2c+unix:///run/a.sock',
    'http+unix:/run/a.sock',
    'unix:',
    'unix:/run/',
    'unix:///run/a.sock',
    'unix:/run/\u0000.sock',
  ])('refuses `%s`', (text) => {
    expect(codeOf(() => parseUpstream(text))).toMatch(/^invalid-(?:upstream|path)$/);
  });

  it.each(['wss://127.0.0.1:5000', 'h2c2://127.0.0.1:5000', 'grpc://x:1', 'file:///etc/passwd'])(
    'says that `%s` is not supported',
    (text) => {
      expect(codeOf(() => parseUpstream(text))).toBe('unsupported-upstream');
    },
  );

  it('never repeats a password', () => {
    expect(() => parseUpstream('ftp://root:hunter2@h')).toThrow(/^(?!.*hunter2)/);
  });

  it('reads back what it shows', () => {
    for (const text of [
      'http://127.0.0.1:5000',
      'http://[::1]:5000',
      'http://a.b:1',
      'unix:/run/a.sock',
      'h2c://[::1]:1',
      'h2c+unix:/a',
    ]) {
      expect(formatUpstream(parseUpstream(text))).toBe(text);
    }
  });

  it('ends in a value or a refusal for any text, and shows what it has read so that it is read again', () => {
    const piece = fc.constantFrom(
      'http',
      'h2c',
      'unix',
      '+',
      '://',
      ':',
      '/',
      '@',
      '[',
      ']',
      '::1',
      '127.0.0.1',
      'a.b',
      '80',
      '0',
      ' ',
      '\n',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
        ),
        (text) => {
          const outcome = codeOf(() => parseUpstream(text));
          if (!outcome.startsWith('accepted')) return;
          const upstream = parseUpstream(text);
          expect(parseUpstream(formatUpstream(upstream))).toEqual(upstream);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
