// Key stores for JVM peers: opened by Node's OpenSSL, by the openssl command and by keytool.

import { spawnSync } from 'node:child_process';
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type DevelopmentAuthority } from '../../src/devca/authority.ts';
import { KEY_TYPES, type KeyType } from '../../src/devca/key-type.ts';
import { type KeyStoreEntry, toKeyStore } from '../../src/devca/pkcs12.ts';
import { issueSvid } from '../../src/devca/svid.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { hasOpenssl, openssl } from './openssl.ts';

const PASSWORD = 'correct horse "battery" \'staple\'';
const issuing = { nowMs: Date.UTC(2027, 0, 2, 3, 4, 5), crypto: webcrypto };
const directory = mkdtempSync(join(tmpdir(), 'sallyport-pkcs12-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const hasKeytool = spawnSync('keytool', ['-help']).status === 0;

let authority: DevelopmentAuthority;
beforeAll(async () => {
  const trustDomain = parseTrustDomain('ai.example');
  authority = await createAuthority(
    { trustDomain, ttlMs: 86_400_000, keyType: 'p256', signWith: 'intermediate' },
    issuing,
  );
});

async function entryOf(keyType: KeyType): Promise<KeyStoreEntry> {
  const id = parseSpiffeId('spiffe://ai.example/training/job-1');
  const svid = await issueSvid(authority, { id, ttlMs: 60_000, keyType, dnsNames: [], ipAddresses: [] }, issuing);
  return { alias: 'training-job-1', ...svid, chainDer: [...svid.chainDer, Buffer.from(authority.root.rawData)] };
}

/** What `openssl pkcs12` finds: keys and certificates in their order. */
function openWithOpenssl(store: Buffer): { keys: string[]; certificates: string[]; text: string } {
  const file = join(directory, 'store.p12');
  const passwordFile = join(directory, 'password');
  writeFileSync(file, store);
  writeFileSync(passwordFile, PASSWORD);
  const text = openssl(['pkcs12', '-in', file, '-passin', `file:${passwordFile}`, '-noenc']);
  const blocks = (label: string) =>
    text.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g')) ?? [];
  return { keys: blocks('PRIVATE KEY'), certificates: blocks('CERTIFICATE'), text };
}

describe('toKeyStore', () => {
  it.each(KEY_TYPES)('makes what TLS can serve with: %s key', async (keyType) => {
    const pfx = toKeyStore(await entryOf(keyType), PASSWORD);
    expect(() => createSecureContext({ pfx, passphrase: PASSWORD })).not.toThrow();
  });

  it('opens with no other password, and not when a byte was changed', async () => {
    const pfx = toKeyStore(await entryOf('rsa2048'), PASSWORD);
    expect(() => createSecureContext({ pfx, passphrase: `${PASSWORD} ` })).toThrow(/mac verify failure/);
    const changed = Buffer.from(pfx);
    changed.writeUInt8(changed.readUInt8(400) ^ 1, 400);
    expect(() => createSecureContext({ pfx: changed, passphrase: PASSWORD })).toThrow(/mac verify failure/);
  });

  it('hides the key and never repeats a salt', async () => {
    const entry = await entryOf('p256');
    const pkcs8 = createPrivateKey(entry.privateKeyPem).export({ type: 'pkcs8', format: 'der' });
    const first = toKeyStore(entry, PASSWORD);
    const second = toKeyStore(entry, PASSWORD);
    for (const store of [first, second]) expect(store.includes(pkcs8.subarray(30))).toBe(false);
    expect(first.equals(second)).toBe(false);
  });

  it.skipIf(!hasOpenssl).each(KEY_TYPES)(
    'holds the key and the chain, byte for byte: %s key (needs openssl)',
    async (keyType) => {
      const entry = await entryOf(keyType);
      const { keys, certificates, text } = openWithOpenssl(toKeyStore(entry, PASSWORD));
      expect(keys).toHaveLength(1);
      expect(createPrivateKey(keys[0] ?? '').equals(createPrivateKey(entry.privateKeyPem))).toBe(true);
      expect(certificates.map((pem) => new X509Certificate(pem).raw)).toEqual(entry.chainDer);
      expect(text.match(/friendlyName: training-job-1/g)).toHaveLength(2);
      expect(text.match(/localKeyID: 01/g)).toHaveLength(2);
    },
  );

  it.skipIf(!hasKeytool)('is one private key entry with its chain for the JVM (needs keytool)', async () => {
    const file = join(directory, 'jvm.p12');
    writeFileSync(file, toKeyStore(await entryOf('rsa2048'), 'changeit'));
    const args = ['-J-Xshare:auto', '-list', '-v', '-keystore', file, '-storetype', 'PKCS12', '-storepass', 'changeit'];
    const { stdout, status } = spawnSync('keytool', args);
    expect(status, stdout.toString()).toBe(0);
    expect(stdout.toString()).toContain('Alias name: training-job-1\n');
    expect(stdout.toString()).toContain('Entry type: PrivateKeyEntry\nCertificate chain length: 3\n');
  });

  it.each([
    ['no characters', ''],
    ['five characters', '12345'],
    ['a newline', 'secret\n'],
    ['a letter outside ASCII', 'geheimnüs'],
    ['a NUL', 'secret\0'],
  ])('refuses a password with %s', async (_name, password) => {
    const entry = await entryOf('p256');
    expect(() => toKeyStore(entry, password)).toThrow(expect.objectContaining({ code: 'invalid-password' }));
  });

  it('does not repeat the password in its refusal', async () => {
    const entry = await entryOf('p256');
    expect(() => toKeyStore(entry, 'hünter2')).toThrow(/^(?!.*nter2)/);
  });
});
