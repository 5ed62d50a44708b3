// What socket tests need of certificates: an authority for a trust domain, kept for the test file, and X.509-SVIDs from it in
// under a millisecond each. For a certificate that is wrong in a way not named here, use certificate-builder.ts.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  basicConstraints,
  type CertificateSpec,
  dnsName,
  type ExtensionSpec,
  ipName,
  issueAuthority,
  issueSvid,
  type KeyKind,
  keyUsage,
  type NameSpec,
  OID,
  pemOf,
  selfSigned,
  type TestCertificate,
  uriName,
} from './certificate-builder.ts';

/** What the certificate says; each field has a sound default, so name only what the test is about. */
export interface CertificateOptions {
  /** URI SANs in order; default is the one SPIFFE ID asked for. `[]` with no `dns` and `ips` leaves the extension out. */
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  /** IPv4. */
  readonly ips?: readonly string[];
  readonly commonName?: string;
  /** `null` without a common name gives an empty subject, and a critical SAN. */
  readonly organization?: string | null;
  /** Whole seconds are kept. Default five minutes ago. */
  readonly notBeforeMs?: number;
  /** Default one hour from now, for an authority a day. */
  readonly notAfterMs?: number;
  readonly isCa?: boolean;
  /** `null` leaves the extension out. */
  readonly keyUsage?: Parameters<typeof keyUsage>[0] | null;
  readonly keys?: KeyKind;
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
  /** PKCS#8. */
  readonly privateKeyPem: string;
  /** Issues `spiffe://<trustDomain><path>`, `path` beginning with `/`; `options.uris` overrules it. */
  issue(path: string, options?: CertificateOptions): TestSvid;
  /** A subordinate authority; what it issues carries it in the chain. */
  intermediate(): TestAuthority;
}

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
  const described = { uris: [`spiffe://${trustDomain}`], commonName: `root of ${trustDomain}`, ...options };
  return toAuthority(trustDomain, selfSigned(toSpec(described, DAY_MS)), []);
}

/** A leaf that was valid before the test began. */
export function expired(): CertificateOptions {
  return { notBeforeMs: Date.now() - 2 * HOUR_MS, notAfterMs: Date.now() - HOUR_MS };
}

/** A new temporary directory with `bundle.pem` and, for each SVID, `NAME.pem` and `NAME.key`. */
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

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function toAuthority(
  trustDomain: string,
  own: TestCertificate,
  intermediates: readonly TestCertificate[],
): TestAuthority {
  return {
    trustDomain,
    certificatePem: own.pem,
    privateKeyPem: own.privateKeyPem,
    issue: (path, options = {}) => {
      const id = `spiffe://${trustDomain}${path}`;
      const notAfterMs = wholeSeconds(options.notAfterMs ?? Date.now() + HOUR_MS);
      const leaf = issueSvid(own, id, toSpec({ uris: [id], ...options, notAfterMs }, HOUR_MS));
      const chain = [leaf, ...intermediates];
      return {
        certificatePem: pemOf(...chain),
        privateKeyPem: leaf.privateKeyPem,
        chainDer: chain.map(({ der }) => der),
        leafSha256: leaf.sha256,
        notAfterMs,
      };
    },
    intermediate: () => {
      const described = { uris: [`spiffe://${trustDomain}`], commonName: `intermediate of ${trustDomain}` };
      const below = issueAuthority(own, toSpec(described, DAY_MS));
      return toAuthority(trustDomain, below, [below, ...intermediates]);
    },
  };
}

function toSpec(options: CertificateOptions, ttlMs: number): CertificateSpec {
  const {
    uris = [],
    dns = [],
    ips = [],
    notBeforeMs = Date.now() - 300_000,
    notAfterMs = Date.now() + ttlMs,
  } = options;
  const names = [...uris.map((uri) => uriName(uri)), ...dns.map((name) => dnsName(name)), ...ips.map(addressName)];
  return {
    subject: subjectOf(options),
    names,
    notBefore: new Date(wholeSeconds(notBeforeMs)),
    notAfter: new Date(wholeSeconds(notAfterMs)),
    keys: options.keys ?? 'P-256',
    extensions: (usual) => usual.flatMap((extension) => adjust(extension, options, names.length > 0)),
  };
}

function subjectOf({ organization = 'Sallyport test fixtures', commonName }: CertificateOptions): NameSpec {
  return [
    ...(organization === null ? [] : [['O', organization] as const]),
    ...(commonName === undefined ? [] : [['CN', commonName] as const]),
  ];
}

function adjust(extension: ExtensionSpec, options: CertificateOptions, hasNames: boolean): readonly ExtensionSpec[] {
  switch (extension.oid) {
    case OID.subjectAltName:
      return hasNames ? [extension] : [];
    case OID.keyUsage:
      if (options.keyUsage === undefined) return [extension];
      return options.keyUsage === null ? [] : [keyUsage(options.keyUsage)];
    case OID.basicConstraints:
      return options.isCa === undefined ? [extension] : [basicConstraints({ isCa: options.isCa })];
    default:
      return [extension];
  }
}

function addressName(address: string): Buffer {
  if (!isIPv4(address)) throw new TypeError(`not IPv4: ${address}`);
  return ipName(...address.split('.').map(Number));
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
