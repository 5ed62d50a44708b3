// What a certificate has to fulfil to stand above others in a chain, and what it says about those below.
// RFC 5280 §6.1.4, X509-SVID.md §3.2

import { quote } from '../core/quote.ts';
import type { Certificate } from '../pki/certificate.ts';
import { findNameConstraintViolation } from '../pki/name-constraints.ts';
import {
  describeCertificate,
  findExtendedKeyUsageRefusal,
  findKeyRefusal,
  findSignatureAlgorithmRefusal,
  findUnknownCriticalExtension,
} from './certificate-rules.ts';
import { parseSpiffeId, pathOf, SpiffeIdError } from './spiffe-id.ts';
import type { Refusal } from './x509-svid-error.ts';

/** An authority is trusted by configuration, so its own signature proves nothing and is not looked at; an intermediate's does. */
export type IssuerRole = 'authority' | 'intermediate';

/** Could `issuer` have issued `certificate`, by what both say? */
export function namesIssuer(certificate: Certificate, issuer: Certificate): boolean {
  if (!certificate.issuer.equals(issuer.subject)) return false;
  const named = certificate.extensions.authorityKeyIdentifier;
  if (named === null) return true;
  const { subjectKeyIdentifier } = issuer.extensions;
  if (named.keyIdentifier !== null && subjectKeyIdentifier !== null) {
    if (!named.keyIdentifier.equals(subjectKeyIdentifier)) return false;
  }
  if (named.serialNumber !== null && named.serialNumber !== issuer.serialNumber) return false;
  const directory = named.issuer?.find((name) => name.form === 'directory');
  return directory?.form !== 'directory' || directory.name.equals(issuer.issuer);
}

/** Why the key of `issuer` is not to be used, found before any signature is checked with it. */
export function findIssuerKeyRefusal(issuer: Certificate, role: IssuerRole): Refusal | null {
  const refusal = findKeyRefusal(issuer) ?? (role === 'intermediate' ? findSignatureAlgorithmRefusal(issuer) : null);
  return refusal === null ? null : about(issuer, refusal);
}

/** Every rule that `issuer` breaks by itself; nothing about time, keys or the certificates below it. */
export function issuerRefusals(issuer: Certificate, role: IssuerRole): readonly Refusal[] {
  const refusals = [
    findUnknownCriticalExtension(issuer),
    findNotCaRefusal(issuer),
    findIssuerKeyUsageRefusal(issuer, role),
    findExtendedKeyUsageRefusal(issuer),
    findIssuerIdRefusal(issuer),
  ];
  return refusals.flatMap((refusal) => (refusal === null ? [] : [about(issuer, refusal)]));
}

/** Why `issuer` may not stand above `below` (leaf first), or null. */
export function findRefusalOfBelow(issuer: Certificate, below: readonly Certificate[]): Refusal | null {
  const { basicConstraints, nameConstraints } = issuer.extensions;
  // Self-issued CAs are counted too, which RFC 5280 §4.2.1.9 would not: a rolled-over key belongs into the bundle.
  const authoritiesBelow = below.length - 1;
  const maxPathLength = basicConstraints?.maxPathLength ?? null;
  if (maxPathLength !== null && authoritiesBelow > maxPathLength) {
    const message = `${authoritiesBelow} CAs below a path length of ${maxPathLength}`;
    return about(issuer, { code: 'path-length', message });
  }
  if (nameConstraints === null) return null;
  for (const certificate of below) {
    const violation = findNameConstraintViolation(nameConstraints, certificate);
    if (violation === null) continue;
    const code = violation.kind === 'violated' ? 'name-constraints' : 'name-constraints-unsupported';
    return about(issuer, { code, message: violation.message });
  }
  return null;
}

function findNotCaRefusal({ extensions }: Certificate): Refusal | null {
  if (extensions.basicConstraints?.isCa === true) return null;
  return { code: 'issuer-not-ca', message: 'the certificate is not that of a CA' };
}

/**
 * RFC 5280 §4.2.1.3 demands key usage of every CA. An authority is accepted without it, since many a root is made without and the
 * operator vouches for it; an intermediate is not.
 */
function findIssuerKeyUsageRefusal({ extensions }: Certificate, role: IssuerRole): Refusal | null {
  const usage = extensions.keyUsage;
  if (usage === null && role === 'authority') return null;
  if (usage?.bits.has('keyCertSign') === true) return null;
  return { code: 'issuer-key-usage', message: 'the key usage does not have keyCertSign' };
}

/** A CA need not be an SVID (§3.2 only recommends it); what claims to be one has to be the ID of a trust domain. */
function findIssuerIdRefusal({ extensions }: Certificate): Refusal | null {
  for (const name of extensions.subjectAltName?.names ?? []) {
    if (name.form !== 'uri' || !/^spiffe:/i.test(name.value)) continue;
    try {
      if (pathOf(parseSpiffeId(name.value)) === '') continue;
    } catch (error) {
      if (!(error instanceof SpiffeIdError)) throw error;
      return { code: 'issuer-spiffe-id', message: error.message, cause: error };
    }
    return { code: 'issuer-spiffe-id', message: `the SPIFFE ID ${quote(name.value)} of a CA has a path` };
  }
  return null;
}

function about(issuer: Certificate, refusal: Refusal): Refusal {
  return { ...refusal, message: `${describeCertificate(issuer)}: ${refusal.message}` };
}
