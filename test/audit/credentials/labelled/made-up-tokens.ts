// Credentials of the right form that nobody ever issued, put together at run time so that none stands in a file.

export const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
export const ALPHANUMERIC = `${LETTERS}0123456789`;
export const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
export const BASE64 = `${ALPHANUMERIC}+/`;
export const BASE64URL = `${ALPHANUMERIC}-_`;
export const HEX = '0123456789abcdef';

const DASHES = '-----';

/** The same every time for the same `seed`. */
export function characters(alphabet: string, length: number, seed: number): string {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  let text = '';
  while (text.length < length) {
    // xorshift32
    state ^= (state << 13) >>> 0;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    text += alphabet[state % alphabet.length] ?? '';
  }
  return text;
}

/** `seed` also when it is about several of one form. */
export function token(
  prefix: string,
  tail: { readonly alphabet: string; readonly length: number; readonly seed?: number },
): string {
  return prefix + characters(tail.alphabet, tail.length, tail.seed ?? prefix.length + tail.length);
}

export function jwt(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', kid: characters(BASE64URL, 12, 3) })}.${part(claims)}.${characters(BASE64URL, 342, 5)}`;
}

export function pem(label: string, seed = 7): string {
  const lines = Array.from({ length: 5 }, (_, line) => characters(BASE64, 64, seed + line));
  return [`${DASHES}BEGIN ${label}${DASHES}`, ...lines, `${DASHES}END ${label}${DASHES}`, ''].join('\n');
}
