// The certificates that the other end of a TLS connection presented, whichever end that is.

interface PeerCertificate {
  /** Not there once the socket is destroyed, which its type does not say. */
  readonly raw?: Buffer;
  /** The certificate itself when it signed itself. */
  readonly issuerCertificate?: PeerCertificate;
}

/** Of a TLSSocket. */
interface Presenting {
  getPeerCertificate(detailed: true): PeerCertificate;
}

// A chain longer than this is refused by the walk; it need not be read to its end to know.
const MAX_PRESENTED_CERTIFICATES = 16;

/** DER, leaf first. Node appends what it finds in its own store; as candidates for a walk that must end in a bundle they do no harm. */
export function presentedChain(socket: Presenting): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate: PeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < MAX_PRESENTED_CERTIFICATES) {
    chain.push(certificate.raw);
    const issuer: PeerCertificate | undefined = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return chain;
}
