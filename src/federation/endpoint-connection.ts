// One TLS connection to a bundle endpoint, handed out only after the endpoint has proved who it is.
// SPIFFE_Federation.md §5.2.1.4, §5.2.2.4

import { isIP, type LookupFunction } from 'node:net';
import {
  connect,
  type ConnectionOptions,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { presentedChain } from '../core/presented-chain.ts';
import { TLS_FLOOR } from '../core/tls-floor.ts';
import { formatPem } from '../pki/pem.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { TrustBundle } from '../spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { X509SvidError } from '../spiffe/x509-svid-error.ts';
import { hostOf } from './endpoint-url.ts';
import { FederationError } from './federation-error.ts';

export type EndpointAuthentication =
  /** A chain to one of these roots (PEM), for the host of the URL; null takes the system's. */
  | { readonly kind: 'https_web'; readonly ca: Uint8Array | null }
  /** An X.509-SVID for exactly this ID, by `bundle`, which is that of the ID's trust domain. */
  | { readonly kind: 'https_spiffe'; readonly endpointId: SpiffeId; readonly bundle: TrustBundle };

export interface ConnectionTerms {
  readonly authentication: EndpointAuthentication;
  readonly webContext: WebContexts;
  readonly lookup: LookupFunction;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

/** The TLS context for these roots. Made once for all fetches: to read hundreds of roots takes tens of milliseconds. */
export type WebContexts = (ca: Uint8Array | null) => SecureContext;

export function createWebContexts(): WebContexts {
  const contexts = new Map<Uint8Array | null, SecureContext>();
  return (ca) => {
    const known = contexts.get(ca);
    if (known !== undefined) return known;
    const context = createSecureContext({ ...TLS_FLOOR, ca: ca === null ? systemRoots() : [Buffer.from(ca)] });
    contexts.set(ca, context);
    return context;
  };
}

/** Or the ones Node brings, where the system has none. */
function systemRoots(): string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('default');
}

/** @throws {FederationError | Error} the latter from the system, or the reason of `signal` */
export async function connectEndpoint(url: URL, terms: ConnectionTerms): Promise<TLSSocket> {
  const { authentication } = terms;
  const socket = await openTls(url, terms);
  try {
    // A resumed session skips verification; none was offered.
    if (socket.isSessionReused()) throw untrusted(url, 'the TLS session was resumed');
    if (!socket.authorized) throw untrusted(url, String(socket.authorizationError));
    if (authentication.kind === 'https_spiffe') checkEndpointId(url, socket, { ...authentication, nowMs: terms.nowMs });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Resolves once the handshake is complete, whatever was presented in it: the caller judges. */
function openTls(url: URL, { authentication, webContext, lookup, signal }: ConnectionTerms): Promise<TLSSocket> {
  const host = hostOf(url);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({
      ...tlsOptions(authentication, webContext),
      host,
      port: url.port === '' ? 443 : Number(url.port),
      // RFC 6066 §3: a server name is never an IP address.
      servername: isIP(host) === 0 ? host : '',
      lookup,
      ALPNProtocols: ['http/1.1'],
      // Refused by connectEndpoint, which knows why, before the connection is anybody's.
      rejectUnauthorized: false,
    });
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', abort);
      resolve(socket);
    });
    // Stays for the life of the socket: an error after this one is told to whoever reads.
    socket.on('error', (error) => {
      signal.removeEventListener('abort', abort);
      reject(error);
    });
  });
}

function tlsOptions(authentication: EndpointAuthentication, webContext: WebContexts): ConnectionOptions {
  if (authentication.kind === 'https_web') return { secureContext: webContext(authentication.ca) };
  return {
    ...TLS_FLOOR,
    ca: authentication.bundle.authorities.map(({ der }) => formatPem('CERTIFICATE', der)),
    // A bundle may hold an intermediate as the authority (X509-SVID.md §5.1).
    allowPartialTrustChain: true,
    // The SPIFFE ID takes the place of the host name (§5.2.2).
    checkServerIdentity: () => undefined,
  };
}

/** OpenSSL has accepted the chain; our own walk has to as well, and the ID has to be the one that was configured. */
function checkEndpointId(
  url: URL,
  socket: TLSSocket,
  expected: { readonly endpointId: SpiffeId; readonly bundle: TrustBundle; readonly nowMs: number },
): void {
  const { endpointId, bundle, nowMs } = expected;
  const bundles = new Map([[bundle.trustDomain, bundle]]);
  try {
    const { id } = verifyX509Svid(presentedChain(socket), bundles, nowMs);
    if (id === endpointId) return;
    throw untrusted(url, `its SPIFFE ID is \`${id}\`, not \`${endpointId}\``);
  } catch (error) {
    if (!(error instanceof X509SvidError)) throw error;
    throw untrusted(url, `${error.message} [${error.code}]`, error);
  }
}

function untrusted(url: URL, why: string, cause?: unknown): FederationError {
  const message = `the server at \`${url.origin}\` is not trusted: ${why}`;
  return new FederationError('untrusted-endpoint', message, { cause });
}
