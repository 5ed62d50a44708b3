// Credentials in HTTP headers: `Authorization: Bearer …`, `Basic …`, and in `curl -u user:password`.

import type { Hit } from './detection.ts';
import { looksRandom } from './randomness.ts';
import { isPlaceholder } from './value-shape.ts';

const BEARER = /(?<![A-Za-z])bearer[ \t]{1,4}([A-Za-z0-9._~+/=-]{16,4096})/gi;
const BASIC = /(?<![A-Za-z])basic[ \t]{1,4}([A-Za-z0-9+/]{6,1024}={0,2})/gi;

export function findHeaders(text: string): readonly Hit[] {
  return [
    ...hitsOf(text, BEARER, { kind: 'bearer-token', title: 'a bearer token in a header', isCredential: isToken }),
    ...hitsOf(text, BASIC, { kind: 'basic-auth', title: 'a login in a header', isCredential: isLogin }),
  ];
}

function hitsOf(
  text: string,
  pattern: RegExp,
  as: { readonly kind: string; readonly title: string; readonly isCredential: (value: string) => boolean },
): readonly Hit[] {
  return [...text.matchAll(pattern)].flatMap(({ 0: whole, 1: value = '', index }): readonly Hit[] => {
    if (!as.isCredential(value)) return [];
    return [
      {
        kind: as.kind,
        title: as.title,
        basis: 'format',
        name: null,
        start: index + whole.length - value.length,
        length: value.length,
        prefix: null,
        expiresMs: null,
        isLimited: false,
      },
    ];
  });
}

function isToken(value: string): boolean {
  return !isPlaceholder(value) && looksRandom(value);
}

/** Base64 of `user:password`; words that merely follow "basic" decode to control characters. */
function isLogin(value: string): boolean {
  const decoded = Buffer.from(value, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return (
    colon > 0 &&
    colon < decoded.length - 1 &&
    /^[\x20-\x7e]+$/.test(decoded) &&
    !isPlaceholder(decoded.slice(colon + 1))
  );
}
