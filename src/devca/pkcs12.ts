// A PKCS#12 key store for JVM peers: one private key and its certificate chain under a password. RFC 7292
// Assembled here from node-forge's parts: its own writer reads certificates first, and reads none that is signed with ECDSA.

import { createPrivateKey } from 'node:crypto';
import forge from 'node-forge';
import { DevCaError } from './error.ts';

export interface KeyStoreEntry {
  /** What the JVM calls the entry. */
  readonly alias: string;
  /** PKCS#8 PEM, unencrypted. */
  readonly privateKeyPem: string;
  /** Leaf first; a JVM wants the root at the end. */
  readonly chainDer: readonly Buffer[];
}

const { asn1, hmac, md, pkcs12, pki, random } = forge;
const { Class, Type } = asn1;
type Asn1 = forge.asn1.Asn1;

const OID = {
  data: '1.2.840.113549.1.7.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  sha256: '2.16.840.1.101.3.4.2.1',
};
const ITERATIONS = 10_000;
const SALT_BYTES = 16;
const MAC_KEY_PURPOSE = 3;
const SHA256_BYTES = 32;
// The pair of a key and its certificate is known by equal localKeyId attributes; any value does.
const LOCAL_KEY_ID = '\x01';
// keytool refuses shorter ones, and outside ASCII the key derivations of PKCS#5 and PKCS#12 read different bytes.
const PASSWORD = /^[\x20-\x7e]{6,}$/;

/**
 * The key encrypted with AES-256 (PBES2), the whole authenticated with HMAC-SHA-256; certificates stay readable. Needs Java 8u301 or later.
 * @throws {DevCaError} `invalid-password`
 */
export function toKeyStore(entry: KeyStoreEntry, password: string): Buffer {
  if (!PASSWORD.test(password)) {
    throw new DevCaError(
      'invalid-password',
      'a key store password has at least 6 characters, all of them visible ASCII or space',
    );
  }
  const contents = sequence(
    dataContent(
      sequence(...entry.chainDer.map((der, index) => certificateBag(der, index === 0 ? attributes(entry) : []))),
    ),
    dataContent(sequence(keyBag(entry, password))),
  );
  const authenticated = toDer(contents);
  const store = sequence(integer(3), dataContent(contents), macOf(authenticated, password));
  return Buffer.from(toDer(store), 'latin1');
}

// RFC 7292 §4.2.2
function keyBag(entry: KeyStoreEntry, password: string): Asn1 {
  const pkcs8 = createPrivateKey(entry.privateKeyPem).export({ type: 'pkcs8', format: 'der' });
  const encrypted = pki.encryptPrivateKeyInfo(asn1.fromDer(pkcs8.toString('latin1')), password, {
    algorithm: 'aes256',
    count: ITERATIONS,
    saltSize: SALT_BYTES,
    prfAlgorithm: 'sha256',
  });
  return bag(OID.shroudedKeyBag, encrypted, attributes(entry));
}

// RFC 7292 §4.2.3
function certificateBag(der: Buffer, bagAttributes: readonly Asn1[]): Asn1 {
  const certificate = sequence(oid(OID.x509Certificate), explicit(octets(der.toString('latin1'))));
  return bag(OID.certBag, certificate, bagAttributes);
}

function bag(id: string, value: Asn1, bagAttributes: readonly Asn1[]): Asn1 {
  return sequence(oid(id), explicit(value), ...(bagAttributes.length === 0 ? [] : [set(...bagAttributes)]));
}

function attributes({ alias }: KeyStoreEntry): readonly Asn1[] {
  return [
    sequence(oid(OID.localKeyId), set(octets(LOCAL_KEY_ID))),
    sequence(oid(OID.friendlyName), set(asn1.create(Class.UNIVERSAL, Type.BMPSTRING, false, alias))),
  ];
}

// RFC 7292 §4 and appendix B
function macOf(authenticated: string, password: string): Asn1 {
  const salt = random.getBytesSync(SALT_BYTES);
  const key = pkcs12.generateKey(
    password,
    forge.util.createBuffer(salt),
    MAC_KEY_PURPOSE,
    ITERATIONS,
    SHA256_BYTES,
    md.sha256.create(),
  );
  const mac = hmac.create();
  mac.start('sha256', key);
  mac.update(authenticated);
  const digestAlgorithm = sequence(oid(OID.sha256), asn1.create(Class.UNIVERSAL, Type.NULL, false, ''));
  return sequence(sequence(digestAlgorithm, octets(mac.digest().getBytes())), octets(salt), integer(ITERATIONS));
}

function dataContent(value: Asn1): Asn1 {
  return sequence(oid(OID.data), explicit(octets(toDer(value))));
}

function sequence(...elements: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, elements);
}

function set(...elements: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, elements);
}

function explicit(value: Asn1): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, Type.NONE, true, [value]);
}

function oid(dotted: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

function integer(value: number): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.INTEGER, false, asn1.integerToDer(value).getBytes());
}

function octets(binary: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, binary);
}

function toDer(value: Asn1): string {
  return asn1.toDer(value).getBytes();
}
