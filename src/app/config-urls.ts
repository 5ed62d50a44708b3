// The URLs of the configuration file: where a bundle is fetched, and a Redis server. Nothing is repaired, and a password is never told further.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { canonicalHostName, canonicalIp, parsePort, splitHostPort } from './config-hosts.ts';

export interface RedisServer {
  /** As the file spells it; holds no secret. */
  readonly url: string;
  /** A lower-case host name, or an IP address in canonical form without brackets. */
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly isEncrypted: boolean;
}

type ConfigUrlErrorCode = 'invalid-url' | 'invalid-url-path' | 'unsupported-scheme' | 'password-in-url';

class ConfigUrlError extends SallyportError<ConfigUrlErrorCode> {}

const MAX_URL_CHARACTERS = 2_048;
// RFC 3986 §3.3, §3.4, without `@`.
const PATH_AND_QUERY =
  /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*)*(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:/?-]|%[0-9A-Fa-f]{2})*)?$/;
const DEFAULT_HTTPS_PORT = '443';
const DEFAULT_REDIS_PORT = '6379';
const MAX_REDIS_DATABASE = 65_535;

/**
 * The URL of a bundle endpoint: `https`, no userinfo (SPIFFE_Federation.md §5.2.1.1), no fragment, which no server would get,
 * and no dot segments, which every client resolves in its own way. A query is allowed there, and here.
 */
export function parseBundleUrl(text: string): string {
  // First of all, since what stands before an `@` may be a password and must not be told further.
  if (text.includes('@')) {
    const message = 'the URL of a bundle takes no user name or password; write an `@` of its path as `%40`';
    return refuse('password-in-url', message);
  }
  const wrong = (help: string): never => refuse('invalid-url', `${quote(text)} ${help}`);
  if (text.length > MAX_URL_CHARACTERS) return wrong(`has more than ${MAX_URL_CHARACTERS} characters`);
  const { scheme, authority, rest } = splitUrl(text) ?? wrong('is not a URL; write `https://host/path`');
  if (scheme !== 'https') {
    const help = scheme.toLowerCase() === 'https' ? 'begin with `https://` in lower case' : 'use `https://`';
    return refuse('unsupported-scheme', `${quote(text)} does not ${help}, as the URL of a bundle must`);
  }
  if (rest.includes('#')) return wrong('has a fragment, which is never sent to a server; leave it out');
  if (!PATH_AND_QUERY.test(rest)) return wrong('has characters that a URL must not have; write them percent-encoded');
  const [path = ''] = rest.split('?', 1);
  if (path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment)))
    return wrong('has a segment that is `.` or `..`; write the path it comes to');
  const { host, port } = readAuthority(authority, DEFAULT_HTTPS_PORT, wrong);
  const shownPort = port === Number(DEFAULT_HTTPS_PORT) ? '' : `:${port}`;
  return `https://${host.includes(':') ? `[${host}]` : host}${shownPort}${path === '' ? '/' : path}${rest.slice(path.length)}`;
}

/** `redis://host:port/database` or `rediss://…`; port and database may be left out. */
export function parseRedisUrl(text: string): RedisServer {
  const advice = 'keep the password in a file of its own and name it as `passwordFile`, and the user as `username`';
  // `?` as well: some clients read a password there.
  if (/[@?#]/.test(text)) {
    return refuse('password-in-url', `the URL of a Redis server takes no user name, password or query; ${advice}`);
  }
  const wrong = (help: string): never => refuse('invalid-url', `${quote(text)} ${help}`);
  const { scheme, authority, rest } = splitUrl(text) ?? wrong('is not a URL; write `redis://127.0.0.1:6379/0`');
  if (scheme !== 'redis' && scheme !== 'rediss')
    return refuse('unsupported-scheme', `${quote(text)} does not begin with \`redis://\` or \`rediss://\``);
  const database = /^\/?$/.test(rest) ? 0 : Number(/^\/(0|[1-9]\d{0,4})$/.exec(rest)?.[1] ?? Number.NaN);
  if (!(database <= MAX_REDIS_DATABASE)) return wrong('does not end with the number of a database, such as `/0`');
  const { host, port } = readAuthority(authority, DEFAULT_REDIS_PORT, wrong);
  return { url: text, host, port, database, isEncrypted: scheme === 'rediss' };
}

/** The path at which our own bundle is served. Unreserved characters only, so that it has one spelling. */
export function parseEndpointPath(text: string): string {
  const wrong = (help: string): never => refuse('invalid-url-path', `${quote(text)} ${help}`);
  if (!text.startsWith('/')) return wrong('does not begin with `/`');
  if (text.length > MAX_URL_CHARACTERS) return wrong(`has more than ${MAX_URL_CHARACTERS} characters`);
  if (!/^[A-Za-z0-9._~/-]+$/.test(text)) return wrong('may hold only letters, digits, `-`, `.`, `_`, `~` and `/`');
  if (text === '/') return text;
  for (const segment of text.slice(1).split('/')) {
    if (segment === '') return wrong('has an empty segment; leave out the `/` that is too many');
    if (segment === '.' || segment === '..') return wrong(`has the segment \`${segment}\``);
  }
  return text;
}

interface UrlParts {
  readonly scheme: string;
  readonly authority: string;
  /** Path, query and fragment. */
  readonly rest: string;
}

function splitUrl(text: string): UrlParts | null {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/s.exec(text);
  if (match === null) return null;
  const [, scheme = '', authority = '', rest = ''] = match;
  return { scheme, authority, rest };
}

function readAuthority(
  authority: string,
  defaultPort: string,
  wrong: (help: string) => never,
): { readonly host: string; readonly port: number } {
  const hasPort = /:[^\]]*$/.test(authority);
  const parts = splitHostPort(hasPort ? authority : `${authority}:${defaultPort}`);
  if (parts === null) return wrong('has no host; an IPv6 address stands in brackets');
  const host = canonicalIp(parts.host) ?? canonicalHostName(parts.host);
  if (host === null) return wrong('does not name a host or an IP address');
  if (host === '0.0.0.0' || host === '::' || host === '::ffff:0.0.0.0')
    return wrong('has an address to listen on; write the one to connect to, such as `127.0.0.1`');
  const port = parsePort(parts.port) ?? 0;
  return port === 0 ? wrong('has no port between 1 and 65535') : { host, port };
}

function refuse(code: ConfigUrlErrorCode, message: string): never {
  throw new ConfigUrlError(code, message);
}
