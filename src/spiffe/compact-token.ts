// A signed token in compact serialization, taken apart: three parts in canonical base64url, two of them strict JSON objects.
// RFC 7515 §3.1, §7.1, JWT-SVID.md §5.1

import { type JsonLimits, type JsonObject, type JsonValue, parseJson } from '../json/json.ts';
import { JsonError } from '../json/json-error.ts';
import { decodeBase64 } from './json-web-key.ts';
import { JwtSvidError } from './jwt-svid-error.ts';

export interface CompactToken {
  readonly header: JsonObject['members'];
  readonly claims: JsonObject['members'];
  /** The first two parts and the dot between them, as they came. */
  readonly signedBytes: Buffer;
  /** Empty for an unsecured token. */
  readonly signature: Buffer;
}

/** Headers carry tokens, and no header section that is read at all is much longer. */
const MAX_TOKEN_BYTES = 16 * 1024;

const LIMITS: JsonLimits = { maxBytes: MAX_TOKEN_BYTES, maxDepth: 16 };

/**
 * Nothing of it is trusted yet: the signature is not looked at.
 * @throws {JwtSvidError}
 */
export function parseCompactToken(token: string): CompactToken {
  checkTokenSize(token);
  const parts = token.split('.');
  const [header, claims, signature] = parts;
  if (header === undefined || claims === undefined || signature === undefined || parts.length > 3) {
    const message = `the token has ${parts.length} ${parts.length === 1 ? 'part' : 'parts'}; a JWT-SVID has three, between two dots`;
    throw new JwtSvidError('not-compact', message);
  }
  return {
    header: parseMembers(header, 'header'),
    claims: parseMembers(claims, 'claims'),
    signedBytes: Buffer.from(`${header}.${claims}`, 'latin1'),
    signature: decodePart(signature, 'signature'),
  };
}

/** @throws {JwtSvidError} */
export function checkTokenSize(token: string): void {
  // Every accepted character is ASCII, so the length in UTF-16 units decides about bytes for all that could be accepted.
  if (token.length <= MAX_TOKEN_BYTES) return;
  const message = `the token has ${token.length} bytes; at most ${MAX_TOKEN_BYTES} are read`;
  throw new JwtSvidError('token-too-large', message);
}

function parseMembers(part: string, name: 'header' | 'claims'): JsonObject['members'] {
  const code = name === 'header' ? 'malformed-header' : 'malformed-claims';
  const source = decodePart(part, name);
  let value: JsonValue;
  try {
    value = parseJson(source, LIMITS);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new JwtSvidError(code, `the ${name} cannot be read as JSON: ${error.message}`, { cause: error });
  }
  if (value.kind === 'object') return value.members;
  throw new JwtSvidError(code, `of the ${name} a JSON object is expected, not a value of kind ${value.kind}`);
}

function decodePart(part: string, name: string): Buffer {
  const octets = decodeBase64(part, 'base64url');
  if (octets !== null) return octets;
  throw new JwtSvidError('not-base64url', `the ${name} of the token is not canonical base64url`);
}
