// Who we are, as the program uses it: where our SVID and the bundles come from.

import { resolve } from 'node:path';
import type { SourcePosition } from '../core/source-position.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import type { EndpointAddress } from '../workload-api/endpoint-address.ts';
import { WORKLOAD_API_DEFAULTS } from './config-identity-schema.ts';
import { parseWorkloadId } from './config-names.ts';
import { type Origin, placeOf, resolveFiles } from './config-origin.ts';
import type { ConfigDocument } from './config-schema.ts';

export type IdentityConfig = IdentityFilesConfig | WorkloadApiConfig;

/** Absolute paths. */
export interface IdentityFilesConfig {
  readonly kind: 'files';
  readonly certificate: string;
  readonly privateKey: string;
  /** Has an entry for the configuration's own trust domain. */
  readonly trustBundles: ReadonlyMap<TrustDomain, string>;
}

export interface WorkloadApiConfig {
  readonly kind: 'workload-api';
  /** Null: that of `SPIFFE_ENDPOINT_SOCKET`. */
  readonly socket: EndpointAddress | null;
  /** Of the socket, or of the nearest thing that the file does say. */
  readonly position: SourcePosition;
  /** Which of several SVIDs, of the own trust domain; null: by `hint`, or the first. Never both. */
  readonly spiffeId: SpiffeId | null;
  readonly hint: string | null;
  /** How long the start waits for the first SVID. */
  readonly startTimeoutMs: number;
}

export function toIdentityConfig({ files, workloadApi }: ConfigDocument['identity'], origin: Origin): IdentityConfig {
  if (files !== undefined) {
    return {
      kind: 'files',
      certificate: resolve(origin.directory, files.certificate),
      privateKey: resolve(origin.directory, files.privateKey),
      trustBundles: resolveFiles(origin, files.trustBundles),
    };
  }
  const { socket, spiffeId, hint, startTimeout } = { ...WORKLOAD_API_DEFAULTS, ...workloadApi };
  return {
    kind: 'workload-api',
    socket: socket ?? null,
    position: placeOf(origin, 'identity', 'workloadApi', 'socket'),
    spiffeId: spiffeId === undefined ? null : parseOwnSpiffeId(spiffeId, origin.trustDomain),
    hint: hint ?? null,
    startTimeoutMs: startTimeout,
  };
}

/** `/path` is short for that path of the own trust domain. @throws {SallyportError} */
export function parseOwnSpiffeId(text: string, own: TrustDomain): SpiffeId {
  return parseWorkloadId(text.startsWith('/') ? `spiffe://${own}${text}` : text);
}
