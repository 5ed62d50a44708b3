// A certificate authority for one trust domain on one developer's machine: made new, or opened from its two files.

import 'reflect-metadata';
import { createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509Certificate } from '@peculiar/x509';
import { parsePem } from '../pki/pem.ts';
import { DEVELOPMENT_ORGANIZATION } from '../spiffe/own-identity.ts';
import { parseSpiffeId, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { DevCaError } from './error.ts';
import { algorithmOf, findKeyType, generateKeys, KEY_TYPES, type KeyType, toPrivateKeyPem } from './key-type.ts';
import { type Issuing, type Signer, signAuthority, toCertificatesPem } from './sign.ts';

export interface DevelopmentAuthority {
  readonly trustDomain: TrustDomain;
  readonly signer: Signer;
  /** What a leaf's chain carries below the root, nearest to the leaf first; empty when the root signs. */
  readonly intermediates: readonly X509Certificate[];
  readonly root: X509Certificate;
  readonly notAfterMs: number;
}

export interface AuthorityRequest {
  readonly trustDomain: TrustDomain;
  readonly ttlMs: number;
  readonly keyType: KeyType;
  /** With `intermediate` the root signs one subordinate authority, and then nobody has its key. */
  readonly signWith: 'root' | 'intermediate';
}

/** The files of an authority, as `openAuthority` reads them. */
export interface AuthorityFiles {
  /** The signing certificate, then its issuers, the root last. */
  readonly certificatePem: string;
  /** PKCS#8, of the signing certificate. */
  readonly privateKeyPem: string;
  /** The root alone: the trust bundle of the trust domain. */
  readonly bundlePem: string;
}

export interface AuthoritySource {
  readonly certificate: Uint8Array;
  /** For messages. */
  readonly certificateFile: string;
  readonly privateKey: Uint8Array;
  readonly privateKeyFile: string;
}

/** Certificates begin to be valid this long before they are made, for peers whose clocks are behind. */
export const BACKDATE_MS = 60_000;

export async function createAuthority(request: AuthorityRequest, issuing: Issuing): Promise<DevelopmentAuthority> {
  const { trustDomain, keyType, signWith } = request;
  const { crypto, nowMs } = issuing;
  const withIntermediate = signWith === 'intermediate';
  const describe = (name: string, publicKey: webcrypto.CryptoKey, pathLength: number) => ({
    // RFC 5280 appendix A.1: at most 64 characters.
    commonName: `${name} of ${trustDomain}`.slice(0, 64),
    pathLength,
    // X509-SVID.md §3.2: the SPIFFE ID of a signing certificate has no path.
    names: [{ type: 'url' as const, value: `spiffe://${trustDomain}` }],
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + request.ttlMs,
    publicKey,
  });
  const rootKeys = await generateKeys(keyType, crypto);
  const root = await signAuthority(
    describe('root', rootKeys.publicKey, withIntermediate ? 1 : 0),
    { selfSigningKey: rootKeys.privateKey },
    crypto,
  );
  const rootSigner: Signer = { certificate: root, privateKey: rootKeys.privateKey };
  const authority = { trustDomain, root, notAfterMs: root.notAfter.getTime() };
  if (!withIntermediate) return { ...authority, signer: rootSigner, intermediates: [] };
  const keys = await generateKeys(keyType, crypto);
  const certificate = await signAuthority(describe('intermediate', keys.publicKey, 0), rootSigner, crypto);
  return { ...authority, signer: { certificate, privateKey: keys.privateKey }, intermediates: [certificate] };
}

export function toAuthorityFiles(authority: DevelopmentAuthority): AuthorityFiles {
  const { intermediates, root, signer } = authority;
  return {
    certificatePem: toCertificatesPem([...intermediates, root]),
    privateKeyPem: toPrivateKeyPem(signer.privateKey),
    bundlePem: toCertificatesPem([root]),
  };
}

/**
 * Reads back what `toAuthorityFiles` gave.
 * @throws {DevCaError} `invalid-ca-file`, `not-a-development-ca`, `ca-key-mismatch`, `ca-expired`
 * @throws {PemError}
 */
export async function openAuthority(source: AuthoritySource, issuing: Issuing): Promise<DevelopmentAuthority> {
  const { certificateFile, privateKeyFile } = source;
  const certificates = readCertificates(source.certificate, certificateFile);
  const [certificate] = certificates;
  const root = certificates.at(-1);
  if (certificate === undefined || root === undefined) {
    throw new DevCaError('invalid-ca-file', `${certificateFile}: holds no certificate`);
  }
  const trustDomain = readTrustDomain(certificate, certificateFile);
  const notAfterMs = Math.min(...certificates.map(({ notAfter }) => notAfter.getTime()));
  if (issuing.nowMs > notAfterMs) {
    throw new DevCaError(
      'ca-expired',
      `${certificateFile}: the CA expired at ${new Date(notAfterMs).toISOString()}; make a new one with \`dev-ca init --force\``,
    );
  }
  const privateKey = readPrivateKey(source.privateKey, privateKeyFile);
  const publicKey = Buffer.from(certificate.publicKey.rawData);
  if (!createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).equals(publicKey)) {
    throw new DevCaError('ca-key-mismatch', `${privateKeyFile}: not the key of the certificate in ${certificateFile}`);
  }
  return {
    trustDomain,
    signer: { certificate, privateKey: toSigningKey(privateKey, privateKeyFile) },
    intermediates: certificates.slice(0, -1),
    root,
    notAfterMs,
  };
}

function readCertificates(source: Uint8Array, file: string): readonly X509Certificate[] {
  const blocks = parsePem(source, file);
  return blocks.map(({ label, der, line }) => {
    if (label !== 'CERTIFICATE') {
      throw new DevCaError('invalid-ca-file', `${file}:${line}: expected a CERTIFICATE, found \`${label}\``);
    }
    try {
      return new X509Certificate(der);
    } catch (error) {
      throw new DevCaError('invalid-ca-file', `${file}:${line}: not an X.509 certificate`, { cause: error });
    }
  });
}

// What this program did not make as a development CA it does not sign with: the key of a real CA is no toy.
function readTrustDomain(certificate: X509Certificate, file: string): TrustDomain {
  if (!certificate.subjectName.getField('O').includes(DEVELOPMENT_ORGANIZATION)) {
    throw new DevCaError(
      'not-a-development-ca',
      `${file}: \`${certificate.subject}\` is not a development CA; make one with \`dev-ca init\``,
    );
  }
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const [id, ...others] = names.filter(({ type }) => type === 'url');
  try {
    if (certificate.getExtension(BasicConstraintsExtension)?.ca === true && id !== undefined && others.length === 0) {
      return trustDomainOf(parseSpiffeId(id.value));
    }
  } catch (error) {
    throw new DevCaError('invalid-ca-file', `${file}: \`${id?.value}\` is not a SPIFFE ID`, { cause: error });
  }
  throw new DevCaError(
    'invalid-ca-file',
    `${file}: the first certificate is not a signing certificate with one SPIFFE ID`,
  );
}

function readPrivateKey(source: Uint8Array, file: string): KeyObject {
  try {
    return createPrivateKey(Buffer.from(source));
  } catch (error) {
    throw new DevCaError('invalid-ca-file', `${file}: not an unencrypted private key in PEM`, { cause: error });
  }
}

function toSigningKey(privateKey: KeyObject, file: string): webcrypto.CryptoKey {
  const keyType = findKeyType(privateKey);
  if (keyType === undefined) {
    throw new DevCaError(
      'invalid-ca-file',
      `${file}: a key of this type signs nothing here; use ${KEY_TYPES.join(', ')}`,
    );
  }
  return privateKey.toCryptoKey(algorithmOf(keyType), true, ['sign']);
}
