// Certificates and keys of a connection to a cluster, checked before they are used: a handshake that fails does not say why.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { quote } from '../core/quote.ts';
import type { ClientIdentity, ClientIdentitySource, MaterialSource } from './cluster-target.ts';
import { ConnectionError } from './connection-error.ts';
import { readSmallFile } from './small-file.ts';

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** @throws what `fail` makes */
export function parseAuthorities(pem: string, fail: (message: string) => ConnectionError): void {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw fail('there is no certificate in it');
  if (!blocks.every((block) => isCertificate(block))) throw fail('one of its certificates cannot be read');
}

/** @throws {ConnectionError} */
export function readIdentity(source: ClientIdentitySource, nowMs: number): ClientIdentity | null {
  switch (source.kind) {
    case 'none':
      return null;
    case 'fixed':
      return checkIdentity(source.identity, { nowMs, name: 'of the exec plugin' });
    case 'files': {
      const certificatePem = readMaterial(source.certificate, 'client certificate');
      const privateKeyPem = readMaterial(source.privateKey, 'client key');
      const name = source.certificate.kind === 'file' ? quote(source.certificate.path) : 'of the kubeconfig';
      return checkIdentity({ certificatePem, privateKeyPem }, { nowMs, name });
    }
  }
}

function readMaterial(source: MaterialSource, what: string): string {
  return source.kind === 'data' ? source.pem : readSmallFile(source.path, what).toString('utf8');
}

interface IdentityTerms {
  readonly nowMs: number;
  /** Where it comes from, for people. */
  readonly name: string;
}

function checkIdentity(identity: ClientIdentity, { nowMs, name }: IdentityTerms): ClientIdentity {
  const leaf = readLeaf(identity.certificatePem, name);
  if (!leaf.checkPrivateKey(readKey(identity.privateKeyPem, name))) {
    throw new ConnectionError('bad-certificate', `the client key is not that of the client certificate ${name}`);
  }
  if (leaf.validToDate.getTime() <= nowMs) {
    const since = leaf.validToDate.toISOString();
    throw new ConnectionError('bad-certificate', `the client certificate ${name} has expired on ${since}`);
  }
  return identity;
}

function readLeaf(pem: string, name: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new ConnectionError('bad-certificate', `the client certificate ${name} cannot be read`, { cause: error });
  }
}

function readKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const message = `the key of the client certificate ${name} cannot be read without a passphrase`;
    throw new ConnectionError('bad-certificate', message, { cause: error });
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
