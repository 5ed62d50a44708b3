// Our own X.509-SVID and key, from the bytes of two PEM files: checked before anything is served with them.
// X509-SVID.md §2 to §4

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { SallyportError } from '../core/error.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { CertificateError } from '../pki/certificate-error.ts';
import { isSignedBy } from '../pki/certificate-signature.ts';
import { ATTRIBUTE, nameAttributes } from '../pki/distinguished-name.ts';
import { formatPem, parsePem, type PemBlock } from '../pki/pem.ts';
import { findKeyObject } from '../pki/public-key.ts';
import { describeCertificate } from './certificate-rules.ts';
import { issuerRefusals, namesIssuer } from './issuer-rules.ts';
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
    /** The latest notBefore and the earliest notAfter of the certificates in the file. */
    readonly notBeforeMs: number;
    readonly notAfterMs: number;
  };
  /** The certificates of the file alone, leaf first. */
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

export type OwnIdentityErrorCode =
  /** The certificate file has no certificate, a block that is not one, or one that cannot be read. */
  | 'identity-certificate'
  /** The leaf breaks a rule of X509-SVID.md; `cause` is the X509SvidError. */
  | 'identity-not-svid'
  /** The leaf's SPIFFE ID is of another trust domain than ours. */
  | 'identity-trust-domain'
  /** The certificates after the leaf are not its issuers, each of the one before it. */
  | 'identity-chain'
  /** The key file has no private key, several, or one that cannot be read. */
  | 'identity-private-key'
  /** The private key is not that of the leaf; one of the two files may be older than the other. */
  | 'identity-key-mismatch';

export class OwnIdentityError extends SallyportError<OwnIdentityErrorCode> {}

/**
 * Does not look at the clock or a trust bundle: whether an identity has expired, or is not valid yet, is for the caller to judge.
 * @throws {OwnIdentityError | PemError} whose message begins with the file at fault
 */
export function parseOwnIdentity(source: OwnIdentitySource, trustDomain: TrustDomain): OwnIdentity {
  const { certificateFile, privateKeyFile } = source;
  const chain = parseChain(parsePem(source.certificate, certificateFile), certificateFile);
  const [leaf] = chain;
  const id = checkLeaf(leaf, trustDomain, certificateFile);
  checkOrder(chain, certificateFile);
  const privateKey = parsePrivateKey(parsePem(source.privateKey, privateKeyFile), privateKeyFile);
  const leafKey = findKeyObject(leaf.publicKey);
  if (leafKey === null || !createPublicKey(privateKey).equals(leafKey)) {
    const message = `${privateKeyFile}: the private key is not that of the certificate in ${certificateFile}; one of the two may be older than the other`;
    throw new OwnIdentityError('identity-key-mismatch', message);
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

type OwnChain = readonly [leaf: Certificate, ...issuers: Certificate[]];

function parseChain(blocks: readonly PemBlock[], file: string): OwnChain {
  const [leaf, ...issuers] = blocks.map(({ label, der, line }) => {
    if (label !== 'CERTIFICATE') {
      const message = `${file}:${line}: a block of kind \`${label}\` among the certificates; a private key belongs in its own file`;
      throw new OwnIdentityError('identity-certificate', message);
    }
    try {
      return parseCertificate(der);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      throw new OwnIdentityError('identity-certificate', `${file}:${line}: ${error.message}`, { cause: error });
    }
  });
  if (leaf === undefined) throw new OwnIdentityError('identity-certificate', `${file}: the file has no certificate`);
  return [leaf, ...issuers];
}

function checkLeaf(leaf: Certificate, trustDomain: TrustDomain, file: string): SpiffeId {
  const leafId = leafIdOf(leaf);
  if (leafId.kind === 'refused') throw notAnSvid(leafId.refusal, file);
  const [refusal] = leafRefusals(leaf);
  if (refusal !== undefined) throw notAnSvid(refusal, file);
  if (trustDomainOf(leafId.id) === trustDomain) return leafId.id;
  const message = `${file}: \`${leafId.id}\` is not of the configured trust domain \`${trustDomain}\``;
  throw new OwnIdentityError('identity-trust-domain', message);
}

function notAnSvid(refusal: Refusal, file: string): OwnIdentityError {
  return new OwnIdentityError('identity-not-svid', `${file}: ${refusal.message}`, { cause: toX509SvidError(refusal) });
}

/** Peers get the chain as it stands, and TLS 1.2 (RFC 5246 §7.4.2) wants each certificate to certify the one before it. */
function checkOrder([leaf, ...issuers]: OwnChain, file: string): void {
  let certificate = leaf;
  for (const issuer of issuers) {
    const refusal = issuerRefusals(issuer, 'authority')[0];
    if (refusal !== undefined || !namesIssuer(certificate, issuer) || !isSignedBy(certificate, issuer)) {
      const why =
        refusal?.message ?? `${describeCertificate(certificate)} is not issued by ${describeCertificate(issuer)}`;
      throw new OwnIdentityError(
        'identity-chain',
        `${file}: ${why}; the file must have the leaf first, then its issuers in order`,
      );
    }
    certificate = issuer;
  }
}

const PRIVATE_KEY_TYPES: ReadonlyMap<string, 'pkcs8' | 'sec1' | 'pkcs1'> = new Map([
  ['PRIVATE KEY', 'pkcs8'],
  ['EC PRIVATE KEY', 'sec1'],
  ['RSA PRIVATE KEY', 'pkcs1'],
]);

function parsePrivateKey(blocks: readonly PemBlock[], file: string): KeyObject {
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

function isDevelopmentName(name: Buffer): boolean {
  return nameAttributes(name).some(
    ({ type, value }) => type === ATTRIBUTE.organization && value === DEVELOPMENT_ORGANIZATION,
  );
}
