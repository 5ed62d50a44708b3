import { webcrypto } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issueCredentials, openAuthorities } from '../../src/app/demo/credentials.ts';
import { demoFilesIn } from '../../src/app/demo/demo-files.ts';
import { IDENTITIES, IDENTITY_NAMES, type IdentityName, TRUST_DOMAIN } from '../../src/app/demo/identities.ts';
import { writeCredentialFiles } from '../../src/cli/credential-files.ts';
import { createAuthority, toAuthorityFiles } from '../../src/devca/authority.ts';
import { parsePem } from '../../src/pki/pem.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem } from '../../src/spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { X509SvidError } from '../../src/spiffe/x509-svid-error.ts';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const DAY_MS = 86_400_000;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const at = (nowMs: number) => ({ nowMs, crypto: webcrypto });
const writeFiles = (files: Parameters<typeof writeCredentialFiles>[0]) => writeCredentialFiles(files, 'replace');
const read = (name: string) => readFileSync(join(directory, name));

async function prepare(nowMs = NOW_MS): Promise<void> {
  const issuing = at(nowMs);
  const paths = demoFilesIn(directory);
  const authorities = await openAuthorities(paths, writeFiles, issuing);
  await issueCredentials(paths, authorities, { writeFiles, issuing });
}

async function plantAuthority(trustDomain: string, { nowMs = NOW_MS, ttlMs = 30 * DAY_MS } = {}): Promise<void> {
  const request = { trustDomain: parseTrustDomain(trustDomain), ttlMs, keyType: 'p256', signWith: 'root' } as const;
  const files = toAuthorityFiles(await createAuthority(request, at(nowMs)));
  writeFileSync(join(directory, 'ca.key'), files.privateKeyPem, { mode: 0o600 });
  writeFileSync(join(directory, 'ca.pem'), files.certificatePem);
}

/** What the sidecar would say to whoever presents the certificate in the file. */
function verdictOn(name: IdentityName, nowMs = NOW_MS): string {
  const bundle = parseTrustBundlePem(TRUST_DOMAIN, read('bundle.pem'), 'bundle.pem');
  const chain = parsePem(read(`demo/${name}.pem`), name).map(({ der }) => der);
  try {
    return verifyX509Svid(chain, new Map([[TRUST_DOMAIN, bundle]]), nowMs).id;
  } catch (error) {
    if (error instanceof X509SvidError) return error.code;
    throw error;
  }
}

describe('the credentials of the demo', () => {
  it.each<[IdentityName, string]>([
    ['training', 'spiffe://ai.example/training/job-1'],
    ['inference', 'spiffe://ai.example/inference/fraud-1'],
    ['pipeline', 'spiffe://ai.example/pipeline/nightly'],
    ['registry', 'spiffe://ai.example/registry/main'],
    ['feature-store', 'spiffe://ai.example/feature-store/online'],
    ['notebook', 'spiffe://ai.example/notebook/alice'],
    ['gateway', 'spiffe://ai.example/gateway/edge'],
    ['expired', 'expired'],
    ['foreign', 'unknown-trust-domain'],
    ['forged', 'unknown-authority'],
    ['nameless', 'no-spiffe-id'],
  ])('has a certificate for %s, which is %s', async (name, verdict) => {
    await prepare();
    expect(verdictOn(name)).toBe(verdict);
  });

  it('covers every identity with a row above', () => {
    expect(IDENTITY_NAMES).toHaveLength(11);
  });

  it('keeps every private key to its owner, and writes nothing else than it says', async () => {
    await prepare();
    const names = IDENTITY_NAMES.flatMap((name) => [`${name}.key`, `${name}.pem`]);
    expect(readdirSync(directory).sort()).toEqual(['bundle.pem', 'ca.key', 'ca.pem', 'demo']);
    expect(readdirSync(join(directory, 'demo')).sort()).toEqual(names.sort());
    expect(statSync(join(directory, 'demo')).mode & 0o777).toBe(0o700);
    const keys = ['ca.key', ...IDENTITY_NAMES.map((name) => `demo/${name}.key`)];
    for (const key of keys) expect(statSync(join(directory, key)).mode & 0o777, key).toBe(0o600);
  });

  it('keeps the CA and replaces what it signed', async () => {
    await prepare();
    const [ca, key] = [read('ca.pem'), read('demo/training.key')];
    await prepare(NOW_MS + DAY_MS);
    expect(read('ca.pem')).toEqual(ca);
    expect(read('demo/training.key')).not.toEqual(key);
    expect(verdictOn('training', NOW_MS + DAY_MS)).toBe(IDENTITIES.training.id);
  });

  it.each<[string, { nowMs?: number; ttlMs?: number }]>([
    ['has expired', { nowMs: NOW_MS - 40 * DAY_MS }],
    ['expires within the day', { ttlMs: DAY_MS - 1 }],
  ])('replaces a CA that %s', async (_name, validity) => {
    await plantAuthority('ai.example', validity);
    const before = read('ca.pem');
    await prepare();
    expect(read('ca.pem')).not.toEqual(before);
    expect(verdictOn('training')).toBe(IDENTITIES.training.id);
  });

  it.each<[string, () => void | Promise<void>]>([
    ['of another trust domain', () => plantAuthority('other.example')],
    ['that is none', () => writeFileSync(join(directory, 'ca.pem'), 'not a certificate')],
    ['whose certificate is missing', () => rmSync(join(directory, 'ca.pem'))],
  ])('neither uses nor replaces a CA %s', async (_name, spoil) => {
    await plantAuthority('ai.example');
    await spoil();
    const before = readdirSync(directory).map((name) => [name, read(name)]);
    await expect(prepare()).rejects.toMatchObject({ name: 'DemoError', code: 'unusable-ca' });
    expect(readdirSync(directory).map((name) => [name, read(name)])).toEqual(before);
  });
});
