// The small notations of the configuration file: durations, sizes, addresses to bind, hosts, prefixes and paths.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { canonicalHostName, canonicalIp, parsePort, splitHostPort } from './config-hosts.ts';

export interface TcpAddress {
  readonly kind: 'tcp';
  /** An IP address in canonical form without brackets; for an upstream also a lower-case host name. */
  readonly host: string;
  /** 0 in a bind: any free port. */
  readonly port: number;
}

export interface UnixAddress {
  readonly kind: 'unix';
  readonly path: string;
}

export type ConfigValueErrorCode =
  | 'invalid-duration'
  | 'invalid-size'
  | 'invalid-bind'
  | 'invalid-upstream'
  | 'unsupported-upstream'
  | 'invalid-host'
  | 'invalid-path-prefix'
  | 'invalid-path'
  | 'invalid-name';

export class ConfigValueError extends SallyportError<ConfigValueErrorCode> {}

const MS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

const BYTES_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
]);

/** `500ms`, `10s`, `5m`, `1h` → milliseconds. */
export function parseDuration(text: string): number {
  return (
    parseQuantity(text, MS_PER_UNIT) ??
    refuse(
      'invalid-duration',
      `${quote(text)} is not a duration; write a whole number and \`ms\`, \`s\`, \`m\` or \`h\`, such as \`10s\``,
    )
  );
}

export function formatDuration(ms: number): string {
  return formatQuantity(ms, MS_PER_UNIT);
}

/** `512B`, `16KiB`, `1MiB` → bytes. */
export function parseSize(text: string): number {
  return (
    parseQuantity(text, BYTES_PER_UNIT) ??
    refuse(
      'invalid-size',
      `${quote(text)} is not a size; write a whole number and \`B\`, \`KiB\`, \`MiB\`, \`GiB\` or \`TiB\`, such as \`16KiB\``,
    )
  );
}

export function formatSize(bytes: number): string {
  return formatQuantity(bytes, BYTES_PER_UNIT);
}

/** An IP address and port to listen on: `127.0.0.1:8443`, `[::1]:8443`, `0.0.0.0:8443`; port 0 is any free one. */
export function parseBind(text: string): TcpAddress {
  const wrong = (help: string): never => refuse('invalid-bind', `${quote(text)} ${help}`);
  if (text.startsWith('unix:'))
    return wrong('is a unix socket, which cannot be bound here; write an address such as `127.0.0.1:8443`');
  if (/^:\d*$/.test(text)) {
    return wrong(
      `names no address; write \`127.0.0.1${text}\` for this machine alone or \`0.0.0.0${text}\` for every interface`,
    );
  }
  const parts = splitHostPort(text);
  if (parts === null)
    return wrong('is not an IP address and a port; write for example `127.0.0.1:8443` or `[::1]:8443`');
  const host = canonicalIp(parts.host);
  if (host === null)
    return wrong(
      'does not begin with an IP address; names are not looked up to listen, write for example `127.0.0.1:8443`',
    );
  return { kind: 'tcp', host, port: parsePort(parts.port) ?? wrong('has no port between 0 and 65535') };
}

/** As `parseBind`, and also `unix:/path` and, for nothing at all, `none`. */
export function parseAdminBind(text: string): TcpAddress | UnixAddress | null {
  if (text === 'none') return null;
  return parseServiceBind(text);
}

/** As `parseBind`, and also `unix:/path`. */
export function parseServiceBind(text: string): TcpAddress | UnixAddress {
  return text.startsWith('unix:') ? parseUnixAddress(text, 'unix:', 'invalid-bind') : parseBind(text);
}

/** The host of a route: lower case, no port, an IPv6 address without brackets. */
export function parseRouteHost(text: string): string {
  const wrong = (help: string): never => refuse('invalid-host', `${quote(text)} ${help}`);
  if (text.includes('*')) return wrong('has a wildcard; a route names one host, exactly');
  const ip = text.startsWith('[') && text.endsWith(']') ? canonicalIp(text.slice(1, -1)) : canonicalIp(text);
  if (ip !== null) return ip;
  if (text.includes(':')) return wrong('has a port or a scheme; write the host alone');
  return canonicalHostName(text) ?? wrong('is not a host name or an IP address');
}

/**
 * `/a/b`, or null for `/`, which is every path. Unreserved characters only: every other one has a second, percent-encoded
 * spelling in a request, and a request must not escape its route by being spelled differently.
 */
export function parsePathPrefix(text: string): string | null {
  const wrong = (help: string): never => refuse('invalid-path-prefix', `${quote(text)} ${help}`);
  if (text === '/') return null;
  if (!text.startsWith('/')) return wrong('does not begin with `/`');
  if (text.endsWith('/')) return wrong('ends with `/`; leave it out, a prefix matches itself and everything below it');
  for (const segment of text.slice(1).split('/')) {
    if (segment === '') return wrong('has an empty segment');
    if (segment === '.' || segment === '..') return wrong(`has the segment \`${segment}\``);
    if (!/^[A-Za-z0-9._~-]+$/.test(segment)) return wrong('may hold only letters, digits, `-`, `.`, `_`, `~` and `/`');
  }
  return text;
}

/** The path of a file or directory as it is written, relative or absolute. */
export function parsePath(text: string): string {
  if (text.includes('-----BEGIN'))
    return refuse('invalid-path', 'expected the path of a file, found PEM text; keep it in a file of its own');
  if (text === '') return refuse('invalid-path', 'the path is empty');
  // oxlint-disable-next-line no-control-regex -- exactly those are refused
  if (/[\x00-\x1f\x7f]/.test(text)) return refuse('invalid-path', `${quote(text)} holds control characters`);
  return text;
}

/** A component or listener: what metrics carry as a label. */
export function parseName(text: string): string {
  if (/^[A-Za-z0-9._-]{1,63}$/.test(text) && text !== '.' && text !== '..') return text;
  return refuse('invalid-name', `${quote(text)} is not a name; use 1 to 63 letters, digits, \`.\`, \`_\` and \`-\``);
}

/** `127.0.0.1:80`, `[::1]:80` or `unix:/path`. */
export function formatAddress(address: TcpAddress | UnixAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

function refuse(code: ConfigValueErrorCode, message: string): never {
  throw new ConfigValueError(code, message);
}

function parseQuantity(text: string, units: ReadonlyMap<string, number>): number | null {
  const match = /^(0|[1-9]\d{0,11})([A-Za-z]+)$/.exec(text);
  const factor = units.get(match?.[2] ?? '');
  return factor === undefined ? null : Number(match?.[1]) * factor;
}

function formatQuantity(amount: number, units: ReadonlyMap<string, number>): string {
  const [unit, factor] = [...units].findLast(([, factor]) => amount >= factor && amount % factor === 0) ?? [
    [...units.keys()][0],
    1,
  ];
  return `${amount / factor}${unit}`;
}

/** `text` is the address as it is written, `prefix` how one of its kind begins. */
export function parseUnixAddress(text: string, prefix: string, code: 'invalid-bind' | 'invalid-upstream'): UnixAddress {
  const path = text.slice(prefix.length);
  const example = `write \`${prefix}/run/app.sock\``;
  if (path === '' || path.endsWith('/')) return refuse(code, `${quote(text)} names no socket; ${example}`);
  if (path.startsWith('//')) return refuse(code, `${quote(text)} is not a unix socket; ${example}, without \`//\``);
  return { kind: 'unix', path: parsePath(path) };
}
