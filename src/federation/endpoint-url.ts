// The URLs of bundle endpoints: what the operator may write, and where a server may send us from there.
// SPIFFE_Federation.md §5.2.1.1, §5.2.1.4, §5.2.2.1, §5.2.2.4, §7.5.1

import { isIP } from 'node:net';
import { quote } from '../core/quote.ts';
import { FederationError } from './federation-error.ts';

/**
 * Both profiles ask the same: `https`, and no userinfo.
 * @throws {FederationError}
 */
export function parseEndpointUrl(text: string): URL {
  const refusal = findRefusal(text);
  if (refusal !== null) throw new FederationError('endpoint-url', `${quote(text)} ${refusal}`);
  return new URL(text);
}

/**
 * Where a redirect from `from` leads. Within the origin that the operator wrote anything goes; out of it an IP literal does not, and a
 * name is looked at again when it is resolved.
 * @throws {FederationError}
 */
export function parseRedirect(location: string, from: URL, configured: URL): URL {
  const text = URL.canParse(location, from.href) ? new URL(location, from).href : location;
  const refusal = findRefusal(text) ?? (hasUserInfo(location) ? USER_INFO : null);
  if (refusal !== null) throw new FederationError('redirect', `the redirect to ${quote(location)} ${refusal}`);
  const target = new URL(text);
  if (target.origin !== configured.origin && isIP(hostOf(target)) !== 0) {
    throw new FederationError('redirect', `the redirect to ${quote(location)} is to an IP address`);
  }
  return target;
}

/** Without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
}

const USER_INFO = 'has userinfo, which the URL of a bundle endpoint never has';

function findRefusal(text: string): string | null {
  if (!URL.canParse(text)) return 'is not a URL';
  const { protocol, username, password } = new URL(text);
  if (protocol !== 'https:') return 'does not begin with `https://`';
  return username !== '' || password !== '' || hasUserInfo(text) ? USER_INFO : null;
}

/** Also one that is empty, which a URL parser drops. */
function hasUserInfo(text: string): boolean {
  return /^[^/\\?#]*[/\\]{2}[^/\\?#]*@/.test(text);
}
