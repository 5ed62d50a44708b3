// The fixture the socket tests stand on: sound by default, unsound exactly where asked, and quick.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import {
  createTestAuthority,
  expired,
  testAuthority,
  type TestAuthority,
  type TestSvid,
  writeSvidFiles,
} from './svid-fixtures.ts';

function verify(svid: TestSvid, root: TestAuthority) {
  const trustDomain = parseTrustDomain(root.trustDomain);
  const bundle = parseTrustBundlePem(trustDomain, Buffer.from(root.certificatePem), 'bundle.pem');
  return verifyX509Svid(svid.chainDer, new Map([[trustDomain, bundle]]), Date.now());
}

describe('testAuthority', () => {
  it('is one authority per trust domain, and a new one when asked', () => {
    expect(testAuthority('ai.example')).toBe(testAuthority());
    expect(testAuthority('other.example')).not.toBe(testAuthority());
    expect(createTestAuthority('ai.example').certificatePem).not.toBe(testAuthority().certificatePem);
  });

  it('issues SVIDs that are proven, directly and through intermediates', () => {
    const authority = testAuthority();
    const direct = authority.issue('/training/job', { dns: ['localhost'], ips: ['127.0.0.1'] });
    const below = authority.intermediate().issue('/training/job');
    for (const svid of [direct, below]) {
      expect(verify(svid, authority)).toMatchObject({
        id: 'spiffe://ai.example/training/job',
        leafSha256: svid.leafSha256,
      });
      const leaf = new X509Certificate(svid.certificatePem);
      expect(leaf.checkPrivateKey(createPrivateKey(svid.privateKeyPem))).toBe(true);
      expect(Date.parse(leaf.validTo)).toBe(svid.notAfterMs);
    }
    expect(below.chainDer).toHaveLength(2);
    expect(new X509Certificate(direct.certificatePem).checkHost('localhost')).toBe('localhost');
    expect(new X509Certificate(direct.certificatePem).checkIP('127.0.0.1')).toBe('127.0.0.1');
  });

  it.each([
    ['expired', expired()],
    ['without SPIFFE ID', { uris: [] }],
    ['with two', { uris: ['spiffe://ai.example/a', 'spiffe://ai.example/b'] }],
    ['as a CA', { isCa: true }],
    ['without key usage', { keyUsage: null }],
    ['signing certificates', { keyUsage: ['digitalSignature', 'keyCertSign'] as const }],
    ['not valid yet', { notBeforeMs: Date.now() + 1_800_000 }],
  ])('issues a leaf that is refused: %s', (_name, options) => {
    const authority = testAuthority();
    expect(() => verify(authority.issue('/training/job', options), authority)).toThrow();
  });

  it('issues in milliseconds', () => {
    const authority = testAuthority();
    const startMs = performance.now();
    for (let count = 0; count < 50; count += 1) authority.issue('/training/job');
    // A hundred times what it takes, so that it fails only when something slow has come in.
    expect((performance.now() - startMs) / 50).toBeLessThan(50);
  });

  it('writes files, and takes them away again', () => {
    const authority = testAuthority();
    const files = writeSvidFiles(authority, { registry: authority.issue('/registry/proxy') });
    expect(readFileSync(join(files.directory, 'bundle.pem'), 'utf8')).toBe(authority.certificatePem);
    expect(readFileSync(join(files.directory, 'registry.pem'), 'utf8')).toContain('BEGIN CERTIFICATE');
    expect(statSync(join(files.directory, 'registry.key')).mode & 0o777).toBe(0o600);
    files.remove();
    expect(existsSync(files.directory)).toBe(false);
  });
});
