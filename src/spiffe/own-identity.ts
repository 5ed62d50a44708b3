// Our own X.509-SVID and key, from two PEM files or from the Workload API: checked before anything is served with them.
// X509-SVID.md §2 to §4, SPIFFE_Workload_API.md §5.1

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { SallyportError } from '../core/error.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { CertificateError } from '../pki/certificate-error.ts';
import { isSignedBy } from '../pki/certificate-signature.ts';
import { DerError } from '../pki/der-error.ts';
import { DerReader, TAG } from '../pki/der-reader.ts';
import { ATTRIBUTE, nameAttributes } from '../pki/distinguished-name.ts';
import { formatPem, parsePem, type PemBlock } from '../pki/pem.ts';
import { findKeyObject } from '../pki/public-key.ts';
import { describeCertificate } from './certificate-rules.ts';
import { formatDerError, isPemText, type PlacedDer, splitCertificates } from './concatenated-der.ts';
import { findIssuerKeyRefusal, issuerRefusals, namesIssuer } from './issuer-rules.ts';
import { leafIdOf, leafRefusals } from './leaf-rules.ts';
import { type SpiffeId, type TrustDomain, trustDomainOf } from './spiffe-id.ts';
import { type Refusal, toX509SvidError } from './x509-svid-error.ts';

/** The subject organization of everything the development CA issues. */
export const DEVELOPMENT_ORGANIZATION = 'Sallyport development CA - not for production';

export interface OwnIdentity {
  readonly svid: {
    readonly id: SpiffeId;
    readonly trustDomain: TrustDomain;
    /** Of the leaf, in lower-case hex. */
    readonly leafSha256: string;
    /** The latest notBefore and the earliest notAfter of the certificates that were given. */
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
  };
  /** The certificates that were given and nothing else, leaf first. */
  readonly certificatePem: string;
  /** Unencrypted PKCS #8. */
  readonly privateKeyPem: string;
  /** True when a certificate of the chain is of, or by, the development CA. */
  readonly isDevelopment: boolean;
}

export interface OwnIdentitySource {
  readonly certificate: Uint8Array;
  /** Files are used in messages only. */
  readonly certificateFile: string;
  readonly privateKey: Uint8Array;
  readonly privateKeyFile: string;
}

/** As the Workload API delivers an SVID. */
export interface OwnIdentityDer {
  /** DER certificates one after the other, leaf first. */
  readonly chain: Uint8Array;
  /** PKCS #8, not encrypted. */
  readonly privateKey: Uint8Array;
  /** Where they come from; used in messages only. */
  readonly origin: string;
}

export type OwnIdentityErrorCode =
  /** No certificate, something else among the certificates, or one that cannot be read. */
  | 'identity-certificate'
  /** The leaf breaks a rule of X509-SVID.md; `cause` is the X509SvidError. */
  | 'identity-not-svid'
  /** The leaf's SPIFFE ID is of another trust domain than ours. */
  | 'identity-trust-domain'
  /** The certificates after the leaf are not its issuers, each of the one before it. */
  | 'identity-chain'
  /** No private key, several, or one that is encrypted or cannot be read. */
  | 'identity-private-key'
  /** The private key is not that of the leaf; of two files, one may be older than the other. */
  | 'identity-key-mismatch';

export class OwnIdentityError extends SallyportError<OwnIdentityErrorCode> {}

/**
 * Does not look at the clock or a trust bundle: whether an identity has expired, or is not valid yet, is for the caller to judge.
 * @throws {OwnIdentityError | PemError} whose message begins with the file at fault
 */
export function parseOwnIdentity(source: OwnIdentitySource, trustDomain: TrustDomain): OwnIdentity {
  const { certificateFile, privateKeyFile } = source;
  const blocks = parsePem(source.certificate, certificateFile);
  return toOwnIdentity(
    {
      certificates: blocks.map((block) => placeCertificate(block, certificateFile)),
      certificateOrigin: certificateFile,
      readPrivateKey: () => parsePrivateKeyPem(parsePem(source.privateKey, privateKeyFile), privateKeyFile),
      mismatch: `${privateKeyFile}: the private key is not that of the certificate in ${certificateFile}; one of the two may be older than the other`,
    },
    trustDomain,
  );
}

/**
 * The same rules for what the Workload API delivers.
 * @throws {OwnIdentityError} whose message begins with `origin`
 */
export function parseOwnIdentityDer(source: OwnIdentityDer, trustDomain: TrustDomain): OwnIdentity {
  const { chain, privateKey, origin } = source;
  return toOwnIdentity(
    {
      certificates: splitChain(chain, origin),
      certificateOrigin: origin,
      readPrivateKey: () => parsePrivateKeyDer(privateKey, origin),
      mismatch: `${origin}: the private key is not that of the leaf certificate`,
    },
    trustDomain,
  );
}

interface IdentityParts {
  readonly certificates: readonly PlacedDer[];
  readonly certificateOrigin: string;
  /** Asked once the certificates are in order, so that the first thing wrong is what is told. */
  readonly readPrivateKey: () => KeyObject;
  /** The message when key and leaf do not belong together. */
  readonly mismatch: string;
}

function toOwnIdentity(parts: IdentityParts, trustDomain: TrustDomain): OwnIdentity {
  const { certificateOrigin: origin } = parts;
  const chain = parseChain(parts.certificates, origin);
  const [leaf] = chain;
  const id = checkLeaf(leaf, trustDomain, origin);
  checkOrder(chain, origin);
  const privateKey = parts.readPrivateKey();
  const leafKey = findKeyObject(leaf.publicKey);
  if (leafKey === null || !createPublicKey(privateKey).equals(leafKey)) {
    throw new OwnIdentityError('identity-key-mismatch', parts.mismatch);
  }
  return {
    svid: {
      id,
      trustDomain,
      leafSha256: leaf.sha256,
      notBeforeMs: Math.max(...chain.map(({ notBeforeMs }) => notBeforeMs)),
      notAfterMs: Math.min(...chain.map(({ notAfterMs }) => notAfterMs)),
    },
    certificatePem: chain.map(({ der }) => formatPem('CERTIFICATE', der)).join(''),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    isDevelopment: chain.some(({ subject, issuer }) => isDevelopmentName(subject) || isDevelopmentName(issuer)),
  };
}

function placeCertificate({ label, der, line }: PemBlock, file: string): PlacedDer {
  const position = `${file}:${line}`;
  if (label === 'CERTIFICATE') return { der, position };
  const message = `${position}: a block of kind \`${label}\` among the certificates; a private key belongs in its own file`;
  throw new OwnIdentityError('identity-certificate', message);
}

function splitChain(chain: Uint8Array, origin: string): readonly PlacedDer[] {
  try {
    return splitCertificates(chain, origin);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new OwnIdentityError('identity-certificate', `${origin}: ${formatDerError(error)}`, { cause: error });
  }
}

type OwnChain = readonly [leaf: Certificate, ...issuers: Certificate[]];

function parseChain(certificates: readonly PlacedDer[], origin: string): OwnChain {
  const [leaf, ...issuers] = certificates.map(({ der, position }) => {
    try {
      return parseCertificate(der);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      throw new OwnIdentityError('identity-certificate', `${position}: ${error.message}`, { cause: error });
    }
  });
  if (leaf === undefined) throw new OwnIdentityError('identity-certificate', `${origin}: there is no certificate`);
  return [leaf, ...issuers];
}

function checkLeaf(leaf: Certificate, trustDomain: TrustDomain, origin: string): SpiffeId {
  const leafId = leafIdOf(leaf);
  if (leafId.kind === 'refused') throw notAnSvid(leafId.refusal, origin);
  const [refusal] = leafRefusals(leaf);
  if (refusal !== undefined) throw notAnSvid(refusal, origin);
  if (trustDomainOf(leafId.id) === trustDomain) return leafId.id;
  const message = `${origin}: \`${leafId.id}\` is not of the configured trust domain \`${trustDomain}\``;
  throw new OwnIdentityError('identity-trust-domain', message);
}

function notAnSvid(refusal: Refusal, origin: string): OwnIdentityError {
  return new OwnIdentityError('identity-not-svid', `${origin}: ${refusal.message}`, {
    cause: toX509SvidError(refusal),
  });
}

/** Peers get the chain as it stands, and TLS 1.2 (RFC 5246 §7.4.2) wants each certificate to certify the one before it. */
function checkOrder([leaf, ...issuers]: OwnChain, origin: string): void {
  let certificate = leaf;
  for (const issuer of issuers) {
    const refusal = findWeakness(issuer) ?? issuerRefusals(issuer, 'authority')[0] ?? null;
    if (refusal !== null || !namesIssuer(certificate, issuer) || !isSignedBy(certificate, issuer)) {
      const why =
        refusal?.message ?? `${describeCertificate(certificate)} is not issued by ${describeCertificate(issuer)}`;
      throw new OwnIdentityError(
        'identity-chain',
        `${origin}: ${why}; the leaf must come first, then its issuers in order`,
      );
    }
    certificate = issuer;
  }
}

/** OpenSSL serves nobody with such a chain, and it says so only when it is given it. */
function findWeakness(issuer: Certificate): Refusal | null {
  return findIssuerKeyRefusal(issuer, issuer.issuer.equals(issuer.subject) ? 'authority' : 'intermediate');
}

const PRIVATE_KEY_TYPES: ReadonlyMap<string, 'pkcs8' | 'sec1' | 'pkcs1'> = new Map([
  ['PRIVATE KEY', 'pkcs8'],
  ['EC PRIVATE KEY', 'sec1'],
  ['RSA PRIVATE KEY', 'pkcs1'],
]);

function parsePrivateKeyPem(blocks: readonly PemBlock[], file: string): KeyObject {
  // `openssl ecparam -genkey` writes the name of the curve in a block of its own before the key.
  const [block, second] = blocks.filter(({ label }) => label !== 'EC PARAMETERS');
  if (block === undefined) throw new OwnIdentityError('identity-private-key', `${file}: the file has no private key`);
  const position = `${file}:${block.line}`;
  if (second !== undefined) {
    const message = `${file}:${second.line}: a second block, \`${second.label}\`; the file must have one private key alone`;
    throw new OwnIdentityError('identity-private-key', message);
  }
  const type = PRIVATE_KEY_TYPES.get(block.label);
  if (type === undefined) {
    const hint = block.label === 'ENCRYPTED PRIVATE KEY' ? 'decrypt it first' : 'PKCS #8, SEC 1 or PKCS #1 is expected';
    const message = `${position}: a block of kind \`${block.label}\` is not a private key this program reads; ${hint}`;
    throw new OwnIdentityError('identity-private-key', message);
  }
  try {
    return createPrivateKey({ key: block.der, format: 'der', type });
  } catch (error) {
    throw new OwnIdentityError('identity-private-key', `${position}: the private key cannot be read`, { cause: error });
  }
}

function parsePrivateKeyDer(source: Uint8Array, origin: string): KeyObject {
  const refuse = (why: string, cause?: unknown): OwnIdentityError =>
    new OwnIdentityError('identity-private-key', `${origin}: ${why}`, { cause });
  if (source.length === 0) throw refuse('there is no private key');
  if (isPemText(source)) throw refuse('the private key is PEM text where DER is expected');
  const der = Buffer.from(source);
  let structure: Pkcs8Structure;
  try {
    structure = readPkcs8Structure(new DerReader(der));
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw refuse(`the private key is not PKCS #8: ${formatDerError(error)}`, error);
  }
  if (structure === 'encrypted') throw refuse('the private key is encrypted; it has to come unencrypted');
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch (error) {
    throw refuse('the private key cannot be read', error);
  }
}

type Pkcs8Structure = 'plain' | 'encrypted';

/** RFC 5958 §2, §3. OpenSSL would read what lies before trailing bytes and take other key formats for this one. */
function readPkcs8Structure(reader: DerReader): Pkcs8Structure {
  const outer = reader.enter(TAG.sequence);
  reader.finish();
  if (outer.nextTag === TAG.sequence) return 'encrypted';
  outer.readSmallInteger();
  outer.enter(TAG.sequence);
  outer.readContent(TAG.octetString);
  return 'plain';
}

function isDevelopmentName(name: Buffer): boolean {
  return nameAttributes(name).some(
    ({ type, value }) => type === ATTRIBUTE.organization && value === DEVELOPMENT_ORGANIZATION,
  );
}
