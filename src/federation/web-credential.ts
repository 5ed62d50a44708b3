// Certificate and key of an `https_web` bundle endpoint, from PEM: checked before they are put where partners meet them.
// SPIFFE_Federation.md §5.2.1.3

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { formatPem, parsePem } from '../pki/pem.ts';
import { FederationError } from './federation-error.ts';

export interface WebCredential {
  /** Leaf first. */
  readonly certificatePem: string;
  /** Unencrypted PKCS #8. */
  readonly privateKeyPem: string;
  /** Of the leaf. */
  readonly notAfterMs: number;
}

export interface WebCredentialSource {
  readonly certificate: Uint8Array;
  /** Files are used in messages only. */
  readonly certificateFile: string;
  readonly privateKey: Uint8Array;
  readonly privateKeyFile: string;
}

/** @throws {FederationError | PemError} whose message begins with the file at fault */
export function parseWebCredential(source: WebCredentialSource): WebCredential {
  const { certificateFile, privateKeyFile } = source;
  const chain = parsePem(source.certificate, certificateFile).map(({ label, der, line }) => {
    if (label !== 'CERTIFICATE') throw refused(`${certificateFile}:${line}: a block of kind \`${label}\``);
    return { certificate: readCertificate(der, `${certificateFile}:${line}`), der };
  });
  const [leaf] = chain;
  if (leaf === undefined) throw refused(`${certificateFile}: the file has no certificate`);
  const privateKey = readPrivateKey(source.privateKey, privateKeyFile);
  if (!leaf.certificate.checkPrivateKey(privateKey)) {
    throw refused(`${privateKeyFile}: the private key is not that of the first certificate in ${certificateFile}`);
  }
  return {
    certificatePem: chain.map(({ der }) => formatPem('CERTIFICATE', der)).join(''),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    notAfterMs: leaf.certificate.validToDate.getTime(),
  };
}

function readCertificate(der: Buffer, position: string): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (error) {
    throw refused(`${position}: the certificate cannot be read`, error);
  }
}

function readPrivateKey(source: Uint8Array, file: string): KeyObject {
  try {
    return createPrivateKey(Buffer.from(source));
  } catch (error) {
    throw refused(`${file}: the file has no private key that can be read without a passphrase`, error);
  }
}

function refused(message: string, cause?: unknown): FederationError {
  return new FederationError('web-credential', message, { cause });
}
