// Where a SPIFFE Workload Endpoint is, as SPIFFE_ENDPOINT_SOCKET says it.
// SPIFFE_Workload_Endpoint.md §4; RFC 3986 §3

import { isIPv4, isIPv6 } from 'node:net';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';

export type EndpointAddress =
  | {
      readonly kind: 'unix';
      /** Absolute, percent-decoded. */
      readonly path: string;
    }
  | {
      readonly kind: 'tcp';
      /** An IP address without brackets. */
      readonly host: string;
      readonly port: number;
    };

export type EndpointAddressErrorCode =
  /** No scheme, or a character that no URI has. */
  | 'not-a-uri'
  /** Neither `unix` nor `tcp`. */
  | 'scheme'
  /** Something between `unix://` and the next slash. */
  | 'unix-authority'
  /** Not absolute, or no file: `unix:run/agent.sock`, `unix:///`. */
  | 'unix-path'
  /** More than fits into the address of a unix domain socket. */
  | 'unix-path-too-long'
  /** A host that is not an IP address, user information, or an IPv6 address without brackets. */
  | 'tcp-host'
  /** Missing, or not a decimal number from 1 to 65535. */
  | 'tcp-port'
  /** A path behind `tcp://IP:port`, also `/` alone. */
  | 'tcp-path'
  /** `?`, also with nothing behind it. */
  | 'query'
  /** `#`, also with nothing behind it. */
  | 'fragment';

export class EndpointAddressError extends SallyportError<EndpointAddressErrorCode> {}

// RFC 3986 §3: everything that may stand in a URI; a `%` begins two hex digits.
const URI_CHARACTERS = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/;
// RFC 3986 appendix B: scheme, authority, path, query, fragment.
const URI_PARTS = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/;
const HOST_AND_PORT = /^(?:\[(?<ipv6>[^\]%]*)\]|(?<ipv4>[^:[\]]*))(?::(?<port>.*))?$/;
const PORT = /^[1-9][0-9]{0,4}$/;
const MAX_PORT = 65_535;
// sun_path of Linux less its NUL; elsewhere it is shorter, and connecting says so.
const MAX_UNIX_PATH_BYTES = 107;

/** @throws {EndpointAddressError} */
export function parseEndpointAddress(text: string): EndpointAddress {
  const parts = URI_CHARACTERS.test(text) ? URI_PARTS.exec(text) : null;
  if (parts === null) throw refused('not-a-uri', text, 'is not a URI');
  const [, scheme = '', authority, path = '', query, fragment] = parts;
  if (query !== undefined) throw refused('query', text, 'has a query');
  if (fragment !== undefined) throw refused('fragment', text, 'has a fragment');
  switch (scheme.toLowerCase()) {
    case 'unix':
      return parseUnix(text, authority ?? '', path);
    case 'tcp':
      return parseTcp(text, authority ?? '', path);
    default:
      throw refused('scheme', text, `has the scheme ${quote(scheme)}`);
  }
}

/** The canonical spelling: `unix:///run/agent.sock`, `tcp://127.0.0.1:8081`, `tcp://[::1]:8081`. */
export function formatEndpointAddress(address: EndpointAddress): string {
  if (address.kind === 'unix') return `unix://${encodeURI(address.path).replaceAll(/[?#]/g, encodeURIComponent)}`;
  return address.host.includes(':')
    ? `tcp://[${address.host}]:${address.port}`
    : `tcp://${address.host}:${address.port}`;
}

function parseUnix(text: string, authority: string, encodedPath: string): EndpointAddress {
  if (authority !== '') {
    throw refused('unix-authority', text, `has ${quote(authority)} where a third slash would begin the path`);
  }
  if (!encodedPath.startsWith('/')) throw refused('unix-path', text, 'has no absolute path');
  const path = decodePath(text, encodedPath);
  if (path.endsWith('/') || path.includes('\0')) throw refused('unix-path', text, 'does not name a socket');
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_UNIX_PATH_BYTES) {
    const what = `has a path of ${bytes} bytes, and that of a socket has at most ${MAX_UNIX_PATH_BYTES}`;
    throw refused('unix-path-too-long', text, what);
  }
  return { kind: 'unix', path };
}

function decodePath(text: string, encodedPath: string): string {
  try {
    return decodeURIComponent(encodedPath);
  } catch (error) {
    throw refused('unix-path', text, 'has a path that is not UTF-8', { cause: error });
  }
}

function parseTcp(text: string, authority: string, path: string): EndpointAddress {
  const { ipv4, ipv6, port } = HOST_AND_PORT.exec(authority)?.groups ?? {};
  const host = ipv4 ?? ipv6 ?? '';
  if (!(ipv6 === undefined ? isIPv4(host) : isIPv6(host))) {
    throw refused('tcp-host', text, `has ${quote(authority)} where an IP address is expected; names are not resolved`);
  }
  if (port === undefined || !PORT.test(port) || Number(port) > MAX_PORT) throw refused('tcp-port', text, 'has no port');
  if (path !== '') throw refused('tcp-path', text, `has the path ${quote(path)}`);
  return { kind: 'tcp', host, port: Number(port) };
}

function refused(
  code: EndpointAddressErrorCode,
  text: string,
  why: string,
  options?: ErrorOptions,
): EndpointAddressError {
  const message = `${quote(text)} ${why}; expected \`unix:///absolute/path\` or \`tcp://IP:port\``;
  return new EndpointAddressError(code, message, options);
}
