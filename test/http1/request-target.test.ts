// Which paths and queries are the one spelling of what they mean, and why the others are refused.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findPathFlaw,
  findQueryFlaw,
  isCanonicalPath,
  isCanonicalQuery,
  type TargetFlaw,
} from '../../src/http1/request-target.ts';

describe('paths', () => {
  const refused: readonly [name: string, path: string, flaw: TargetFlaw][] = [
    ['PA-95 dot-dot', '/v1/../admin', 'path-dot-segment'],
    ['PA-95 dot-dot at the end', '/v1/..', 'path-dot-segment'],
    ['PA-95 dot-dot at the start', '/../admin', 'path-dot-segment'],
    ['PA-95 dot-dot alone', '/..', 'path-dot-segment'],
    ['PA-95 dot', '/v1/./admin', 'path-dot-segment'],
    ['PA-95 dot at the end', '/v1/.', 'path-dot-segment'],
    ['PA-95 dot alone', '/.', 'path-dot-segment'],
    ['PA-95 dot before a trailing slash', '/v1/./', 'path-dot-segment'],
    ['PA-95 dot-dot before a trailing slash', '/v1/../', 'path-dot-segment'],
    ['PA-95 encoded dot-dot', '/v1/%2e%2e/admin', 'path-encoded-unreserved'],
    ['PA-95 encoded dot-dot, upper case', '/v1/%2E%2E/admin', 'path-encoded-unreserved'],
    ['PA-95 half encoded dot-dot', '/v1/.%2e/admin', 'path-encoded-unreserved'],
    ['PA-95 the other half', '/v1/%2e./admin', 'path-encoded-unreserved'],
    ['PA-95 encoded slash after dot-dot', '/v1/..%2fadmin', 'path-encoded-slash'],
    ['PA-95 encoded slash, upper case', '/v1/..%2Fadmin', 'path-encoded-slash'],
    ['PA-95 encoded backslash', '/v1/..%5cadmin', 'path-backslash'],
    ['PA-95 encoded backslash, upper case', '/v1/..%5Cadmin', 'path-backslash'],
    ['PA-95 backslash', '/v1/..\\admin', 'path-backslash'],
    ['PA-95 double encoded dot', '/v1/%252e%252e/admin', 'path-double-encoding'],
    ['PA-95 double encoded slash', '/v1/..%252fadmin', 'path-double-encoding'],
    ['PA-95 triple encoding', '/v1/%25252e', 'path-double-encoding'],
    ['PA-96 two slashes first', '//admin/x', 'path-empty-segment'],
    ['PA-96 encoded slash as a segment', '/%2F/', 'path-encoded-slash'],
    ['PA-96 two slashes inside', '/v1//models', 'path-empty-segment'],
    ['PA-96 two slashes last', '/v1/models//', 'path-empty-segment'],
    ['PA-96 nothing but slashes', '//', 'path-empty-segment'],
    ['PA-97 parameter and dot-dot', '/v1/models;a=b/../admin', 'path-parameter'],
    ['PA-97 dot-dot with an empty parameter', '/..;/', 'path-parameter'],
    ['PA-97 a parameter last', '/v1/models;v=1', 'path-parameter'],
    ['PA-97 encoded parameter', '/v1/..%3b/admin', 'path-parameter'],
    ['PA-97 encoded parameter, upper case', '/v1/..%3B/admin', 'path-parameter'],
    ['PA-98 encoded NUL', '/v1/models%00.json', 'path-encoded-control'],
    ['PA-98 encoded CR LF', '/v1/%0d%0aX:y', 'path-encoded-control'],
    ['PA-98 encoded tab', '/v1/%09', 'path-encoded-control'],
    ['PA-98 encoded escape', '/v1/%1b[0m', 'path-encoded-control'],
    ['PA-98 encoded unit separator', '/v1/%1f', 'path-encoded-control'],
    ['PA-98 encoded DEL', '/v1/%7f', 'path-encoded-control'],
    ['PA-98 encoded C1 control', '/v1/%c2%9b31m', 'path-encoded-control'],
    ['PA-98 overlong slash in two octets', '/v1/%c0%af', 'path-utf8'],
    ['PA-98 overlong dot in two octets', '/v1/%c0%ae', 'path-utf8'],
    ['PA-98 overlong slash in three octets', '/v1/%e0%80%af', 'path-utf8'],
    ['PA-98 overlong slash in four octets', '/v1/%f0%80%80%af', 'path-utf8'],
    ['PA-98 surrogate', '/v1/%ed%a0%80', 'path-utf8'],
    ['PA-98 surrogate pair as six octets', '/v1/%ed%a0%bd%ed%b8%80', 'path-utf8'],
    ['PA-98 beyond U+10FFFF', '/v1/%f4%90%80%80', 'path-utf8'],
    ['PA-98 lead octet that UTF-8 has not', '/v1/%f5%80%80%80', 'path-utf8'],
    ['PA-98 octet FF', '/v1/%ff', 'path-utf8'],
    ['PA-98 continuation without a lead', '/v1/%80', 'path-utf8'],
    ['PA-98 lead without a continuation', '/v1/%c3', 'path-utf8'],
    ['PA-98 lead before a raw character', '/v1/%c3a9', 'path-utf8'],
    ['PA-98 lead before another lead', '/v1/%c3%c3', 'path-utf8'],
    ['PA-98 three octets cut short', '/v1/%e2%82', 'path-utf8'],
    ['PA-98 four octets cut short', '/v1/%f0%9f%98/x', 'path-utf8'],
    ['PA-98 three octets with a broken escape', '/v1/%e2%82%x', 'path-percent'],
    ['PA-98 raw UTF-8', '/v1/\xc3\xa9', 'path-octet'],
    ['PA-98 raw NUL', '/v1/\0', 'path-octet'],
    ['PA-98 raw space', '/v1/a b', 'path-octet'],
    ['PA-98 raw DEL', '/v1/\x7f', 'path-octet'],
    ['a character beyond latin1', '/v1/\u0161', 'path-octet'],
    ['a character whose low octet is a letter', '/v1/\u0141', 'path-octet'],
    ['PA-100 fragment', '/v1/models#f', 'target-fragment'],
    ['an encoded letter', '/v1/%41', 'path-encoded-unreserved'],
    ['an encoded digit', '/v1/%30', 'path-encoded-unreserved'],
    ['an encoded hyphen', '/v1/%2d', 'path-encoded-unreserved'],
    ['an encoded underscore', '/v1/%5F', 'path-encoded-unreserved'],
    ['an encoded tilde', '/v1/%7E', 'path-encoded-unreserved'],
    ['a lone percent sign', '/v1/%', 'path-percent'],
    ['a percent sign and one digit', '/v1/%2', 'path-percent'],
    ['a percent sign and no digits', '/v1/%zz', 'path-percent'],
    ['a percent sign, one digit and a letter', '/v1/%2g', 'path-percent'],
    ['the escape %u002e', '/v1/%u002e', 'path-percent'],
    ['a double quote', '/v1/"', 'path-octet'],
    ['an angle bracket', '/v1/<', 'path-octet'],
    ['a square bracket', '/v1/[', 'path-octet'],
    ['a caret', '/v1/^', 'path-octet'],
    ['a backtick', '/v1/`', 'path-octet'],
    ['a brace', '/v1/{', 'path-octet'],
    ['a bar', '/v1/|', 'path-octet'],
    ["a question mark, which is the query's", '/v1/?', 'path-octet'],
    ['a path without a slash', 'v1', 'target-form'],
    ['an empty path', '', 'target-form'],
  ];
  it.each(refused)('refuses %s', (_name, path, flaw) => {
    expect(findPathFlaw(path)).toBe(flaw);
    expect(isCanonicalPath(path)).toBe(false);
  });

  const accepted: readonly [name: string, path: string][] = [
    ['the root', '/'],
    ['segments', '/v1/models/llama-3.1_8B~x'],
    ['PA-101 a trailing slash', '/v1/models/'],
    ['PA-101 a trailing dot', '/v1/models.'],
    ['PA-101 a trailing encoded space', '/v1/models%20'],
    ['PA-99 another case', '/V1/Models'],
    ['three dots', '/v1/.../x'],
    ['names that begin with dots', '/v1/.hidden/..x/.x.'],
    ['a dot and a letter', '/v1/.a'],
    ['raw sub-delims without `;`', "/v1/!$&'()*+,="],
    ['a colon and an at sign', '/v1/models/m:predict@2'],
    ['encoded sub-delims', '/v1/%21%24%26%27%28%29%2a%2B%2c%3D'],
    ['an encoded colon and at sign', '/v1/%3a%40'],
    ['an encoded space', '/v1/my%20model'],
    ['encoded UTF-8 in lower case', '/v1/%c3%a9%e2%82%ac%f0%9f%98%80'],
    ['encoded UTF-8 in upper case', '/v1/%C3%A9%E2%82%AC%F0%9F%98%80'],
    [
      'the first and last of every length',
      '/%c2%a0/%df%bf/%e0%a0%80/%ed%9f%bf/%ee%80%80/%ef%bf%bf/%f0%90%80%80/%f4%8f%bf%bf',
    ],
    ['an encoded percent sign', '/v1/100%25'],
    ['an encoded percent sign before a letter', '/v1/%25zz'],
    ['an encoded percent sign before one digit', '/v1/%252'],
    ['an encoded question mark and number sign', '/v1/%3f%23'],
    ['an encoded quote and bracket', '/v1/%22%5b%5D'],
  ];
  it.each(accepted)('accepts %s', (_name, path) => {
    expect(findPathFlaw(path)).toBeNull();
    expect(isCanonicalPath(path)).toBe(true);
  });

  it('accepts what encodeURIComponent makes of any well-formed segment, unless that holds a separator or a control', () => {
    // oxlint-disable-next-line no-control-regex
    const forbidden = /[/\\;\u0000-\u001f\u007f-\u009f]|^\.{1,2}$|%[0-9a-f]{2}/i;
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (segment) => {
        const path = `/${encodeURIComponent(segment)}`;
        expect(isCanonicalPath(path)).toBe(!forbidden.test(segment));
        expect(isCanonicalPath(`${path}/`)).toBe(isCanonicalPath(path));
      }),
    );
  });

  it('lets nothing through that decodes to a separator, a control or another path', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      '%',
      '%2',
      '%2e',
      '%2F',
      '%5c',
      '%25',
      '%00',
      '%c3',
      '%a9',
      '%c0',
      '%af',
      ';',
      '\\',
      'a',
      '%41',
      '%20',
      '#',
      '?',
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const path = `/${pieces.join('')}`;
        if (!isCanonicalPath(path)) return;
        const decoded = path.split('/').map((segment) => decodeURIComponent(segment));
        expect(decoded.slice(1, -1)).not.toContain('');
        // An upstream that resolves dot segments, or decodes once more, sees the same path.
        expect(new URL(path, 'http://a').pathname).toBe(path);
        for (const segment of decoded) {
          // oxlint-disable-next-line no-control-regex
          expect(segment).not.toMatch(/^\.\.?$|[/\\;\u0000-\u001f\u007f]/);
          expect(segment).not.toMatch(/%[0-9a-f]{2}/i);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('queries', () => {
  const refused: readonly [name: string, query: string, flaw: TargetFlaw][] = [
    ['PA-100 a fragment', 'x=/../admin#f', 'target-fragment'],
    ['a space', 'a b', 'query-octet'],
    ['a control', 'a\x01', 'query-octet'],
    ['DEL', 'a\x7f', 'query-octet'],
    ['raw UTF-8', '\xc3\xa9', 'query-octet'],
    ['a character beyond latin1', '\u0161', 'query-octet'],
    ['a double quote', '"', 'query-octet'],
    ['angle brackets', '<x>', 'query-octet'],
    ['a backslash', 'a\\b', 'query-octet'],
    ['a backtick', '`', 'query-octet'],
    ['a lone percent sign', 'a=100%', 'query-percent'],
    ['a percent sign and one digit', 'a=%2', 'query-percent'],
    ['a percent sign and no digits', 'a=%zz', 'query-percent'],
    ['PA-98 encoded NUL', 'a=%00', 'query-control'],
    ['PA-98 encoded CR', 'a=%0d', 'query-control'],
    ['PA-98 encoded LF', 'a=%0A', 'query-control'],
  ];
  it.each(refused)('refuses %s', (_name, query, flaw) => {
    expect(findQueryFlaw(query)).toBe(flaw);
    expect(isCanonicalQuery(query)).toBe(false);
  });

  const accepted: readonly [name: string, query: string][] = [
    ['PA-100 nothing', ''],
    ['pairs', 'a=b&c=d'],
    ['PA-100 question marks', '?a?b'],
    ['slashes, dots and semicolons', 'x=/../z//;a'],
    ['brackets, braces, bars and carets, which filters use', 'a[]={b|c}^'],
    ['escapes of anything else', 'a=%20%41%2f%5C%ff%25%32%09'],
    ['a plus sign', 'q=a+b'],
  ];
  it.each(accepted)('accepts %s', (_name, query) => {
    expect(findQueryFlaw(query)).toBeNull();
    expect(isCanonicalQuery(query)).toBe(true);
  });
});
