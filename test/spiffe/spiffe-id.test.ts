// SPIFFE IDs and trust domain names: SPIFFE-ID.md §2, section by section.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  SpiffeIdError,
  trustDomainOf,
  type SpiffeIdErrorCode,
} from '../../src/spiffe/spiffe-id.ts';

function refusal(parse: () => unknown): SpiffeIdErrorCode | 'accepted' {
  try {
    parse();
  } catch (error) {
    if (error instanceof SpiffeIdError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('parseSpiffeId accepts', () => {
  const accepted: readonly (readonly [name: string, id: string, trustDomain: string, path: string])[] = [
    ['§2 an ID with a path', 'spiffe://ai.example/training/job-7', 'ai.example', '/training/job-7'],
    ['§2 an ID without a path, which names the trust domain', 'spiffe://ai.example', 'ai.example', ''],
    ['§2.1 every character of a trust domain name', 'spiffe://a-z.0_9/x', 'a-z.0_9', '/x'],
    ['§2.1 names that are not DNS names', 'spiffe://-a..b-/x', '-a..b-', '/x'],
    ['§2.1 a single dot as trust domain name', 'spiffe://./x', '.', '/x'],
    ['§2.2 upper case in the path', 'spiffe://td/Ns/PROD', 'td', '/Ns/PROD'],
    ['§2.2 segments of three dots or that begin with dots', 'spiffe://td/.../..x/.x/x..', 'td', '/.../..x/.x/x..'],
    ['§2.2 every other character of a path segment', 'spiffe://td/a-b_c.9', 'td', '/a-b_c.9'],
    ['ID-17 a dotted quad as an opaque trust domain name', 'spiffe://127.0.0.1/x', '127.0.0.1', '/x'],
    ['ID-20 names that are properties of every object', 'spiffe://__proto__/x', '__proto__', '/x'],
    ['ID-20 names of methods of every object', 'spiffe://constructor/toString', 'constructor', '/toString'],
  ];
  it.each(accepted)('%s', (_name, text, trustDomain, path) => {
    const id = parseSpiffeId(text);
    expect(id).toBe(text);
    expect(trustDomainOf(id)).toBe(trustDomain);
    expect(pathOf(id)).toBe(path);
  });
});

describe('parseSpiffeId refuses', () => {
  const refused: readonly (readonly [name: string, text: string, code: SpiffeIdErrorCode])[] = [
    ['nothing', '', 'empty-id'],
    ['ID-5 a second name behind a comma', 'spiffe://td/x, URI:spiffe://td/admin', 'path-character'],
    ['ID-6 NUL in the path', 'spiffe://td/x\0', 'path-character'],
    ['ID-6 CR in the path', 'spiffe://td/x\r', 'path-character'],
    ['ID-6 LF in the path', 'spiffe://td/x\n', 'path-character'],
    ['ID-6 NUL in the trust domain', 'spiffe://td\0.evil/x', 'trust-domain-character'],
    ['ID-7 bytes above 0x7f', 'spiffe://td/\u00e9', 'path-character'],
    ['ID-8 an upper-case scheme', 'SPIFFE://td/x', 'wrong-scheme'],
    ['ID-8 a scheme with one capital', 'Spiffe://td/x', 'wrong-scheme'],
    ['ID-9 an upper-case trust domain', 'spiffe://TD/x', 'trust-domain-character'],
    ['ID-10 a trailing slash', 'spiffe://td/x/', 'trailing-slash'],
    ['ID-10 a slash for a path', 'spiffe://td/', 'trailing-slash'],
    ['ID-11 an empty segment', 'spiffe://td//x', 'empty-segment'],
    ['ID-11 an empty segment further on', 'spiffe://td/a//x', 'empty-segment'],
    ['ID-11 nothing but empty segments', 'spiffe://td//', 'empty-segment'],
    ['ID-12 a `..` segment', 'spiffe://td/../x', 'dot-segment'],
    ['ID-12 a `.` segment at the end', 'spiffe://td/x/.', 'dot-segment'],
    ['ID-12 a `..` segment at the end', 'spiffe://td/x/..', 'dot-segment'],
    ['ID-13 percent-encoding in the path', 'spiffe://td/%61', 'percent-encoding'],
    ['ID-13 percent-encoding in the trust domain', 'spiffe://t%64/x', 'percent-encoding'],
    ['ID-14 an empty query', 'spiffe://td/x?', 'query'],
    ['ID-14 a query', 'spiffe://td/x?a=b', 'query'],
    ['ID-14 a query right behind the trust domain', 'spiffe://td?a', 'query'],
    ['ID-15 an empty fragment', 'spiffe://td/x#', 'fragment'],
    ['ID-15 a fragment', 'spiffe://td/x#y', 'fragment'],
    ['ID-15 a fragment right behind the trust domain', 'spiffe://td#', 'fragment'],
    ['ID-16 user info', 'spiffe://u@td/x', 'user-info'],
    ['ID-16 a port', 'spiffe://td:443/x', 'port'],
    ['ID-16 an empty port', 'spiffe://td:/x', 'port'],
    ['ID-17 an IPv6 address', 'spiffe://[::1]/x', 'trust-domain-character'],
    ['ID-19 a Cyrillic letter in the path', 'spiffe://td/\u0430dmin', 'path-character'],
    ['ID-19 a Cyrillic letter in the trust domain', 'spiffe://\u0430i.example/x', 'trust-domain-character'],
    ['an empty trust domain', 'spiffe:///x', 'empty-trust-domain'],
    ['a scheme alone', 'spiffe://', 'empty-trust-domain'],
    ['another scheme', 'https://td/x', 'wrong-scheme'],
    ['a scheme with one slash', 'spiffe:/td/x', 'wrong-scheme'],
    ['a trust domain without scheme', 'ai.example', 'wrong-scheme'],
    ['a leading space', ' spiffe://td/x', 'wrong-scheme'],
    ['a trailing space', 'spiffe://td/x ', 'path-character'],
    ['a colon in the path', 'spiffe://td/a:b', 'path-character'],
    ['an at sign in the path', 'spiffe://td/a@b', 'path-character'],
    ['a backslash', 'spiffe://td\\x', 'trust-domain-character'],
    ['a byte order mark', '\u{feff}spiffe://td/x', 'wrong-scheme'],
    ['a lone surrogate', 'spiffe://td/\ud800', 'path-character'],
  ];
  it.each(refused)('%s', (_name, text, code) => {
    expect(refusal(() => parseSpiffeId(text))).toBe(code);
  });

  it('and shows a homoglyph for what it is', () => {
    expect(() => parseSpiffeId('spiffe://td/\u0430')).toThrow('has `\\u{430}` at offset 12');
  });

  it('and keeps its message on one short line', () => {
    const message = expect(() => parseSpiffeId(`spiffe://td/${'\n`'.repeat(500)}`));
    message.toThrow(/^[\x20-\x7e…]{1,2000}$/);
  });
});

describe('lengths', () => {
  const idOf = (bytes: number): string => `spiffe://td/${'x'.repeat(bytes - 'spiffe://td/'.length)}`;

  it('ID-18 an ID has at most 2048 bytes', () => {
    expect(refusal(() => parseSpiffeId(idOf(2048)))).toBe('accepted');
    expect(refusal(() => parseSpiffeId(idOf(2049)))).toBe('id-too-long');
  });

  it('ID-18 a trust domain name has at most 255 bytes', () => {
    expect(refusal(() => parseSpiffeId(`spiffe://${'t'.repeat(255)}/x`))).toBe('accepted');
    expect(refusal(() => parseSpiffeId(`spiffe://${'t'.repeat(256)}/x`))).toBe('trust-domain-too-long');
    expect(refusal(() => parseTrustDomain('t'.repeat(255)))).toBe('accepted');
    expect(refusal(() => parseTrustDomain('t'.repeat(256)))).toBe('trust-domain-too-long');
  });
});

describe('parseTrustDomain', () => {
  it.each(['ai.example', '127.0.0.1', 'a..b', '__proto__', '-', '_'])('accepts %s', (name) => {
    expect(parseTrustDomain(name)).toBe(name);
  });

  const refused: readonly (readonly [name: string, text: string, code: SpiffeIdErrorCode])[] = [
    ['nothing', '', 'empty-trust-domain'],
    ['a SPIFFE ID', 'spiffe://ai.example', 'port'],
    ['upper case', 'AI.example', 'trust-domain-character'],
    ['a path', 'ai.example/x', 'trust-domain-character'],
    ['a port', 'ai.example:443', 'port'],
    ['a space', 'ai.example ', 'trust-domain-character'],
  ];
  it.each(refused)('refuses %s', (_name, text, code) => {
    expect(refusal(() => parseTrustDomain(text))).toBe(code);
  });
});

describe('distinct IDs stay distinct principals', () => {
  it('ID-24 the same path in another trust domain', () => {
    const ids = new Set([parseSpiffeId('spiffe://a/training'), parseSpiffeId('spiffe://b/training')]);
    expect(ids.size).toBe(2);
  });
});

describe('properties', () => {
  const trustDomain = fc.stringMatching(/^[a-z0-9._-]{1,40}$/);
  const segment = fc.stringMatching(/^[a-zA-Z0-9._-]{1,12}$/).filter((text) => text !== '.' && text !== '..');

  it('accepts everything the grammar generates, and gives back its parts', () => {
    fc.assert(
      fc.property(trustDomain, fc.array(segment, { maxLength: 6 }), (name, segments) => {
        const path = segments.map((text) => `/${text}`).join('');
        const id = parseSpiffeId(`spiffe://${name}${path}`);
        expect([trustDomainOf(id), pathOf(id)]).toEqual([name, path]);
        expect(parseTrustDomain(name)).toBe(name);
      }),
    );
  });

  // The grammar of §2 as one regular expression: a second, independent statement of it.
  const grammar = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[a-zA-Z0-9._-]+)*$/;
  const nearMiss = fc
    .tuple(
      fc.constantFrom('spiffe://', 'spiffe:/', 'SPIFFE://', 'spiffe:///', ''),
      fc.array(
        fc.constantFrom('a', 'Z', '.', '..', '/', '//', '%', '%2e', '?', '#', '@', ':', '\0', '\n', 'é', '-', '_'),
        {
          maxLength: 10,
        },
      ),
    )
    .map(([scheme, parts]) => `${scheme}${parts.join('')}`);

  it('accepts exactly the grammar, and refuses the rest with a typed error', () => {
    fc.assert(
      fc.property(fc.oneof(nearMiss, fc.string({ unit: 'binary' }), fc.webUrl()), (text) => {
        expect(refusal(() => parseSpiffeId(text)) === 'accepted').toBe(grammar.test(text) && text.length <= 2048);
      }),
      { numRuns: 1000 },
    );
  });
});
