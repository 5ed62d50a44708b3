// What every certificate of a chain has to fulfil, leaf and issuers alike.
// RFC 5280 §4.2, §6.1.3

import { quote } from '../core/quote.ts';
import type { Certificate } from '../pki/certificate.ts';
import { formatName } from '../pki/distinguished-name.ts';
import { findKeyObject, findKeyWeakness } from '../pki/public-key.ts';
import { formatSignatureAlgorithm } from '../pki/signature-algorithm.ts';
import type { Refusal } from './x509-svid-error.ts';

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** For messages: the subject, or the serial number of a certificate without one. */
export function describeCertificate(certificate: Certificate): string {
  const name = formatName(certificate.subject);
  return quote(name === '(empty)' ? `serial number ${certificate.serialNumber}` : name);
}

/**
 * Valid from notBefore until just before notAfter, without allowance for skew: exactly when OpenSSL calls it valid, so that the two
 * verifiers of a handshake never disagree. Issuers date notBefore back where clocks differ.
 */
export function findValidityRefusal(
  certificate: Certificate,
  nowMs: number,
  position: 'leaf' | 'authority' | 'intermediate',
): Refusal | null {
  const { notBeforeMs, notAfterMs } = certificate;
  if (nowMs >= notBeforeMs && nowMs < notAfterMs) return null;
  const isLeaf = position === 'leaf';
  const subject = describeCertificate(certificate);
  if (nowMs >= notAfterMs) {
    const message = `${subject} expired at ${new Date(notAfterMs).toISOString()}`;
    return { code: isLeaf ? 'expired' : 'authority-expired', message };
  }
  // Also for a time that is not a number: it is inside no validity.
  const message = `${subject} is not valid before ${new Date(notBeforeMs).toISOString()}`;
  return { code: isLeaf ? 'not-yet-valid' : 'authority-not-yet-valid', message };
}

export function findUnknownCriticalExtension({ extensions }: Certificate): Refusal | null {
  const found = extensions.unknown.find(({ critical }) => critical);
  if (found === undefined) return null;
  const message = `the critical extension \`${found.oid}\` is not one this program evaluates`;
  return { code: 'unknown-critical-extension', message };
}

export function findKeyRefusal({ publicKey }: Certificate): Refusal | null {
  const weakness = findKeyWeakness(publicKey.algorithm);
  if (weakness !== null) return { code: 'key-not-accepted', message: `the certificate has ${weakness}` };
  if (findKeyObject(publicKey) !== null) return null;
  return { code: 'key-not-accepted', message: 'the public key is not a valid key of its kind' };
}

export function findSignatureAlgorithmRefusal({ signatureAlgorithm }: Certificate): Refusal | null {
  if (signatureAlgorithm.kind !== 'refused') return null;
  const message = `the certificate is signed with ${formatSignatureAlgorithm(signatureAlgorithm)}, which is not accepted`;
  return { code: 'signature-algorithm', message };
}

/**
 * X509-SVID.md §4.4. On a CA the purposes limit what is below it, as OpenSSL and most other verifiers have it; and as they do,
 * anyExtendedKeyUsage stands for nothing but itself.
 */
export function findExtendedKeyUsageRefusal({ extensions }: Certificate): Refusal | null {
  const purposes = extensions.extendedKeyUsage?.purposes;
  if (purposes === undefined || (purposes.includes(SERVER_AUTH) && purposes.includes(CLIENT_AUTH))) return null;
  const message = 'the extended key usage does not have both serverAuth and clientAuth';
  return { code: 'extended-key-usage', message };
}
