// Credentials in addresses: `scheme://user:password@host`, queries, JDBC and `Key=Value;` strings.

import type { Hit } from './detection.ts';
import { looksRandom } from './randomness.ts';
import { hasPlainShape, isNumber, isPlaceholder, isReference } from './value-shape.ts';
import { isWellKnownPassword } from './weak-defaults.ts';

export function findConnectionStrings(text: string): readonly Hit[] {
  return [...findUserinfo(text), ...findQueryCredentials(text), ...findKeyValueStrings(text), ...findOracle(text)];
}

const SCHEME = /[A-Za-z][A-Za-z0-9+.-]{0,30}$/;
const LONGEST_SCHEME = 31;
/** Up to the end of the authority. */
const AUTHORITY = /[^\s/?#"'<>`\\|]{0,1024}/y;
/** What documents write where a reader is to put in his own. */
const EXAMPLES = new Set(['pass', 'password', 'pwd', 'passwd', 'secret', 'token', 'pw', 'key', 'apikey', 'api_key']);
const EXAMPLE_HOST =
  /^(?:host|hostname|server|domain|address|ip|.{0,200}example\.(?:com|org|net))(?::[A-Za-z0-9]{1,5})?$/i;
const EXAMPLE_USERS = new Set(['user', 'username', 'usr', 'login', 'name', 'myuser', 'token', 'u']);

function findUserinfo(text: string): readonly Hit[] {
  const hits: Hit[] = [];
  for (let mark = text.indexOf('://'); mark >= 0; mark = text.indexOf('://', mark + 3)) {
    const scheme = SCHEME.exec(text.slice(Math.max(0, mark - LONGEST_SCHEME), mark))?.[0].toLowerCase();
    if (scheme === undefined) continue;
    const start = mark + 3;
    AUTHORITY.lastIndex = start;
    const authority = AUTHORITY.exec(text)?.[0] ?? '';
    const at = authority.lastIndexOf('@');
    if (at < 0) continue;
    const userinfo = authority.slice(0, at);
    const colon = userinfo.indexOf(':');
    const hit =
      colon < 0
        ? judgeUser(userinfo, start)
        : judgePassword(userinfo, { start, colon, scheme, host: authority.slice(at + 1) });
    if (hit !== null) hits.push(hit);
  }
  return hits;
}

/** `https://<token>@github.com`. */
function judgeUser(user: string, start: number): Hit | null {
  if (!/^[A-Za-z0-9_.-]{20,512}$/.test(user) || !looksRandom(user) || isPlaceholder(user)) return null;
  return {
    kind: 'url-token',
    title: 'a token in an address',
    basis: 'format',
    name: null,
    start,
    length: user.length,
    prefix: null,
    expiresMs: null,
    isLimited: false,
  };
}

function judgePassword(
  userinfo: string,
  at: { readonly start: number; readonly colon: number; readonly scheme: string; readonly host: string },
): Hit | null {
  const { start, colon, scheme, host } = at;
  const user = userinfo.slice(0, colon);
  const password = decode(userinfo.slice(colon + 1));
  if (password === '' || isPlaceholder(password) || isReference(password)) return null;
  const isExample = EXAMPLES.has(password.toLowerCase()) && EXAMPLE_USERS.has(user.toLowerCase());
  if (isExample && (/^[A-Z_]+$/.test(password) || EXAMPLE_HOST.test(host))) return null;
  // `image://host:5000@sha256`, `proto://[::1]@…`
  if (scheme === 'docker' || scheme === 'oci') return null;
  const isWeak = isWellKnownPassword(password) || password.toLowerCase() === user.toLowerCase();
  return {
    kind: isWeak ? 'weak-default' : 'url-password',
    title: isWeak ? 'a well-known password in an address' : 'a password in an address',
    basis: isWeak ? 'known' : 'format',
    name: null,
    start: start + colon + 1,
    length: userinfo.length - colon - 1,
    prefix: null,
    expiresMs: null,
    isLimited: false,
  };
}

const QUERY =
  /[?&;](access_token|api_key|apikey|auth_token|token|secret|password|passwd|pwd|client_secret|private_token|key)=([^\s&;"'<>`#]{1,1024})/gi;

function findQueryCredentials(text: string): readonly Hit[] {
  if (!text.includes('=') || !text.includes('://')) return [];
  return [...text.matchAll(QUERY)].flatMap(({ 0: whole, 1: name = '', 2: value = '', index }): readonly Hit[] => {
    const decoded = decode(value);
    if (isPlaceholder(decoded) || isReference(decoded)) return [];
    const isPassword = /^(?:password|passwd|pwd)$/i.test(name);
    if (!isPassword && !looksRandom(decoded)) return [];
    return [
      hitInString({
        kind: isPassword ? 'url-password' : 'url-token',
        name,
        value,
        start: index + whole.length - value.length,
      }),
    ];
  });
}

/** ADO.NET, ODBC, libpq and JDBC properties, when there is a host or a server beside them. */
const KEY_VALUE =
  /(?:^|[\s;"'?&,])(password|pwd|passwd|user_password|sslpassword)\s{0,4}=\s{0,4}(?:\{([^}]{1,256})\}|"([^"]{1,256})"|'([^']{1,256})'|([^\s;"'&,]{1,256}))/gi;
const HAS_SERVER =
  /(?:^|[\s;"'?&,])(?:server|data source|host|hostaddr|dbname|database|initial catalog|user id|uid)\s{0,4}=/i;

function findKeyValueStrings(text: string): readonly Hit[] {
  if (!/p(?:ass)?w(?:or)?d/i.test(text)) return [];
  return [...text.matchAll(KEY_VALUE)].flatMap((match): readonly Hit[] => {
    const line = lineAround(text, match.index);
    if (!HAS_SERVER.test(line) && !line.includes('jdbc:')) return [];
    const value = match[2] ?? match[3] ?? match[4] ?? match[5] ?? '';
    if (isPlaceholder(value) || isReference(value) || (hasPlainShape(value) && !isNumber(value))) return [];
    const start = match.index + match[0].lastIndexOf(value);
    return [hitInString({ kind: 'url-password', name: match[1] ?? '', value, start })];
  });
}

const LONGEST_SIDE = 1024;

/** A thousand characters to either side of `index` at most. */
function lineAround(text: string, index: number): string {
  const before = text.slice(Math.max(0, index - LONGEST_SIDE), index);
  const after = text.slice(index, index + LONGEST_SIDE);
  const end = after.indexOf('\n', 1);
  return before.slice(before.lastIndexOf('\n') + 1) + (end < 0 ? after : after.slice(0, end));
}

/** `jdbc:oracle:thin:user/password@host`. */
const ORACLE = /jdbc:oracle:(?:thin|oci):([A-Za-z0-9_]{1,64})\/([^\s@"']{1,128})@/g;

function findOracle(text: string): readonly Hit[] {
  if (!text.includes('jdbc:oracle:')) return [];
  return [...text.matchAll(ORACLE)].flatMap(({ 0: whole, 2: value = '', index }): readonly Hit[] => {
    if (isPlaceholder(value)) return [];
    return [hitInString({ kind: 'url-password', name: null, value, start: index + whole.length - 1 - value.length })];
  });
}

function hitInString(at: {
  readonly kind: 'url-password' | 'url-token';
  readonly name: string | null;
  readonly value: string;
  readonly start: number;
}): Hit {
  const isWeak = at.kind === 'url-password' && isWellKnownPassword(at.value);
  return {
    kind: isWeak ? 'weak-default' : at.kind,
    title: `${isWeak ? 'a well-known password' : TITLES[at.kind]} in a connection string`,
    basis: isWeak ? 'known' : 'format',
    name: at.name,
    start: at.start,
    length: at.value.length,
    prefix: null,
    expiresMs: null,
    isLimited: false,
  };
}

const TITLES = { 'url-password': 'a password', 'url-token': 'a token' } as const;

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
