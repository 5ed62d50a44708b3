// The development CA and the peers' certificates in files: the CA is kept between demos, all that it signs is made new.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SallyportError } from '../../core/error.ts';
import { quote } from '../../core/quote.ts';
import { createAuthority, type DevelopmentAuthority, openAuthority, toAuthorityFiles } from '../../devca/authority.ts';
import { DevCaError } from '../../devca/error.ts';
import type { Issuing } from '../../devca/sign.ts';
import { type IssuedSvid, issueSvid } from '../../devca/svid.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import { DemoError } from './demo-error.ts';
import type { DemoFiles } from './demo-files.ts';
import {
  type Identity,
  IDENTITIES,
  IDENTITY_NAMES,
  type IdentityName,
  OTHER_TRUST_DOMAIN,
  SVID_TTL_MS,
  TRUST_DOMAIN,
} from './identities.ts';

interface CredentialFile {
  readonly path: string;
  readonly contents: string;
  readonly readers: 'owner' | 'everybody';
}

/** Puts files in place, each whole and with its final mode, over those that are there. */
export type WriteCredentialFiles = (files: readonly CredentialFile[]) => Promise<void>;

export interface Authorities {
  readonly ca: DevelopmentAuthority;
  readonly other: DevelopmentAuthority;
  readonly rogue: DevelopmentAuthority;
}

export type Credentials = ReadonlyMap<IdentityName, IssuedSvid>;

const CA_TTL_MS = 90 * 86_400_000;
/** A CA with less left is replaced: a demo may stay up for a day. */
const CA_MIN_LEFT_MS = 86_400_000;

/**
 * Opens the CA, or makes one and writes it. The other two live in memory only.
 * @throws {DemoError} `unusable-ca`: there is a CA that is not the demo's to use or to replace
 */
export async function openAuthorities(
  paths: DemoFiles,
  writeFiles: WriteCredentialFiles,
  issuing: Issuing,
): Promise<Authorities> {
  const ca = (await findAuthority(paths, issuing)) ?? (await newAuthority(TRUST_DOMAIN, issuing));
  const files = toAuthorityFiles(ca);
  await writeFiles([
    { path: paths.caKey, contents: files.privateKeyPem, readers: 'owner' },
    { path: paths.caCertificate, contents: files.certificatePem, readers: 'everybody' },
    { path: paths.bundle, contents: files.bundlePem, readers: 'everybody' },
  ]);
  return {
    ca,
    other: await newAuthority(OTHER_TRUST_DOMAIN, issuing),
    rogue: await newAuthority(TRUST_DOMAIN, issuing),
  };
}

/** Issues every identity of the demo and writes it over the last one. */
export async function issueCredentials(
  paths: DemoFiles,
  authorities: Authorities,
  to: { readonly writeFiles: WriteCredentialFiles; readonly issuing: Issuing },
): Promise<Credentials> {
  const credentials = new Map<IdentityName, IssuedSvid>();
  const files: CredentialFile[] = [];
  for (const name of IDENTITY_NAMES) {
    const svid = await issue(authorities, IDENTITIES[name], to.issuing);
    credentials.set(name, svid);
    files.push(
      { path: paths.privateKeyOf(name), contents: svid.privateKeyPem, readers: 'owner' },
      { path: paths.certificateOf(name), contents: svid.certificatePem, readers: 'everybody' },
    );
  }
  await to.writeFiles(files);
  return credentials;
}

function issue(authorities: Authorities, identity: Identity, { nowMs, crypto }: Issuing): Promise<IssuedSvid> {
  return issueSvid(
    authorities[identity.issuer],
    { id: identity.id, ttlMs: SVID_TTL_MS, keyType: 'p256', dnsNames: [], ipAddresses: [] },
    { nowMs: nowMs + identity.expiresInMs - SVID_TTL_MS, crypto },
  );
}

function newAuthority(trustDomain: TrustDomain, issuing: Issuing): Promise<DevelopmentAuthority> {
  return createAuthority({ trustDomain, ttlMs: CA_TTL_MS, keyType: 'p256', signWith: 'root' }, issuing);
}

/** Null when there is none, or one too near its end. What is not a development CA of ours is nothing to write over. */
async function findAuthority(paths: DemoFiles, issuing: Issuing): Promise<DevelopmentAuthority | null> {
  const { caCertificate: certificateFile, caKey: privateKeyFile } = paths;
  if (!existsSync(privateKeyFile)) return null;
  try {
    const certificate = await readFile(certificateFile);
    const privateKey = await readFile(privateKeyFile);
    const authority = await openAuthority({ certificate, certificateFile, privateKey, privateKeyFile }, issuing);
    if (authority.trustDomain !== TRUST_DOMAIN) {
      throw unusable(privateKeyFile, `${certificateFile}: the CA of the trust domain \`${authority.trustDomain}\``);
    }
    return authority.notAfterMs - issuing.nowMs < CA_MIN_LEFT_MS ? null : authority;
  } catch (error) {
    if (error instanceof DevCaError && error.code === 'ca-expired') return null;
    if (error instanceof DemoError) throw error;
    if (error instanceof SallyportError) throw unusable(privateKeyFile, error.message, error);
    if (error instanceof Error && 'code' in error) throw unusable(privateKeyFile, error.message, error);
    throw error;
  }
}

function unusable(privateKeyFile: string, why: string, cause?: Error): DemoError {
  const remedy = 'move that CA elsewhere, or delete the folder, and the demo makes its own';
  return new DemoError('unusable-ca', `cannot use the CA in ${quote(dirname(privateKeyFile))}: ${why}; ${remedy}`, {
    cause,
  });
}
