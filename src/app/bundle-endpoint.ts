// The endpoint at which partners fetch our own trust bundle, if the configuration has one.

import { type Clock, systemSchedule } from '../core/clock.ts';
import type { BundleEndpoint, EndpointCredential } from '../federation/bundle-endpoint.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Config } from './config.ts';
import { listenAt } from './listen-at.ts';
import type { Materials } from './materials/materials.ts';

/** @throws {StartError} when its address cannot be had. */
export async function startBundleEndpoint(
  { trust: { endpoint }, trustDomain }: Config,
  { identity, trust, webCredential }: Materials,
  { log, clock }: { readonly log: Logger; readonly clock: Clock },
): Promise<BundleEndpoint | null> {
  if (endpoint === null) return null;
  const credential: EndpointCredential =
    webCredential === null ? { kind: 'https_spiffe', identity } : { kind: 'https_web', credential: webCredential };
  const { BundleEndpoint: Endpoint } = await import('../federation/bundle-endpoint.ts');
  const server = new Endpoint({
    host: endpoint.bind.host,
    port: endpoint.bind.port,
    path: endpoint.path,
    credential,
    trustDomain,
    trust: trust.view,
    refreshHintMs: endpoint.refreshHintMs,
    clock,
    schedule: systemSchedule,
    onError: (err) => log.error({ err }, 'the bundle endpoint failed'),
  });
  const { address, port } = await listenAt(endpoint, async () => server.listen());
  log.info({ address, port, path: endpoint.path, profile: endpoint.profile.kind }, 'serving our own trust bundle');
  return server;
}
