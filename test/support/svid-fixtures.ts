// Certificates for socket tests: a certificate authority and X.509-SVIDs in memory, synchronously, well under a millisecond each.
// Encodes DER itself, so that tests can also have what no sound issuer makes, and so that src/devca is not its own witness.

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type KeyUsage = 'digitalSignature' | 'keyEncipherment' | 'keyAgreement' | 'keyCertSign' | 'cRLSign';

/** What the certificate says; each field has a sound default, so name only what the test is about. */
export interface CertificateOptions {
  /** URI SANs in order; default is the one SPIFFE ID asked for. `[]` with no `dns` and `ips` leaves the extension out. */
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  /** IPv4 only. */
  readonly ips?: readonly string[];
  readonly commonName?: string | null;
  /** `null` and `commonName: null` give an empty subject and a critical SAN. */
  readonly organization?: string | null;
  /** Whole seconds are kept. Default five minutes ago. */
  readonly notBeforeMs?: number;
  /** Default one hour from now. */
  readonly notAfterMs?: number;
  readonly isCa?: boolean;
  readonly pathLength?: number;
  /** `null` leaves the extension out. */
  readonly keyUsage?: readonly KeyUsage[] | null;
  /** `null` leaves the extension out. */
  readonly extendedKeyUsage?: readonly string[] | null;
  readonly sanCritical?: boolean;
  readonly serialNumber?: Buffer;
  readonly keyPair?: KeyPair;
  /** Appended as they are: complete DER Extension structures, see `extension`. */
  readonly extraExtensions?: readonly Buffer[];
}

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface TestSvid {
  /** Leaf, then intermediates; never the root. */
  readonly certificatePem: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
  readonly chainDer: readonly Buffer[];
  /** Hex, lower case. */
  readonly leafSha256: string;
  readonly notAfterMs: number;
}

export interface TestAuthority {
  readonly trustDomain: string;
  /** This authority's own certificate: the trust bundle file of its trust domain, when it is a root. */
  readonly certificatePem: string;
  readonly certificateDer: Buffer;
  readonly keyPair: KeyPair;
  /** Issues `spiffe://<trustDomain><path>`, `path` beginning with `/`; `options.uris` overrules it. */
  issue(path: string, options?: CertificateOptions): TestSvid;
  /** A subordinate authority; what it issues carries it in the chain. */
  intermediate(options?: CertificateOptions): TestAuthority;
}

export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** A leaf no longer valid when the test began. */
export const expired = (): CertificateOptions => ({
  notBeforeMs: Date.now() - 7_200_000,
  notAfterMs: Date.now() - 3_600_000,
});

const authorities = new Map<string, TestAuthority>();

/** The authority of a trust domain, the same one for the whole test file. */
export function testAuthority(trustDomain = 'ai.example'): TestAuthority {
  const existing = authorities.get(trustDomain);
  if (existing !== undefined) return existing;
  const authority = createTestAuthority(trustDomain);
  authorities.set(trustDomain, authority);
  return authority;
}

/** A new root authority with a new key: for rotation, or for an impostor of the same name. */
export function createTestAuthority(trustDomain: string, options: CertificateOptions = {}): TestAuthority {
  return certify({ trustDomain, kind: 'root' }, options, null);
}

/** Writes `NAME.pem`, `NAME.key` and, for the authority, `bundle.pem`; `remove` takes the new directory away. */
export function writeSvidFiles(
  authority: TestAuthority,
  svids: Readonly<Record<string, TestSvid>>,
): { readonly directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  writeFileSync(join(directory, 'bundle.pem'), authority.certificatePem);
  for (const [name, svid] of Object.entries(svids)) {
    writeFileSync(join(directory, `${name}.pem`), svid.certificatePem);
    writeFileSync(join(directory, `${name}.key`), svid.privateKeyPem, { mode: 0o600 });
  }
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

export function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

export function createKeyPair(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

interface Issuer {
  readonly name: Buffer;
  readonly keyPair: KeyPair;
  /** Intermediates below the root that everything issued here must present, nearest first. */
  readonly chainDer: readonly Buffer[];
}

function certify(
  subject: { trustDomain: string; kind: 'root' | 'intermediate' },
  options: CertificateOptions,
  issuer: Issuer | null,
): TestAuthority {
  const { trustDomain } = subject;
  const keyPair = options.keyPair ?? createKeyPair();
  const described: CertificateOptions = {
    uris: [`spiffe://${trustDomain}`],
    commonName: `${trustDomain} ${subject.kind}`,
    isCa: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
    extendedKeyUsage: null,
    notAfterMs: Date.now() + 86_400_000,
    ...options,
  };
  const name = nameOf(described);
  const certificateDer = signCertificate(described, keyPair.publicKey, issuer ?? { name, keyPair, chainDer: [] });
  const self: Issuer = { name, keyPair, chainDer: issuer === null ? [] : [certificateDer, ...issuer.chainDer] };
  return {
    trustDomain,
    certificatePem: toPem('CERTIFICATE', certificateDer),
    certificateDer,
    keyPair,
    issue: (path, leaf = {}) => issueLeaf({ uris: [`spiffe://${trustDomain}${path}`], ...leaf }, self),
    intermediate: (below = {}) => certify({ trustDomain, kind: 'intermediate' }, below, self),
  };
}

function issueLeaf(options: CertificateOptions, issuer: Issuer): TestSvid {
  const keyPair = options.keyPair ?? createKeyPair();
  const notAfterMs = wholeSeconds(options.notAfterMs ?? Date.now() + 3_600_000);
  const leaf = signCertificate({ commonName: 'workload', ...options, notAfterMs }, keyPair.publicKey, issuer);
  const chainDer = [leaf, ...issuer.chainDer];
  return {
    certificatePem: chainDer.map((der) => toPem('CERTIFICATE', der)).join(''),
    privateKeyPem: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    chainDer,
    leafSha256: createHash('sha256').update(leaf).digest('hex'),
    notAfterMs,
  };
}

// RFC 5280 §4.1. The signature algorithm follows the issuer's key: ECDSA or RSA with SHA-256, or Ed25519.
function signCertificate(options: CertificateOptions, publicKey: KeyObject, issuer: Issuer): Buffer {
  const signatureAlgorithm = signatureAlgorithmOf(issuer.keyPair.privateKey);
  const tbs = sequence(
    tlv(0xa0, integer(Buffer.of(2))),
    integer(options.serialNumber ?? Buffer.concat([Buffer.of(0x01), randomBytes(15)])),
    signatureAlgorithm,
    issuer.name,
    sequence(time(options.notBeforeMs ?? Date.now() - 300_000), time(options.notAfterMs ?? Date.now() + 3_600_000)),
    nameOf(options),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensionsOf(options, publicKey, issuer))),
  );
  const digest = issuer.keyPair.privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return sequence(tbs, signatureAlgorithm, bitString(sign(digest, tbs, issuer.keyPair.privateKey)));
}

function extensionsOf(options: CertificateOptions, publicKey: KeyObject, issuer: Issuer): readonly Buffer[] {
  const { isCa = false, pathLength, keyUsage = ['digitalSignature'] } = options;
  const { extendedKeyUsage = [SERVER_AUTH, CLIENT_AUTH], extraExtensions = [] } = options;
  const extensions: Buffer[] = [];
  const constraints = [
    ...(isCa ? [tlv(0x01, Buffer.of(0xff))] : []),
    ...(pathLength === undefined ? [] : [integer(Buffer.of(pathLength))]),
  ];
  extensions.push(extension('2.5.29.19', true, sequence(...constraints)));
  if (keyUsage !== null) extensions.push(extension('2.5.29.15', true, keyUsageBits(keyUsage)));
  if (extendedKeyUsage !== null) extensions.push(extension('2.5.29.37', false, sequence(...extendedKeyUsage.map(oid))));
  extensions.push(extension('2.5.29.14', false, tlv(0x04, keyIdentifier(publicKey))));
  extensions.push(extension('2.5.29.35', false, sequence(tlv(0x80, keyIdentifier(issuer.keyPair.publicKey)))));
  const names = [
    ...(options.uris ?? []).map((uri) => tlv(0x86, Buffer.from(uri, 'utf8'))),
    ...(options.dns ?? []).map((dns) => tlv(0x82, Buffer.from(dns, 'ascii'))),
    ...(options.ips ?? []).map((ip) => tlv(0x87, Buffer.from(ip.split('.').map(Number)))),
  ];
  const sanCritical = options.sanCritical ?? nameOf(options).length === 2;
  if (names.length > 0) extensions.push(extension('2.5.29.17', sanCritical, sequence(...names)));
  return [...extensions, ...extraExtensions];
}

/** One DER Extension for `extraExtensions`. */
export function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.of(0xff))] : []), tlv(0x04, value));
}

/** Tag, definite length, contents. */
export function tlv(tag: number, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const hex = body.length.toString(16);
  const length = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, body]);
}

export function sequence(...contents: readonly Buffer[]): Buffer {
  return tlv(0x30, ...contents);
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128))
      groups.unshift((high & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function integer(value: Buffer): Buffer {
  return tlv(0x02, value);
}

function bitString(value: Buffer): Buffer {
  return tlv(0x03, Buffer.of(0), value);
}

// RFC 5280 §4.2.1.3, DER: trailing zero bits are left out.
function keyUsageBits(usages: readonly KeyUsage[]): Buffer {
  const bitOf: Record<KeyUsage, number> = {
    digitalSignature: 0x80,
    keyEncipherment: 0x20,
    keyAgreement: 0x08,
    keyCertSign: 0x04,
    cRLSign: 0x02,
  };
  let bits = 0;
  for (const usage of usages) bits |= bitOf[usage];
  if (bits === 0) return tlv(0x03, Buffer.of(0));
  return tlv(0x03, Buffer.of(31 - Math.clz32(bits & -bits), bits));
}

function nameOf({ organization = 'Sallyport test fixtures', commonName = null }: CertificateOptions): Buffer {
  const attribute = (id: string, value: string): Buffer =>
    tlv(0x31, sequence(oid(id), tlv(0x0c, Buffer.from(value, 'utf8'))));
  return sequence(
    ...(organization === null ? [] : [attribute('2.5.4.10', organization)]),
    ...(commonName === null ? [] : [attribute('2.5.4.3', commonName)]),
  );
}

function signatureAlgorithmOf(issuerKey: KeyObject): Buffer {
  const type = issuerKey.asymmetricKeyType;
  if (type === 'rsa') return sequence(oid('1.2.840.113549.1.1.11'), tlv(0x05));
  if (type === 'ed25519') return sequence(oid('1.3.101.112'));
  return sequence(oid('1.2.840.10045.4.3.2'));
}

function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20);
}

// RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
function time(ms: number): Buffer {
  const text = `${new Date(wholeSeconds(ms)).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return text >= '2050' ? tlv(0x18, Buffer.from(text)) : tlv(0x17, Buffer.from(text.slice(2)));
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
