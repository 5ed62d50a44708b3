// One certificate from its parts, signed: the profiles of X509-SVID.md §4 and Appendix A.

import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  type Extension,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { DEVELOPMENT_ORGANIZATION } from '../spiffe/own-identity.ts';

/** Now and chance, from whoever may have them. */
export interface Issuing {
  readonly nowMs: number;
  readonly crypto: webcrypto.Crypto;
}

export interface Signer {
  readonly certificate: X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
}

interface CertificateParts {
  readonly names: JsonGeneralNames;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: webcrypto.CryptoKey;
}

export interface AuthorityParts extends CertificateParts {
  readonly commonName: string;
  readonly pathLength: number;
}

const EXTENDED_KEY_USAGES = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];
// CertificateSerialNumber, RFC 5280 §4.1.2.2: positive, at most 20 octets.
const SERIAL_BYTES = 16;

/** A signing certificate; without `signer` it signs itself with `selfSigningKey`. */
export async function signAuthority(
  parts: AuthorityParts,
  signer: Signer | { readonly selfSigningKey: webcrypto.CryptoKey },
  crypto: webcrypto.Crypto,
): Promise<X509Certificate> {
  const subject = [...DEVELOPMENT_NAME, { CN: [parts.commonName] }];
  const extensions = [
    new BasicConstraintsExtension(true, parts.pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
  const signing =
    'selfSigningKey' in signer
      ? { issuer: subject, issuerKey: parts.publicKey, signingKey: signer.selfSigningKey }
      : signingBy(signer);
  return generate({ ...parts, subject, extensions, ...signing }, crypto);
}

/** A leaf certificate; `names` may lack the SPIFFE ID that makes it an X.509-SVID. */
export async function signLeaf(
  parts: CertificateParts,
  signer: Signer,
  crypto: webcrypto.Crypto,
): Promise<X509Certificate> {
  const extensions = [
    new BasicConstraintsExtension(false, undefined, true),
    // TLS 1.3 and ECDHE suites only sign: no keyEncipherment, also not for RSA.
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(EXTENDED_KEY_USAGES),
  ];
  return generate({ ...parts, subject: DEVELOPMENT_NAME, extensions, ...signingBy(signer) }, crypto);
}

export function toCertificatesPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => `${certificate.toString('pem')}\n`).join('');
}

// Never empty, so that the SAN need not be critical (RFC 5280 §4.1.2.6).
const DEVELOPMENT_NAME: JsonName = [{ O: [DEVELOPMENT_ORGANIZATION] }];

interface Signing {
  readonly issuer: JsonName | X509Certificate['subjectName'];
  readonly issuerKey: webcrypto.CryptoKey | X509Certificate['publicKey'];
  readonly signingKey: webcrypto.CryptoKey;
}

function signingBy({ certificate, privateKey }: Signer): Signing {
  return { issuer: certificate.subjectName, issuerKey: certificate.publicKey, signingKey: privateKey };
}

async function generate(
  parts: CertificateParts & Signing & { readonly subject: JsonName; readonly extensions: readonly Extension[] },
  crypto: webcrypto.Crypto,
): Promise<X509Certificate> {
  const { names, publicKey, subject, issuer, signingKey } = parts;
  const serial = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const extensions = [
    ...parts.extensions,
    await SubjectKeyIdentifierExtension.create(publicKey, false, crypto),
    await AuthorityKeyIdentifierExtension.create(parts.issuerKey, false, crypto),
    ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
  ];
  return X509CertificateGenerator.create(
    {
      serialNumber: Buffer.from(serial).toString('hex'),
      subject,
      issuer,
      // X.509 times are whole seconds.
      notBefore: new Date(Math.floor(parts.notBeforeMs / 1000) * 1000),
      notAfter: new Date(Math.floor(parts.notAfterMs / 1000) * 1000),
      publicKey,
      signingKey,
      extensions,
      signingAlgorithm: { name: 'ECDSA', hash: digestFor(signingKey) },
    },
    crypto,
  );
}

// SHA-256 except where the curve is stronger. RSA keys carry their digest with them.
function digestFor(key: webcrypto.CryptoKey): string {
  return 'namedCurve' in key.algorithm && key.algorithm.namedCurve === 'P-384' ? 'SHA-384' : 'SHA-256';
}
