// Federation with a real spire-server, both ways, by the profile https_spiffe: its bundle endpoint asked by ours, and ours by it.

import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import { BundleEndpoint } from '../../src/federation/bundle-endpoint.ts';
import { FederationClient } from '../../src/federation/federation-client.ts';
import { createFetchDocument } from '../../src/federation/fetch-document.ts';
import { FEDERATION_TIMING } from '../../src/federation/refresh-times.ts';
import { type BundleDocument, formatBundleDocument, parseBundleDocument } from '../../src/spiffe/bundle-document.ts';
import { type OwnIdentity, parseOwnIdentity } from '../../src/spiffe/own-identity.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem, type TrustBundle, type TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import { createTestAuthority, type TestAuthority } from '../support/svid-fixtures.ts';
import { findSpire, SPIRE_IS_MISSING } from './spire/programs.ts';
import { SpireServer } from './spire/server.ts';

const OURS = parseTrustDomain('ai.example');
const THEIRS = parseTrustDomain('partner.example');
const programs = findSpire();
let partner: SpireServer;

beforeAll(async () => {
  if (programs !== null) partner = await SpireServer.start({ programs, trustDomain: THEIRS });
});

afterAll(async () => partner?.close());

beforeEach(({ onTestFailed, skip }) => {
  if (programs === null) skip(SPIRE_IS_MISSING);
  onTestFailed(() => void process.stderr.write(partner.log));
});

describe('federation with SPIRE (skipped where it is not built)', () => {
  it('fetches its bundle, and follows it when an authority comes and goes', async () => {
    const client = await federateWithPartner();
    client.start();
    const first = await fetched(client, 1);
    expect(first.bundle.jwtAuthorities.size).toBe(1);

    await partner.rotateAuthority();
    client.refreshNow();
    const both = await fetched(client, 2);

    await partner.taintOldAuthority();
    await partner.revokeOldAuthority();
    client.refreshNow();
    const last = await fetched(client, 1);
    expect(last.bundle.authorities[0]?.sha256).not.toBe(first.bundle.authorities[0]?.sha256);
    const sequences = [first, both, last].map(({ sequence }) => sequence ?? -1n);
    expect(sequences).toEqual(sequences.toSorted((a, b) => Number(a - b)));
    expect(new Set(sequences).size).toBe(3);
  });

  it('gives its bundle to it, and every later one, proving itself with the SVID of the moment', async () => {
    const old = createTestAuthority(OURS);
    const identity = new SnapshotCell<OwnIdentity | null>(identityOf(old));
    const trust = new SnapshotCell(bundlesOf(old));
    const endpoint = await listen(identity, trust);
    await partner.federate({
      trustDomain: OURS,
      url: endpoint,
      endpointSpiffeId: `spiffe://${OURS}/bundle`,
      bundle: formatBundleDocument({ bundle: bundleOf(old), sequence: null, refreshHintMs: null }),
    });
    onTestFinished(() => partner.endFederation(OURS));
    await partner.refreshFederation(OURS);
    expect(await known()).toEqual(bundleOf(old).authorities.map(({ sha256 }) => sha256));

    const next = createTestAuthority(OURS);
    trust.swap(bundlesOf(old, next));
    await partner.refreshFederation(OURS);
    expect(await known()).toHaveLength(2);

    // It authenticates us with what it has fetched itself by now.
    identity.swap(identityOf(next));
    trust.swap(bundlesOf(next));
    await partner.refreshFederation(OURS);
    expect(await known()).toEqual(bundleOf(next).authorities.map(({ sha256 }) => sha256));
  });
});

async function federateWithPartner(): Promise<FederationClient> {
  const { url, spiffeId } = partner.bundleEndpoint;
  const initial = parseBundleDocument(THEIRS, Buffer.from(await partner.bundle('spiffe')), 'partner.json');
  const client = new FederationClient({
    domains: [
      {
        trustDomain: THEIRS,
        url,
        profile: { kind: 'https_spiffe', endpointId: parseSpiffeId(spiffeId) },
        initial,
        maxAgeMs: null,
      },
    ],
    trust: () => new Map(),
    fetchDocument: createFetchDocument(systemClock),
    clock: systemClock,
    schedule: systemSchedule,
    random: Math.random,
    timing: FEDERATION_TIMING,
  });
  onTestFinished(() => client.close());
  return client;
}

/** Resolves once the endpoint has given as many authorities as that; fails with the first fetch that does. */
function fetched(client: FederationClient, authorities: number): Promise<BundleDocument> {
  return new Promise((resolve, reject) => {
    const unsubscribe = client.subscribe(({ document, failure }) => {
      unsubscribe();
      if (failure === null && document?.bundle.authorities.length === authorities) resolve(document);
      else reject(new Error(failure?.reason ?? `${document?.bundle.authorities.length} authorities`));
    });
  });
}

async function listen(identity: SnapshotCell<OwnIdentity | null>, trust: SnapshotCell<TrustBundles>): Promise<string> {
  const endpoint = new BundleEndpoint({
    host: '127.0.0.1',
    port: 0,
    path: '/bundle.json',
    credential: { kind: 'https_spiffe', identity },
    trustDomain: OURS,
    trust,
    refreshHintMs: 300_000,
    clock: systemClock,
    schedule: systemSchedule,
    onError: () => undefined,
  });
  onTestFinished(() => endpoint.close());
  const { port } = await endpoint.listen();
  return `https://127.0.0.1:${port}/bundle.json`;
}

/** Of our authorities, those that the partner knows. */
async function known(): Promise<readonly string[]> {
  const document = parseBundleDocument(OURS, Buffer.from(await partner.partnerBundle(OURS)), 'as the partner has it');
  return document.bundle.authorities.map(({ sha256 }) => sha256);
}

function bundleOf({ certificatePem }: TestAuthority): TrustBundle {
  return parseTrustBundlePem(OURS, Buffer.from(certificatePem), 'test');
}

function bundlesOf(...all: readonly TestAuthority[]): TrustBundles {
  const pem = all.map(({ certificatePem }) => certificatePem).join('');
  return new Map([[OURS, parseTrustBundlePem(OURS, Buffer.from(pem), 'test')]]);
}

function identityOf(issuer: TestAuthority): OwnIdentity {
  const { certificatePem, privateKeyPem } = issuer.issue('/bundle');
  const source = { certificate: Buffer.from(certificatePem), privateKey: Buffer.from(privateKeyPem) };
  return parseOwnIdentity({ ...source, certificateFile: 'test', privateKeyFile: 'test' }, OURS);
}
