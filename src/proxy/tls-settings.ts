// The TLS we speak at either end: our SVID, everybody's bundles, no resumption, nothing older than TLS 1.2; listeners ask everyone for a
// client certificate unless tokens alone count.

import { constants } from 'node:crypto';
import { createSecureContext, type SecureContextOptions, type Server, type TlsOptions } from 'node:tls';
import { TLS_FLOOR } from '../core/tls-floor.ts';
import { formatPem } from '../pki/pem.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import type { Authentication } from './context.ts';

/**
 * ALPN protocols that a listener speaks, the preferred one first; a peer that offers only others fails the handshake (RFC 7301 §3.2).
 * HTTP/2 costs more, but whoever offers both may need it: a bidirectional stream over HTTP/1.1 fails, and only at run time.
 */
export function alpnProtocols({ speaksHttp2 }: { readonly speaksHttp2: boolean }): string[] {
  return speaksHttp2 ? ['h2', 'http/1.1'] : ['http/1.1'];
}

/**
 * What a TCP listener answers to ALPN: what the peer asks for, since it is the upstream that will speak it. HTTP/2 last: whoever offers it
 * offers another as well, and which of the two the upstream speaks nobody knows.
 */
export function chooseTunnelled({ protocols }: { readonly protocols: readonly string[] }): string | undefined {
  return protocols.find((protocol) => protocol !== 'h2') ?? protocols[0];
}

/**
 * What a TLS context is made of, of a server or a client; made again whenever our SVID or a bundle changes. Without an SVID that we may use
 * there is none to present.
 */
export function contextSettings(identity: OwnIdentity | null, bundles: TrustBundles): SecureContextOptions {
  return {
    ...(identity === null ? {} : { cert: identity.certificatePem, key: identity.privateKeyPem }),
    ca: [...bundles.values()].flatMap((bundle) =>
      bundle.authorities.map((authority) => formatPem('CERTIFICATE', authority.der)),
    ),
    // A bundle may hold an intermediate as the authority (X509-SVID §5.1); OpenSSL alone would look for a self-signed root.
    allowPartialTrustChain: true,
    ...TLS_FLOOR,
    // A resumed session skips certificate verification; an SVID that has lapsed since would go unnoticed.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** Those of a listener; without an SVID every handshake fails. */
export function tlsSettings(
  identity: OwnIdentity | null,
  bundles: TrustBundles,
  { x509 }: Pick<Authentication, 'x509'>,
): TlsOptions {
  return {
    ...contextSettings(identity, bundles),
    requestCert: x509,
    // Refused by authenticatePeer, which knows why; the listener never reads a request of a peer it did not authenticate.
    rejectUnauthorized: false,
    honorCipherOrder: true,
  };
}

/**
 * Takes effect for the handshakes that begin after it. A server of Node 24 hands only the options it knows on to its context, and
 * allowPartialTrustChain is not one of them: so the context is made here and put where the server keeps its own.
 */
export function useSettings(server: Server, settings: TlsOptions): void {
  server.setSecureContext(settings);
  Object.assign(server, { _sharedCreds: createSecureContext(settings) });
}
