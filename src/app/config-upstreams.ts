// How the configuration file spells upstreams: a protocol, and the address of whoever speaks it. The grammar is small on purpose: a URL parser
// repairs what should be refused.

import { quote } from '../core/quote.ts';
import { canonicalHostName, canonicalIp, parsePort, splitHostPort } from './config-hosts.ts';
import {
  ConfigValueError,
  formatAddress,
  parseUnixAddress,
  type TcpAddress,
  type UnixAddress,
} from './config-values.ts';

/** What is spoken there: HTTP/1.1 or HTTP/2 in plaintext, and both over mTLS; `tcp` is whatever the peer speaks, and `tls` the same over mTLS. */
const SCHEMES = ['http', 'h2c', 'https', 'h2', 'tcp', 'tls'] as const;
export type UpstreamScheme = (typeof SCHEMES)[number];

export interface Upstream {
  readonly scheme: UpstreamScheme;
  readonly address: TcpAddress | UnixAddress;
}

/** How an upstream of each scheme begins when it is a unix socket. */
const UNIX_PREFIX: Readonly<Record<UpstreamScheme, string>> = {
  http: 'unix:',
  h2c: 'h2c+unix:',
  https: 'https+unix:',
  h2: 'h2+unix:',
  // Parsed as one of HTTP: on a listener that carries whatever comes it makes no difference.
  tcp: 'unix:',
  tls: 'tls+unix:',
};
const FORMS = SCHEMES.map((scheme) => `\`${scheme}://host:port\``).join(', ');

/** Whether it is reached by mTLS, so that its server has to prove who it is. */
export function isEncrypted({ scheme }: Upstream): boolean {
  return scheme === 'https' || scheme === 'h2' || scheme === 'tls';
}

/** A scheme, host and port, or one of UNIX_PREFIX and a path, and nothing else. */
export function parseUpstream(text: string): Upstream {
  for (const scheme of SCHEMES) {
    const prefix = UNIX_PREFIX[scheme];
    if (text.startsWith(prefix)) return { scheme, address: parseUnixAddress(text, prefix, 'invalid-upstream') };
  }
  // First of all, since what stands before an `@` may be a password and must not be told further.
  if (text.includes('@'))
    return refuse('invalid-upstream', 'an upstream takes no user name or password; write `http://host:port`');
  const wrong = (help: string): never => refuse('invalid-upstream', `${quote(text)} ${help}`);
  const written = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (written === undefined) return wrong('is not an upstream; write `http://127.0.0.1:5000` or `unix:/run/app.sock`');
  const scheme = SCHEMES.find((known) => known === written);
  const lower = written.toLowerCase();
  if (scheme === undefined && SCHEMES.some((known) => known === lower))
    return wrong(`does not begin with \`${lower}://\` in lower case`);
  if (scheme === undefined) {
    const message = `the scheme of ${quote(text)} is not supported; an upstream is ${FORMS} or \`unix:/path\``;
    return refuse('unsupported-upstream', message);
  }
  return { scheme, address: parseTcpAddress(text.slice(`${scheme}://`.length), scheme, wrong) };
}

/** As the file has it. */
export function formatUpstream({ scheme, address }: Upstream): string {
  return address.kind === 'unix' ? `${UNIX_PREFIX[scheme]}${address.path}` : `${scheme}://${formatAddress(address)}`;
}

function parseTcpAddress(authority: string, scheme: UpstreamScheme, wrong: (help: string) => never): TcpAddress {
  if (/[/?#\\]/.test(authority))
    return wrong('has a path or query; an upstream is only a host and a port, and the path of each request is kept');
  const parts = splitHostPort(authority);
  if (parts === null)
    return wrong(`is not \`${scheme}://host:port\`; the port is needed, and an IPv6 address stands in brackets`);
  const host = canonicalIp(parts.host) ?? canonicalHostName(parts.host);
  if (host === null) return wrong('does not name a host or an IP address');
  if (host === '0.0.0.0' || host === '::' || host === '::ffff:0.0.0.0')
    return wrong('is an address to listen on; write the one to connect to, such as `127.0.0.1`');
  const port = parsePort(parts.port) ?? 0;
  return port === 0 ? wrong('has no port between 1 and 65535') : { kind: 'tcp', host, port };
}

function refuse(code: 'invalid-upstream' | 'unsupported-upstream', message: string): never {
  throw new ConfigValueError(code, message);
}
