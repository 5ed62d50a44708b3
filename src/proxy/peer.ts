// Who is at the other end of a TLS connection: OpenSSL and our own walk must both vouch for it.

import { createHash } from 'node:crypto';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { presentedChain } from '../core/presented-chain.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import type { VerifiedSvids } from '../spiffe/verified-svids.ts';
import type { X509Svid } from '../spiffe/x509-svid.ts';
import { X509SvidError, type X509SvidErrorCode } from '../spiffe/x509-svid-error.ts';

/** `untrusted-by-openssl`: our walk accepted what OpenSSL did not; both must agree. `revoked` is found by whoever admits. */
export type AnonymousReason =
  | X509SvidErrorCode
  | 'no-certificate'
  | 'resumed-session'
  | 'untrusted-by-openssl'
  | 'revoked';

export type Peer =
  | { readonly kind: 'svid'; readonly svid: X509Svid }
  | { readonly kind: 'anonymous'; readonly reason: AnonymousReason; readonly detail: string };

/**
 * Authenticates the peer of an established connection against `trust` as it is now. Safe to call again on the same
 * connection when trust has changed.
 */
export function authenticatePeer(
  socket: TLSSocket,
  verified: VerifiedSvids,
  at: { readonly trust: Snapshot<TrustBundles>; readonly nowMs: number },
): Peer {
  // A resumed session skips certificate verification altogether; none is ever offered, and none is accepted.
  if (socket.isSessionReused())
    return { kind: 'anonymous', reason: 'resumed-session', detail: 'the TLS session was resumed' };
  // Not getPeerX509Certificate(): on a server it takes the first intermediate out of the presented chain (nodejs/node#65579).
  // Null once the socket is destroyed, which its type does not say.
  const leaf: Partial<PeerCertificate> | null = socket.getPeerCertificate();
  if (leaf?.raw === undefined) {
    return { kind: 'anonymous', reason: 'no-certificate', detail: 'the peer presented no certificate' };
  }
  const leafSha256 = createHash('sha256').update(leaf.raw).digest('hex');
  let svid: X509Svid;
  try {
    svid = verified.verify(leafSha256, () => presentedChain(socket), at.trust, at.nowMs);
  } catch (error) {
    if (error instanceof X509SvidError) return { kind: 'anonymous', reason: error.code, detail: error.message };
    throw error;
  }
  if (!socket.authorized) {
    return { kind: 'anonymous', reason: 'untrusted-by-openssl', detail: String(socket.authorizationError) };
  }
  return { kind: 'svid', svid };
}
