import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FederationError } from '../../src/federation/federation-error.ts';
import { parseWebCredential, type WebCredential } from '../../src/federation/web-credential.ts';
import { PemError } from '../../src/pki/pem.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';

const WEB = createTestAuthority('web', { uris: [] });
const LEAF = WEB.issue('/', { uris: [], dns: ['bundles.ai.example'] });
const OTHER = WEB.issue('/', { uris: [], dns: ['other.example'] });

function parse(certificate: string, privateKey: string): WebCredential {
  return parseWebCredential({
    certificate: Buffer.from(certificate),
    certificateFile: 'web.pem',
    privateKey: Buffer.from(privateKey),
    privateKeyFile: 'web.key',
  });
}

describe('certificate and key of an https_web endpoint', () => {
  it('are read with their intermediates, and until when they hold', () => {
    const below = WEB.intermediate().issue('/', { uris: [], dns: ['bundles.ai.example'] });
    const { certificatePem, privateKeyPem, notAfterMs } = parse(below.certificatePem, below.privateKeyPem);
    expect([certificatePem, privateKeyPem, notAfterMs]).toEqual([
      below.certificatePem,
      below.privateKeyPem,
      below.notAfterMs,
    ]);
  });

  it.each(['sec1', 'pkcs8'] as const)('may have the key in %s', (type) => {
    const key = createPrivateKey(LEAF.privateKeyPem).export({ type, format: 'pem' }).toString();
    expect(parse(LEAF.certificatePem, key).privateKeyPem).toBe(LEAF.privateKeyPem);
  });

  const locked = createPrivateKey(LEAF.privateKeyPem)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' })
    .toString();
  it.each<[string, string, string, RegExp]>([
    ['without a certificate', '', LEAF.privateKeyPem, /^web\.pem: the file has no certificate/],
    [
      'with a key among the certificates',
      LEAF.certificatePem + LEAF.privateKeyPem,
      LEAF.privateKeyPem,
      /^web\.pem:\d+: /,
    ],
    ['with a certificate that is none', LEAF.certificatePem.replace(/^M/m, 'N'), LEAF.privateKeyPem, /^web\.pem:1: /],
    ['without a key', LEAF.certificatePem, '', /^web\.key: the file has no private key/],
    ['with a key that is locked', LEAF.certificatePem, locked, /^web\.key: .* without a passphrase/],
    ['with the key of another', LEAF.certificatePem, OTHER.privateKeyPem, /^web\.key: .* not that of .* web\.pem/],
    ['with the chain the wrong way round', WEB.certificatePem + LEAF.certificatePem, LEAF.privateKeyPem, /^web\.key: /],
  ])('are refused %s', (_name, certificate, privateKey, message) => {
    expect(() => parse(certificate, privateKey)).toThrow(FederationError);
    expect(() => parse(certificate, privateKey)).toThrow(message);
  });

  it('are refused when they are cut off', () => {
    expect(() => parse(LEAF.certificatePem.slice(0, 200), LEAF.privateKeyPem)).toThrow(PemError);
  });
});
