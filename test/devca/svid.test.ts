// What the development CA issues, read back by node:crypto, by openssl and by our own verifier.

import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type DevelopmentAuthority, toAuthorityFiles } from '../../src/devca/authority.ts';
import { KEY_TYPES, parseKeyType } from '../../src/devca/key-type.ts';
import { type IssuedSvid, issueSvid, type SvidRequest } from '../../src/devca/svid.ts';
import { DEVELOPMENT_ORGANIZATION, parseOwnIdentity } from '../../src/spiffe/own-identity.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { describeCertificate, hasOpenssl, openssl } from './openssl.ts';

const NOW_MS = Date.UTC(2027, 0, 2, 3, 4, 5);
const HOUR_MS = 3_600_000;
const TRUST_DOMAIN = parseTrustDomain('ai.example');
const issuing = { nowMs: NOW_MS, crypto: webcrypto };
const directory = mkdtempSync(join(tmpdir(), 'sallyport-svid-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let authority: DevelopmentAuthority;
beforeAll(async () => {
  authority = await createDevelopmentAuthority('root');
});

function createDevelopmentAuthority(signWith: 'root' | 'intermediate'): Promise<DevelopmentAuthority> {
  return createAuthority({ trustDomain: TRUST_DOMAIN, ttlMs: 24 * HOUR_MS, keyType: 'p256', signWith }, issuing);
}

const asked: SvidRequest = {
  id: parseSpiffeId('spiffe://ai.example/training/job-1'),
  ttlMs: HOUR_MS,
  keyType: 'p256',
  dnsNames: [],
  ipAddresses: [],
};

function leafOf(svid: IssuedSvid): X509Certificate {
  return new X509Certificate(svid.chainDer[0] ?? Buffer.alloc(0));
}

function verify(svid: IssuedSvid, issuer: DevelopmentAuthority, nowMs: number) {
  const { bundlePem } = toAuthorityFiles(issuer);
  const bundle = parseTrustBundlePem(TRUST_DOMAIN, Buffer.from(bundlePem), 'bundle.pem');
  return verifyX509Svid(svid.chainDer, new Map([[TRUST_DOMAIN, bundle]]), nowMs);
}

/** Throws unless openssl, as strict as it goes, accepts the chain for both ends of TLS. */
function verifyWithOpenssl(svid: IssuedSvid, issuer: DevelopmentAuthority, nowMs: number): void {
  const bundle = join(directory, 'bundle.pem');
  const chain = join(directory, 'chain.pem');
  writeFileSync(bundle, toAuthorityFiles(issuer).bundlePem);
  writeFileSync(chain, svid.certificatePem);
  for (const purpose of ['sslserver', 'sslclient']) {
    const at = String(Math.floor(nowMs / 1000));
    openssl([
      'verify',
      '-x509_strict',
      '-purpose',
      purpose,
      '-attime',
      at,
      '-CAfile',
      bundle,
      '-untrusted',
      chain,
      chain,
    ]);
  }
}

describe('issueSvid', () => {
  it.each(KEY_TYPES)('issues a %s SVID with its key', async (keyType) => {
    const svid = await issueSvid(authority, { ...asked, keyType }, issuing);
    const leaf = leafOf(svid);
    const details = { p256: 'prime256v1', p384: 'secp384r1', rsa2048: 2048 };
    const { namedCurve, modulusLength } = leaf.publicKey.asymmetricKeyDetails ?? {};
    expect(namedCurve ?? modulusLength).toBe(details[keyType]);
    expect(leaf.checkPrivateKey(createPrivateKey(svid.privateKeyPem))).toBe(true);
    expect(svid.privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(leaf.ca).toBe(false);
    expect(leaf.subjectAltName).toBe('URI:spiffe://ai.example/training/job-1');
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(leaf.subject).toBe(`O=${DEVELOPMENT_ORGANIZATION}`);
  });

  it.each(['root', 'intermediate'] as const)(
    'gives a chain that our verifier proves: signed by the %s',
    async (signWith) => {
      const issuer = await createDevelopmentAuthority(signWith);
      for (const keyType of KEY_TYPES) {
        const svid = await issueSvid(issuer, { ...asked, keyType }, issuing);
        expect(svid.chainDer).toHaveLength(signWith === 'root' ? 1 : 2);
        expect(verify(svid, issuer, NOW_MS)).toMatchObject({ id: asked.id, notAfterMs: NOW_MS + HOUR_MS });
      }
    },
  );

  it.skipIf(!hasOpenssl).each(['root', 'intermediate'] as const)(
    'gives a chain that openssl proves, strictly: signed by the %s (needs openssl)',
    async (signWith) => {
      const issuer = await createDevelopmentAuthority(signWith);
      for (const keyType of KEY_TYPES) {
        const svid = await issueSvid(issuer, { ...asked, keyType, dnsNames: ['localhost'] }, issuing);
        expect(() => verifyWithOpenssl(svid, issuer, NOW_MS)).not.toThrow();
        expect(() => verifyWithOpenssl(svid, authority, NOW_MS)).toThrow(/unable to get/);
      }
    },
  );

  it.skipIf(!hasOpenssl).each(KEY_TYPES)('lets a %s key sign and nothing else (needs openssl)', async (keyType) => {
    const text = describeCertificate(leafOf(await issueSvid(authority, { ...asked, keyType }, issuing)).toString());
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\n/);
    expect(text).toMatch(/Subject Alternative Name: \s*URI:/);
  });

  it('adds host names and addresses for peers without SPIFFE', async () => {
    const request = { ...asked, dnsNames: ['localhost', 'registry.ai'], ipAddresses: ['127.0.0.1', '::1'] };
    const leaf = leafOf(await issueSvid(authority, request, issuing));
    expect(leaf.checkHost('localhost')).toBe('localhost');
    expect(leaf.checkHost('registry.ai')).toBe('registry.ai');
    expect(leaf.checkHost('other.ai')).toBeUndefined();
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(leaf.checkIP('::1')).toBe('::1');
    expect(leaf.subjectAltName?.match(/URI:/g)).toHaveLength(1);
  });

  it('is valid from a minute ago until the end of its lifetime, in whole seconds', async () => {
    const svid = await issueSvid(authority, { ...asked, ttlMs: 30_000 }, { ...issuing, nowMs: NOW_MS + 999 });
    const leaf = leafOf(svid);
    expect(Date.parse(leaf.validFrom)).toBe(NOW_MS - 60_000);
    expect(Date.parse(leaf.validTo)).toBe(NOW_MS + 30_000);
    expect(svid.notAfterMs).toBe(NOW_MS + 30_000);
  });

  it('repeats neither key nor serial number', async () => {
    const svids = await Promise.all([1, 2, 3].map(() => issueSvid(authority, asked, issuing)));
    expect(new Set(svids.map((svid) => svid.privateKeyPem)).size).toBe(3);
    expect(new Set(svids.map((svid) => leafOf(svid).serialNumber)).size).toBe(3);
  });

  it('carries an ID of 2048 bytes, and odd segments, byte for byte', async () => {
    const long = `spiffe://ai.example/${'a'.repeat(2048 - 'spiffe://ai.example/'.length)}`;
    for (const text of [long, 'spiffe://ai.example/..x/.../A_b-c.D']) {
      const svid = await issueSvid(authority, { ...asked, id: parseSpiffeId(text) }, issuing);
      expect(leafOf(svid).subjectAltName).toBe(`URI:${text}`);
    }
  });

  it('ID-25 does not issue an ID without path', async () => {
    const id = parseSpiffeId('spiffe://ai.example');
    await expect(issueSvid(authority, { ...asked, id }, issuing)).rejects.toMatchObject({ code: 'id-without-path' });
  });

  it.each(['spiffe://evil.example/training/job-1', 'spiffe://ai.example.evil/x', 'spiffe://example/x'])(
    'CE-31 does not issue %s, which is of another trust domain',
    async (text) => {
      await expect(issueSvid(authority, { ...asked, id: parseSpiffeId(text) }, issuing)).rejects.toMatchObject({
        code: 'foreign-trust-domain',
        message: expect.stringContaining('`ai.example`'),
      });
    },
  );

  it('does not issue what would outlive the CA', async () => {
    await expect(issueSvid(authority, { ...asked, ttlMs: 24 * HOUR_MS + 1000 }, issuing)).rejects.toMatchObject({
      code: 'ttl-outlives-ca',
      message: expect.stringContaining('2027-01-03T03:04:05.000Z'),
    });
    const svid = await issueSvid(authority, { ...asked, ttlMs: 24 * HOUR_MS }, issuing);
    expect(svid.notAfterMs).toBe(authority.notAfterMs);
  });

  it('makes what a proxy can serve with, known as of the development CA', async () => {
    const svid = await issueSvid(await createDevelopmentAuthority('intermediate'), asked, issuing);
    const source = {
      certificate: Buffer.from(svid.certificatePem),
      certificateFile: 'registry.pem',
      privateKey: Buffer.from(svid.privateKeyPem),
      privateKeyFile: 'registry.key',
    };
    const own = parseOwnIdentity(source, TRUST_DOMAIN);
    expect(own.isDevelopment).toBe(true);
    expect(own.svid.id).toBe(asked.id);
  });
});

describe('unusual certificates, to show that they are refused', () => {
  it('CE-36 issues in the past what has expired by now', async () => {
    const svid = await issueSvid(authority, asked, { ...issuing, nowMs: NOW_MS - 2 * HOUR_MS });
    expect(svid.notAfterMs).toBe(NOW_MS - HOUR_MS);
    expect(() => verify(svid, authority, NOW_MS)).toThrow(expect.objectContaining({ name: 'X509SvidError' }));
  });

  it.skipIf(!hasOpenssl)('CE-36 issues what openssl calls expired, and nothing else (needs openssl)', async () => {
    const svid = await issueSvid(authority, asked, { ...issuing, nowMs: NOW_MS - 2 * HOUR_MS });
    expect(() => verifyWithOpenssl(svid, authority, NOW_MS)).toThrow(
      /error 10 at 0 depth lookup: certificate has expired/,
    );
  });

  it('ID-4 issues a certificate without SPIFFE ID that is sound otherwise', async () => {
    const bare = leafOf(await issueSvid(authority, { ...asked, id: null }, issuing));
    expect(bare.subjectAltName).toBeUndefined();
    const named = await issueSvid(authority, { ...asked, id: null, dnsNames: ['localhost'] }, issuing);
    expect(leafOf(named).subjectAltName).toBe('DNS:localhost');
    expect(leafOf(named).subject).toBe(`O=${DEVELOPMENT_ORGANIZATION}`);
    expect(() => verify(named, authority, NOW_MS)).toThrow(expect.objectContaining({ name: 'X509SvidError' }));
    if (hasOpenssl) expect(() => verifyWithOpenssl(named, authority, NOW_MS)).not.toThrow();
  });
});

describe('parseKeyType', () => {
  it.each(KEY_TYPES)('reads %s', (keyType) => {
    expect(parseKeyType(keyType)).toBe(keyType);
  });

  it.each(['', 'P256', 'p256 ', 'rsa', 'rsa1024', 'ed25519', '__proto__', 'constructor'])('refuses `%s`', (text) => {
    expect(() => parseKeyType(text)).toThrow(expect.objectContaining({ code: 'unknown-key-type' }));
  });
});
