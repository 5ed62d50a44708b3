// One side of a federation as a process of its own: serves its bundle, fetches that of the other, and says in JSON lines what became of it.

import { createInterface } from 'node:readline';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import { BundleEndpoint } from '../../src/federation/bundle-endpoint.ts';
import type { FederationState } from '../../src/federation/bundle-refresher.ts';
import { FederationClient } from '../../src/federation/federation-client.ts';
import { createFetchDocument } from '../../src/federation/fetch-document.ts';
import { FEDERATION_TIMING } from '../../src/federation/refresh-times.ts';
import { type OwnIdentity, parseOwnIdentity } from '../../src/spiffe/own-identity.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundlePem, type TrustBundles } from '../../src/spiffe/trust-bundle.ts';
import type { OwnSide, PartnerCommand, PartnerEvent } from './partner.ts';

const clock = systemClock;
const [text = ''] = process.argv.slice(2);
const begin: OwnSide & { readonly trustDomain: string; readonly port: number } = JSON.parse(text);
const own = parseTrustDomain(begin.trustDomain);
const identity = new SnapshotCell<OwnIdentity | null>(identityOf(begin));
const trust = new SnapshotCell<TrustBundles>(bundlesOf(begin));
const endpoint = new BundleEndpoint({
  host: '127.0.0.1',
  port: begin.port,
  path: '/bundle.json',
  credential: { kind: 'https_spiffe', identity },
  trustDomain: own,
  trust,
  refreshHintMs: 300_000,
  clock,
  schedule: systemSchedule,
  onError: (error) => {
    throw error;
  },
});
const clients: FederationClient[] = [];

const { port } = await endpoint.listen();
tell({ kind: 'listening', port });
for await (const line of createInterface({ input: process.stdin })) obey(JSON.parse(line));
for (const client of clients) client.close();
await endpoint.close();

function obey(command: PartnerCommand): void {
  switch (command.kind) {
    case 'federate':
      clients.push(federate(command));
      break;
    case 'become':
      trust.swap(bundlesOf(command));
      identity.swap(identityOf(command));
      tell({ kind: 'became', sequence: String(endpoint.sequence) });
      break;
    case 'refresh':
      for (const client of clients) client.refreshNow();
      break;
  }
}

function federate(command: PartnerCommand & { kind: 'federate' }): FederationClient {
  const trustDomain = parseTrustDomain(command.trustDomain);
  const bundle = parseTrustBundlePem(trustDomain, Buffer.from(command.initialPem), 'initial.pem');
  const made = new FederationClient({
    domains: [
      {
        trustDomain,
        url: command.url,
        profile: { kind: 'https_spiffe', endpointId: parseSpiffeId(command.endpointId) },
        initial: { bundle, sequence: null, refreshHintMs: null },
        maxAgeMs: null,
      },
    ],
    trust: () => trust.current.value,
    fetchDocument: createFetchDocument(clock),
    clock,
    schedule: systemSchedule,
    random: () => 0.5,
    timing: FEDERATION_TIMING,
  });
  made.subscribe((state) => tell(eventOf(made, state)));
  made.start();
  return made;
}

function eventOf(made: FederationClient, { trustDomain, document, failure }: FederationState): PartnerEvent {
  return {
    kind: 'fetched',
    trustDomain,
    authorities: made.bundles.get(trustDomain)?.authorities.map(({ sha256 }) => sha256) ?? [],
    sequence: String(document?.sequence),
    failure: failure?.code ?? null,
  };
}

function identityOf({ certificatePem, privateKeyPem }: OwnSide): OwnIdentity {
  const source = {
    certificate: Buffer.from(certificatePem),
    certificateFile: 'own.pem',
    privateKey: Buffer.from(privateKeyPem),
    privateKeyFile: 'own.key',
  };
  return parseOwnIdentity(source, own);
}

function bundlesOf({ bundlePem }: OwnSide): TrustBundles {
  return new Map([[own, parseTrustBundlePem(own, Buffer.from(bundlePem), 'bundle.pem')]]);
}

function tell(event: PartnerEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
