// The development CA: what its certificates say, and what it refuses to open.

import { createPrivateKey, generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type AuthoritySource, createAuthority, openAuthority, toAuthorityFiles } from '../../src/devca/authority.ts';
import { KEY_TYPES, type KeyType } from '../../src/devca/key-type.ts';
import { issueSvid } from '../../src/devca/svid.ts';
import { DEVELOPMENT_ORGANIZATION } from '../../src/spiffe/own-identity.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { describeCertificate, hasOpenssl, openssl } from './openssl.ts';

const NOW_MS = Date.UTC(2027, 0, 2, 3, 4, 5);
const DAY_MS = 86_400_000;
const issuing = { nowMs: NOW_MS, crypto: webcrypto };

interface Made {
  readonly keyType?: KeyType;
  readonly signWith?: 'root' | 'intermediate';
  readonly trustDomain?: string;
  readonly ttlMs?: number;
}

async function make({ keyType = 'p256', signWith = 'root', trustDomain = 'ai.example', ttlMs = DAY_MS }: Made = {}) {
  const request = { trustDomain: parseTrustDomain(trustDomain), ttlMs, keyType, signWith };
  return createAuthority(request, issuing);
}

function certificatesOf(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function sourceOf(files: { certificatePem: string; privateKeyPem: string }): AuthoritySource {
  return {
    certificate: Buffer.from(files.certificatePem),
    certificateFile: 'ca.pem',
    privateKey: Buffer.from(files.privateKeyPem),
    privateKeyFile: 'ca.key',
  };
}

describe('createAuthority', () => {
  it.each(KEY_TYPES)('makes a self-signed %s root that is the whole trust bundle', async (keyType) => {
    const files = toAuthorityFiles(await make({ keyType }));
    const [root, ...others] = certificatesOf(files.certificatePem);
    expect(others).toEqual([]);
    expect(files.bundlePem).toBe(files.certificatePem);
    expect(root?.verify(root.publicKey)).toBe(true);
    expect(root?.checkPrivateKey(createPrivateKey(files.privateKeyPem))).toBe(true);
    expect(root?.ca).toBe(true);
    expect(root?.subjectAltName).toBe('URI:spiffe://ai.example');
  });

  it('signs with an intermediate whose root key is in no file', async () => {
    const files = toAuthorityFiles(await make({ signWith: 'intermediate' }));
    const [intermediate, root, ...others] = certificatesOf(files.certificatePem);
    expect(others).toEqual([]);
    const key = createPrivateKey(files.privateKeyPem);
    expect(intermediate?.checkPrivateKey(key)).toBe(true);
    expect(root?.checkPrivateKey(key)).toBe(false);
    expect(root && intermediate?.verify(root.publicKey)).toBe(true);
    expect(certificatesOf(files.bundlePem).map((certificate) => certificate.fingerprint256)).toEqual([
      root?.fingerprint256,
    ]);
    expect(intermediate?.subjectAltName).toBe('URI:spiffe://ai.example');
    expect(intermediate?.subject).not.toBe(root?.subject);
  });

  it.each(['root', 'intermediate'] as const)('names itself as a development CA: %s', async (signWith) => {
    const { certificatePem } = toAuthorityFiles(await make({ signWith }));
    for (const certificate of certificatesOf(certificatePem)) {
      expect(certificate.subject).toContain(`O=${DEVELOPMENT_ORGANIZATION}`);
      expect(certificate.issuer).toContain(`O=${DEVELOPMENT_ORGANIZATION}`);
    }
  });

  it('is valid from a minute ago until the end of its lifetime', async () => {
    const authority = await make({ ttlMs: 3_600_000 });
    const [root] = certificatesOf(toAuthorityFiles(authority).bundlePem);
    expect(root && Date.parse(root.validFrom)).toBe(NOW_MS - 60_000);
    expect(root && Date.parse(root.validTo)).toBe(NOW_MS + 3_600_000);
    expect(authority.notAfterMs).toBe(NOW_MS + 3_600_000);
  });

  it('gives each certificate its own key and a positive serial number of at most 20 bytes', async () => {
    const { certificatePem: first } = toAuthorityFiles(await make({ signWith: 'intermediate' }));
    const { certificatePem: second } = toAuthorityFiles(await make({ signWith: 'intermediate' }));
    const certificates = certificatesOf(first + second);
    expect(new Set(certificates.map(({ serialNumber }) => serialNumber)).size).toBe(4);
    expect(new Set(certificates.map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' }))).size).toBe(
      4,
    );
    for (const { serialNumber } of certificates) expect(serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it.each([
    ['a name of object prototypes', '__proto__'],
    ['an address', '127.0.0.1'],
    ['255 bytes', 'a'.repeat(255)],
  ])('speaks for a trust domain that is %s', async (_name, trustDomain) => {
    const authority = await make({ trustDomain });
    const files = toAuthorityFiles(authority);
    expect(certificatesOf(files.bundlePem)[0]?.subjectAltName).toBe(`URI:spiffe://${trustDomain}`);
    const opened = await openAuthority(sourceOf(files), issuing);
    expect(opened.trustDomain).toBe(trustDomain);
    // RFC 5280 appendix A.1: ub-common-name.
    expect(/CN=(.*)/.exec(certificatesOf(files.bundlePem)[0]?.subject ?? '')?.[1]?.length).toBeLessThanOrEqual(64);
  });

  it.each([
    ['p256', 'ecdsa-with-SHA256'],
    ['p384', 'ecdsa-with-SHA384'],
    ['rsa2048', 'sha256WithRSAEncryption'],
  ] as const)('signs with a digest as strong as its key: %s with %s', async (keyType, algorithm) => {
    const { certificatePem } = toAuthorityFiles(await make({ keyType, signWith: 'intermediate' }));
    expect(certificatesOf(certificatePem).map(({ signatureAlgorithm }) => signatureAlgorithm)).toEqual([
      algorithm,
      algorithm,
    ]);
  });

  it.skipIf(!hasOpenssl)('marks what makes it an authority as critical (needs openssl)', async () => {
    const { certificatePem } = toAuthorityFiles(await make({ signWith: 'intermediate' }));
    const [intermediate, root] = certificatesOf(certificatePem).map((certificate) =>
      describeCertificate(certificate.toString()),
    );
    for (const text of [root, intermediate]) {
      expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
      expect(text).not.toContain('Extended Key Usage');
    }
    expect(root).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:1\n/);
    expect(intermediate).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/);
  });

  it.skipIf(!hasOpenssl)('may end after 2049, when the encoding of time changes (needs openssl)', async () => {
    const late = { nowMs: Date.UTC(2049, 11, 31, 23, 0, 0), crypto: webcrypto };
    const request = {
      trustDomain: parseTrustDomain('ai.example'),
      ttlMs: DAY_MS,
      keyType: 'p256',
      signWith: 'root',
    } as const;
    const { bundlePem } = toAuthorityFiles(await createAuthority(request, late));
    expect(openssl(['x509', '-noout', '-enddate'], bundlePem)).toBe('notAfter=Jan  1 23:00:00 2050 GMT\n');
  });
});

describe('openAuthority', () => {
  it.each([
    ['p256', 'root'],
    ['p384', 'intermediate'],
    ['rsa2048', 'intermediate'],
  ] as const)('opens what was made: %s, signing with the %s', async (keyType, signWith) => {
    const made = await make({ keyType, signWith });
    const files = toAuthorityFiles(made);
    const opened = await openAuthority(sourceOf(files), issuing);
    expect(toAuthorityFiles(opened)).toEqual(files);
    expect(opened).toMatchObject({ trustDomain: 'ai.example', notAfterMs: made.notAfterMs });
    const id = parseSpiffeId('spiffe://ai.example/training/job-1');
    const svid = await issueSvid(opened, { id, ttlMs: 1000, keyType: 'p256', dnsNames: [], ipAddresses: [] }, issuing);
    const [leaf, issuer] = svid.chainDer.map((der) => new X509Certificate(der));
    const signer = issuer ?? certificatesOf(files.bundlePem)[0];
    expect(signer && leaf?.verify(signer.publicKey)).toBe(true);
  });

  it('refuses a CA that has expired, and says how to go on', async () => {
    const source = sourceOf(toAuthorityFiles(await make()));
    const late = { nowMs: NOW_MS + DAY_MS + 1000, crypto: webcrypto };
    await expect(openAuthority(source, late)).rejects.toMatchObject({
      code: 'ca-expired',
      message: 'ca.pem: the CA expired at 2027-01-03T03:04:05.000Z; make a new one with `dev-ca init --force`',
    });
  });

  it('refuses the key of another CA', async () => {
    const { certificatePem } = toAuthorityFiles(await make());
    const { privateKeyPem } = toAuthorityFiles(await make());
    await expect(openAuthority(sourceOf({ certificatePem, privateKeyPem }), issuing)).rejects.toMatchObject({
      code: 'ca-key-mismatch',
      message: expect.stringMatching(/^ca\.key: .*ca\.pem/),
    });
  });

  it('does not sign with a CA that is not for development', async () => {
    const foreign = createTestAuthority('ai.example', {
      organization: 'Example Corp',
      notAfterMs: NOW_MS + 3650 * DAY_MS,
    });
    const source = sourceOf(foreign);
    await expect(openAuthority(source, issuing)).rejects.toMatchObject({
      code: 'not-a-development-ca',
      message: expect.stringContaining('O=Example Corp'),
    });
  });

  it('does not sign with a leaf', async () => {
    const id = parseSpiffeId('spiffe://ai.example/training/job-1');
    const request = { id, ttlMs: 60_000, keyType: 'p256', dnsNames: [], ipAddresses: [] } as const;
    const leaf = await issueSvid(await make(), request, issuing);
    await expect(openAuthority(sourceOf(leaf), issuing)).rejects.toMatchObject({ code: 'invalid-ca-file' });
  });

  it.each([
    ['no SPIFFE ID', { uris: [] }],
    ['two SPIFFE IDs', { uris: ['spiffe://ai.example', 'spiffe://evil.example'] }],
    ['a URI that is no SPIFFE ID', { uris: ['https://ai.example'] }],
  ])('refuses a signing certificate with %s', async (_name, options) => {
    const odd = createTestAuthority('ai.example', {
      organization: DEVELOPMENT_ORGANIZATION,
      notAfterMs: NOW_MS + 3650 * DAY_MS,
      ...options,
    });
    const source = sourceOf(odd);
    await expect(openAuthority(source, issuing)).rejects.toMatchObject({
      code: 'invalid-ca-file',
      message: expect.stringMatching(/^ca\.pem: /),
    });
  });

  it.each([
    ['no certificate', '', 'ca.pem: '],
    [
      'a key where the certificate should be',
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'ca.pem:1: ',
    ],
    [
      'bytes that are no certificate',
      '-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n',
      'ca.pem:1: ',
    ],
  ])('refuses %s', async (_name, certificatePem, place) => {
    const { privateKeyPem } = toAuthorityFiles(await make());
    await expect(openAuthority(sourceOf({ certificatePem, privateKeyPem }), issuing)).rejects.toMatchObject({
      code: 'invalid-ca-file',
      message: expect.stringContaining(place),
    });
  });

  it.each([
    ['nothing', ''],
    [
      'an encrypted key',
      generateKeyPairSync('ec', { namedCurve: 'P-256' })
        .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
        .toString(),
    ],
    ['something else', 'not a key'],
  ])('refuses a key file with %s', async (_name, privateKeyPem) => {
    const { certificatePem } = toAuthorityFiles(await make());
    await expect(openAuthority(sourceOf({ certificatePem, privateKeyPem }), issuing)).rejects.toMatchObject({
      code: 'invalid-ca-file',
      message: expect.stringMatching(/^ca\.key: /),
    });
  });

  it('refuses a key type it does not make', async () => {
    const odd = createTestAuthority('ai.example', {
      organization: DEVELOPMENT_ORGANIZATION,
      notAfterMs: NOW_MS + 3650 * DAY_MS,
      keys: 'Ed25519',
    });
    await expect(openAuthority(sourceOf(odd), issuing)).rejects.toMatchObject({
      code: 'invalid-ca-file',
      message: expect.stringMatching(/^ca\.key: /),
    });
  });
});
