// Certificate authorities to verify a TLS server with, from a PEM file: checked before a connection depends on them.

import { X509Certificate } from 'node:crypto';
import { SallyportError } from '../core/error.ts';
import { parsePem } from '../pki/pem.ts';
import type { GroupFile } from './file-group.ts';

class AuthorityFileError extends SallyportError<'invalid-authority'> {}

/** The file as it is. @throws {AuthorityFileError | PemError} whose message begins with the file and, where there is one, the line */
export function parseAuthorityFile({ path, bytes }: GroupFile): Buffer {
  const blocks = parsePem(bytes, path);
  if (blocks.length === 0) throw refused(`${path}: the file has no certificate`);
  for (const { label, der, line } of blocks) {
    if (label !== 'CERTIFICATE')
      throw refused(`${path}:${line}: a block of kind \`${label}\`, expected certificates only`);
    // OpenSSL stops where the certificate ends, and nobody would see the rest.
    if (!readCertificate(der, `${path}:${line}`).raw.equals(der)) {
      throw refused(`${path}:${line}: there are bytes behind the certificate`);
    }
  }
  return bytes;
}

function readCertificate(der: Buffer, position: string): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (error) {
    throw refused(`${position}: the certificate cannot be read`, error);
  }
}

function refused(message: string, cause?: unknown): AuthorityFileError {
  return new AuthorityFileError('invalid-authority', message, { cause });
}
