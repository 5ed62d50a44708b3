// Certificates for tests, right by default and wrong wherever a test says so.
//
// Made with node:crypto and a DER writer, so that nothing refuses to write what no certificate authority would issue:
//
//   const root = selfSigned();                                     // a CA, valid from five minutes ago for a day
//   const intermediate = issueAuthority(root, { subject: [['CN', 'intermediate']] });
//   const svid = issueSvid(intermediate, 'spiffe://ai.example/training/job');   // everything X509-SVID.md asks for
//   tls.createServer({ cert: pemOf(svid, intermediate), key: svid.privateKeyPem, ca: root.pem });
//
// Every part can be replaced through the last argument (`CertificateSpec`):
//
//   issueSvid(root, id, { keys: 'RSA-1024', hash: 'sha1' });                     // weak
//   issueSvid(root, id, { names: [uriName(id), uriName(other)] });               // two URI names
//   issueSvid(root, id, { extensions: (usual) => usual.filter((one) => one.oid !== OID.keyUsage) });
//   issueAuthority(root, { extensions: (usual) => [...usual, nameConstraints({ permitted: [uriName('.example')] })] });
//   issueSvid(root, id, { serial: Buffer.from([0x80]) });                        // negative: content octets as given
//   issueSvid(root, id, { notAfter: new Date(0), notBefore: utcTime('700101000000Z') });   // dates or raw DER
//   issueSvid(root, id, { editSignedBytes: (tbs) => …, editDer: (der) => … });   // any bytes, before and after signing
//
// `keys` takes a kind or the keys of another certificate (`root.keys`). RSA keys are made once per kind and shared by all
// certificates of that kind; EC and Ed25519 keys are new each time.

import { createHash, generateKeyPairSync, randomBytes, sign, constants, type KeyObject } from 'node:crypto';
import {
  bitString,
  boolean,
  context,
  contextOf,
  integer,
  nullValue,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  utf8String,
} from './der-writer.ts';

export type KeyKind =
  | 'P-256'
  | 'P-384'
  | 'P-521'
  | 'P-192'
  | 'secp256k1'
  | 'Ed25519'
  | 'Ed448'
  | 'RSA-1024'
  | 'RSA-2048'
  | 'RSA-3072'
  | 'RSA-PSS-2048';

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** Attribute type (`CN`, `O`, `OU`, `C`, `emailAddress` or a dotted OID) and value, one RDN each. */
export type NameSpec = readonly (readonly [attribute: string, value: string])[];

export interface ExtensionSpec {
  readonly oid: string;
  readonly critical: boolean;
  /** DER inside the OCTET STRING. */
  readonly value: Buffer;
}

export interface CertificateSpec {
  readonly subject?: NameSpec;
  /** What the certificate says of its issuer; by default the truth. */
  readonly issuerName?: NameSpec;
  readonly keys?: KeyKind | KeyPair;
  /** Of the signature, which the issuer's key makes. */
  readonly hash?: 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';
  /** RSASSA-PSS instead of PKCS #1 v1.5, for an RSA issuer. */
  readonly pss?: boolean;
  readonly version?: number;
  /** Content octets of the INTEGER. */
  readonly serial?: Buffer;
  readonly notBefore?: Date | Buffer;
  readonly notAfter?: Date | Buffer;
  /** Subject alternative names; `issueSvid` puts its ID here by default. */
  readonly names?: readonly Buffer[];
  /** Gets the usual extensions of such a certificate, returns those to write. */
  readonly extensions?: (usual: readonly ExtensionSpec[]) => readonly ExtensionSpec[];
  /** AlgorithmIdentifier inside the signed bytes; by default that outside. */
  readonly innerAlgorithm?: Buffer;
  /** AlgorithmIdentifier in both places. */
  readonly algorithm?: Buffer;
  readonly editSignedBytes?: (tbs: Buffer) => Buffer;
  readonly editDer?: (der: Buffer) => Buffer;
}

export interface TestCertificate {
  readonly der: Buffer;
  readonly pem: string;
  readonly sha256: string;
  readonly keys: KeyPair;
  /** Unencrypted PKCS #8. */
  readonly privateKeyPem: string;
  readonly subject: NameSpec;
}

export const OID = {
  subjectAltName: '2.5.29.17',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  emailProtection: '1.3.6.1.5.5.7.3.4',
} as const;

/** A self-signed CA. */
export function selfSigned(spec: CertificateSpec = {}): TestCertificate {
  const keys = keyPairOf(spec.keys ?? 'P-256');
  const subject = spec.subject ?? [['CN', `root ${randomBytes(4).toString('hex')}`]];
  return build({ ...spec, keys, subject }, { keys, subject }, authorityExtensions(keys, keys));
}

/** A CA certificate by `issuer`, without path length. */
export function issueAuthority(issuer: TestCertificate, spec: CertificateSpec = {}): TestCertificate {
  const keys = keyPairOf(spec.keys ?? 'P-256');
  const subject = spec.subject ?? [['CN', `intermediate ${randomBytes(4).toString('hex')}`]];
  return build({ ...spec, keys, subject }, issuer, authorityExtensions(keys, issuer.keys));
}

/** A leaf by `issuer` that keeps every rule of X509-SVID.md when `id` does. */
export function issueSvid(issuer: TestCertificate, id: string, spec: CertificateSpec = {}): TestCertificate {
  const keys = keyPairOf(spec.keys ?? 'P-256');
  const subject = spec.subject ?? [['O', 'test workload']];
  const names = spec.names ?? [uriName(id)];
  const usual = [
    keyUsage(['digitalSignature']),
    extendedKeyUsage([OID.serverAuth, OID.clientAuth]),
    basicConstraints({ isCa: false }),
    keyIdentifier(OID.subjectKeyIdentifier, keys),
    keyIdentifier(OID.authorityKeyIdentifier, issuer.keys),
    subjectAltName(names, { critical: subject.length === 0 }),
  ];
  return build({ ...spec, keys, subject }, issuer, usual);
}

/** Certificates one after the other, as a PEM chain file has them. */
export function pemOf(...certificates: readonly TestCertificate[]): string {
  return certificates.map(({ pem }) => pem).join('');
}

export function keyPairOf(kind: KeyKind | KeyPair): KeyPair {
  if (typeof kind !== 'string') return kind;
  switch (kind) {
    case 'RSA-1024':
    case 'RSA-2048':
    case 'RSA-3072':
    case 'RSA-PSS-2048': {
      const existing = rsaKeys.get(kind);
      if (existing !== undefined) return existing;
      const modulusLength = Number(kind.slice(-4));
      const keys =
        kind === 'RSA-PSS-2048'
          ? generateKeyPairSync('rsa-pss', { modulusLength })
          : generateKeyPairSync('rsa', { modulusLength });
      rsaKeys.set(kind, keys);
      return keys;
    }
    case 'Ed25519':
      return generateKeyPairSync('ed25519');
    case 'Ed448':
      return generateKeyPairSync('ed448');
    case 'P-192':
      return generateKeyPairSync('ec', { namedCurve: 'prime192v1' });
    case 'P-256':
    case 'P-384':
    case 'P-521':
    case 'secp256k1':
      return generateKeyPairSync('ec', { namedCurve: kind });
  }
}

export const uriName = (uri: string | Buffer): Buffer => context(6, asBytes(uri));
export const dnsName = (name: string | Buffer): Buffer => context(2, asBytes(name));
export const emailName = (address: string): Buffer => context(1, asBytes(address));
export const ipName = (...octets: readonly number[]): Buffer => context(7, Buffer.from(octets));
export const directoryName = (name: NameSpec): Buffer => contextOf(4, nameDer(name));

export function subjectAltName(names: readonly Buffer[], { critical = false } = {}): ExtensionSpec {
  return { oid: OID.subjectAltName, critical, value: sequence(...names) };
}

const KEY_USAGE_BITS = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
] as const;

export function keyUsage(bits: readonly (typeof KEY_USAGE_BITS)[number][], { critical = true } = {}): ExtensionSpec {
  let octet = 0;
  for (const bit of bits) octet |= 0x80 >> KEY_USAGE_BITS.indexOf(bit);
  const unusedBits = octet === 0 ? 0 : 31 - Math.clz32(octet & -octet);
  return { oid: OID.keyUsage, critical, value: bitString(octet === 0 ? Buffer.of() : Buffer.of(octet), unusedBits) };
}

export function extendedKeyUsage(purposes: readonly string[], { critical = false } = {}): ExtensionSpec {
  return { oid: OID.extendedKeyUsage, critical, value: sequence(...purposes.map(objectIdentifier)) };
}

export function basicConstraints(
  { isCa, pathLength }: { isCa: boolean; pathLength?: number },
  { critical = true } = {},
): ExtensionSpec {
  const parts = [...(isCa ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])];
  return { oid: OID.basicConstraints, critical, value: sequence(...parts) };
}

/** Bases as GeneralNames: `uriName('.example')`, `dnsName('example')`, … */
export function nameConstraints(
  { permitted = [], excluded = [] }: { permitted?: readonly Buffer[]; excluded?: readonly Buffer[] },
  { critical = true } = {},
): ExtensionSpec {
  const subtrees = (number: number, bases: readonly Buffer[]): readonly Buffer[] =>
    bases.length === 0 ? [] : [contextOf(number, ...bases.map((base) => sequence(base)))];
  return { oid: OID.nameConstraints, critical, value: sequence(...subtrees(0, permitted), ...subtrees(1, excluded)) };
}

export function keyIdentifier(
  oid: typeof OID.subjectKeyIdentifier | typeof OID.authorityKeyIdentifier,
  { publicKey }: KeyPair,
): ExtensionSpec {
  const digest = createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
  const value = oid === OID.subjectKeyIdentifier ? octetString(digest) : sequence(context(0, digest));
  return { oid, critical: false, value };
}

export function extensionDer({ oid, critical, value }: ExtensionSpec): Buffer {
  return sequence(objectIdentifier(oid), ...(critical ? [boolean(true)] : []), octetString(value));
}

export function nameDer(name: NameSpec): Buffer {
  return sequence(
    ...name.map(([attribute, value]) =>
      set(sequence(objectIdentifier(NAME_ATTRIBUTES.get(attribute) ?? attribute), utf8String(value))),
    ),
  );
}

const NAME_ATTRIBUTES = new Map([
  ['CN', '2.5.4.3'],
  ['C', '2.5.4.6'],
  ['O', '2.5.4.10'],
  ['OU', '2.5.4.11'],
  ['emailAddress', '1.2.840.113549.1.9.1'],
]);

const rsaKeys = new Map<KeyKind, KeyPair>();

function asBytes(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
}

function authorityExtensions(own: KeyPair, issuer: KeyPair): readonly ExtensionSpec[] {
  return [
    keyUsage(['keyCertSign', 'cRLSign']),
    basicConstraints({ isCa: true }),
    keyIdentifier(OID.subjectKeyIdentifier, own),
    keyIdentifier(OID.authorityKeyIdentifier, issuer),
  ];
}

function build(
  spec: CertificateSpec & { keys: KeyPair; subject: NameSpec },
  issuer: Pick<TestCertificate, 'keys' | 'subject'>,
  usual: readonly ExtensionSpec[],
): TestCertificate {
  const { keys, subject } = spec;
  const named = spec.names === undefined || usual.some(({ oid }) => oid === OID.subjectAltName);
  const all = named ? usual : [...usual, subjectAltName(spec.names ?? [])];
  const extensions = spec.extensions === undefined ? all : spec.extensions(all);
  const now = Date.now();
  const version = spec.version ?? 3;
  const algorithm = spec.algorithm ?? algorithmIdentifier(issuer.keys, spec);
  const validity = [spec.notBefore ?? new Date(now - 300_000), spec.notAfter ?? new Date(now + 86_400_000)];
  const plain = sequence(
    ...(version === 1 ? [] : [contextOf(0, integer(version - 1))]),
    integer(spec.serial ?? Buffer.concat([Buffer.of(0x40), randomBytes(15)])),
    spec.innerAlgorithm ?? algorithm,
    nameDer(spec.issuerName ?? issuer.subject),
    sequence(...validity.map((moment) => (moment instanceof Date ? time(moment) : moment))),
    nameDer(subject),
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [contextOf(3, sequence(...extensions.map(extensionDer)))]),
  );
  const tbs = spec.editSignedBytes === undefined ? plain : spec.editSignedBytes(plain);
  const signed = sequence(tbs, algorithm, bitString(signatureOver(tbs, issuer.keys, spec)));
  const der = spec.editDer === undefined ? signed : spec.editDer(signed);
  const base64 = der.toString('base64').replace(/.{1,64}/g, '$&\n');
  return {
    der,
    pem: `-----BEGIN CERTIFICATE-----\n${base64}-----END CERTIFICATE-----\n`,
    sha256: createHash('sha256').update(der).digest('hex'),
    keys,
    privateKeyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    subject,
  };
}

const RSA_SIGNATURE_OIDS = { md5: 4, sha1: 5, sha224: 14, sha256: 11, sha384: 12, sha512: 13 } as const;
const ECDSA_SIGNATURE_OIDS = {
  md5: '0',
  sha1: '1',
  sha224: '3.1',
  sha256: '3.2',
  sha384: '3.3',
  sha512: '3.4',
} as const;
const HASH_OIDS = {
  md5: '1.2.840.113549.2.5',
  sha1: '1.3.14.3.2.26',
  sha224: '2.16.840.1.101.3.4.2.4',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const;
const HASH_BYTES = { md5: 16, sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 } as const;

function algorithmIdentifier({ privateKey }: KeyPair, { hash = 'sha256', pss = false }: CertificateSpec): Buffer {
  const kind = privateKey.asymmetricKeyType;
  if (kind === 'ed25519') return sequence(objectIdentifier('1.3.101.112'));
  if (kind === 'ed448') return sequence(objectIdentifier('1.3.101.113'));
  if (kind === 'ec') return sequence(objectIdentifier(`1.2.840.10045.4.${ECDSA_SIGNATURE_OIDS[hash]}`));
  if (kind === 'rsa' && !pss) {
    return sequence(objectIdentifier(`1.2.840.113549.1.1.${RSA_SIGNATURE_OIDS[hash]}`), nullValue());
  }
  const hashAlgorithm = sequence(objectIdentifier(HASH_OIDS[hash]), nullValue());
  const parameters = sequence(
    contextOf(0, hashAlgorithm),
    contextOf(1, sequence(objectIdentifier('1.2.840.113549.1.1.8'), hashAlgorithm)),
    contextOf(2, integer(HASH_BYTES[hash])),
  );
  return sequence(objectIdentifier('1.2.840.113549.1.1.10'), parameters);
}

function signatureOver(
  bytes: Buffer,
  { privateKey }: KeyPair,
  { hash = 'sha256', pss = false }: CertificateSpec,
): Buffer {
  const kind = privateKey.asymmetricKeyType;
  if (kind === 'ed25519' || kind === 'ed448') return sign(null, bytes, privateKey);
  if (kind === 'rsa-pss' || (kind === 'rsa' && pss)) {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return sign(hash, bytes, { key: privateKey, padding, saltLength: HASH_BYTES[hash] });
  }
  return sign(hash, bytes, privateKey);
}
