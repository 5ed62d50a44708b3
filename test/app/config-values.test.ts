import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConfigValueError,
  formatDuration,
  formatSize,
  parseAdminBind,
  parseBind,
  parseDuration,
  parseName,
  parsePath,
  parsePathPrefix,
  parseRouteHost,
  parseSize,
} from '../../src/app/config-values.ts';

const tcp = (host: string, port: number): object => ({ kind: 'tcp', host, port });

function codeOf(parse: () => unknown): string {
  try {
    return `accepted ${JSON.stringify(parse())}`;
  } catch (error) {
    if (error instanceof ConfigValueError) return error.code;
    throw error;
  }
}

describe('durations and sizes', () => {
  it.each([
    ['0ms', 0],
    ['500ms', 500],
    ['10s', 10_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
  ])('reads the duration %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    ['0B', 0],
    ['1B', 1],
    ['16KiB', 16_384],
    ['1MiB', 1_048_576],
    ['2GiB', 2_147_483_648],
    ['1TiB', 1_099_511_627_776],
  ])('reads the size %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    '',
    '10',
    's',
    '-1s',
    '+1s',
    '1.5s',
    '01s',
    '1 s',
    ' 1s',
    '1s ',
    '1S',
    '1d',
    '1e3s',
    '1s1s',
    '１s',
    '9'.repeat(13).concat('s'),
  ])('refuses the duration `%s`', (text) => {
    expect(codeOf(() => parseDuration(text))).toBe('invalid-duration');
  });

  it.each(['', '10', '1KB', '1K', '1kib', '1k', '-1B', '1.5MiB', '0x10B', '1 KiB'])('refuses the size `%s`', (text) => {
    expect(codeOf(() => parseSize(text))).toBe('invalid-size');
  });

  it('shows an amount in the largest unit that fits it exactly', () => {
    expect([0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000].map(formatDuration)).toEqual([
      '0ms',
      '1ms',
      '999ms',
      '1s',
      '1500ms',
      '1m',
      '90s',
      '1h',
    ]);
    expect([0, 1, 1_023, 1_024, 1_536, 1_048_576].map(formatSize)).toEqual([
      '0B',
      '1B',
      '1023B',
      '1KiB',
      '1536B',
      '1MiB',
    ]);
  });

  it('reads back what it shows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e11 }), (amount) => {
        expect(parseDuration(formatDuration(amount))).toBe(amount);
        expect(parseSize(formatSize(amount))).toBe(amount);
      }),
    );
  });
});

describe('parseBind', () => {
  it.each<[string, string, number]>([
    ['127.0.0.1:8443', '127.0.0.1', 8443],
    ['0.0.0.0:8443', '0.0.0.0', 8443],
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['[::1]:65535', '::1', 65_535],
    ['[::]:80', '::', 80],
    ['[0:0:0:0:0:0:0:1]:80', '::1', 80],
    ['[FE80::A]:80', 'fe80::a', 80],
    ['[::ffff:7f00:1]:80', '::ffff:127.0.0.1', 80],
  ])('reads %s', (text, host, port) => {
    expect(parseBind(text)).toEqual(tcp(host, port));
  });

  it.each([
    '',
    ':8443',
    ':',
    '8443',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:08443',
    '127.0.0.1:+1',
    '127.0.0.1:1:2',
    '127.0.0.01:80',
    '127.1:80',
    '1.2.3.4.5:80',
    'localhost:8443',
    '*:8443',
    '::1:8443',
    '[::1]',
    '[::1]8443',
    '[::1:8443',
    '[127.0.0.1]:80',
    '[fe80::1%eth0]:80',
    '[]:80',
    'unix:/run/a.sock',
    'http://127.0.0.1:80',
    ' 127.0.0.1:80',
    '127.0.0.1:80\n',
    'none',
  ])('refuses `%s`', (text) => {
    expect(codeOf(() => parseBind(text))).toBe('invalid-bind');
  });

  it('says what to write instead of a bare port', () => {
    expect(() => parseBind(':8443')).toThrow(
      '`:8443` names no address; write `127.0.0.1:8443` for this machine alone or `0.0.0.0:8443` for every interface',
    );
  });

  it('takes a unix socket or nothing for admin alone', () => {
    expect(parseAdminBind('unix:/run/admin.sock')).toEqual({ kind: 'unix', path: '/run/admin.sock' });
    expect(parseAdminBind('none')).toBeNull();
    expect(parseAdminBind('[::1]:1')).toEqual(tcp('::1', 1));
    for (const text of ['unix:', 'unix:/run/', 'unix://run/admin.sock', 'None', 'localhost:1']) {
      expect(codeOf(() => parseAdminBind(text))).toBe('invalid-bind');
    }
  });
});

describe('routes, names and paths', () => {
  it.each([
    ['models.ai.example', 'models.ai.example'],
    ['Models.AI.Example', 'models.ai.example'],
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['[0::1]', '::1'],
  ])('reads the host %s', (text, host) => {
    expect(parseRouteHost(text)).toBe(host);
  });

  it.each(['', '*', '*.ai.example', 'a:80', 'http://a', 'a/b', 'a b', '1.2.3', '[a]', 'a@b', 'ä'])(
    'refuses the host `%s`',
    (text) => {
      expect(codeOf(() => parseRouteHost(text))).toBe('invalid-host');
    },
  );

  it.each([
    ['/', null],
    ['/api', '/api'],
    ['/api/2.0/mlflow', '/api/2.0/mlflow'],
    ['/~user/a-b_c', '/~user/a-b_c'],
    ['/...', '/...'],
  ])('reads the path prefix %s', (text, prefix) => {
    expect(parsePathPrefix(text)).toBe(prefix);
  });

  it.each([
    '',
    'api',
    '/api/',
    '//',
    '//api',
    '/api//v1',
    '/./a',
    '/a/..',
    '/a%2fb',
    '/a?b',
    '/a#b',
    '/a;b',
    '/a:b',
    '/a b',
    '/ä',
    '/*',
    '\\a',
  ])('refuses the path prefix `%s`', (text) => {
    expect(codeOf(() => parsePathPrefix(text))).toBe('invalid-path-prefix');
  });

  it('reads names that a metric can carry', () => {
    for (const name of ['registry', 'feature-store', 'A.b_c', '__proto__', 'x'.repeat(63)]) {
      expect(parseName(name)).toBe(name);
    }
    for (const name of ['', '.', '..', 'a b', 'a/b', 'ä', 'x'.repeat(64), 'a\n']) {
      expect(codeOf(() => parseName(name))).toBe('invalid-name');
    }
  });

  it('refuses paths that are none', () => {
    for (const text of ['', 'a\u0000b', 'a\nb', '-----BEGIN CERTIFICATE-----']) {
      expect(codeOf(() => parsePath(text))).toBe('invalid-path');
    }
    expect(parsePath('../a b/ü.pem')).toBe('../a b/ü.pem');
  });

  it('throws nothing but its own errors, whatever the text', () => {
    const nearly = fc.stringMatching(/^(?:http|https|unix|\[|\]|::|:|\/|\.|\*|%|@|-|a|0|1|8443|127\.0\.0\.1| )*$/);
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), nearly), (text) => {
        for (const parse of [
          parseBind,
          parseAdminBind,
          parseRouteHost,
          parsePathPrefix,
          parsePath,
          parseName,
          parseDuration,
          parseSize,
        ]) {
          codeOf(() => parse(text));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
