// The bundles of other trust domains, and the giving of ours, as the program uses them.

import { resolve } from 'node:path';
import type { SourcePosition } from '../core/source-position.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import { type Origin, placeOf, resolveFile, resolveFiles } from './config-origin.ts';
import type { ConfigDocument } from './config-schema.ts';
import type { EndpointDocument, FederatedDocument } from './config-trust-schema.ts';
import type { TcpAddress } from './config-values.ts';

/** No trust domain is in two places of `identity.files.trustBundles`, `bundles` and `federation`. */
export interface TrustConfig {
  /** Absolute paths of bundle files of other trust domains than our own. */
  readonly bundles: ReadonlyMap<TrustDomain, string>;
  /** In the order of the file. */
  readonly federation: readonly FederationConfig[];
  readonly endpoint: BundleEndpointConfig | null;
}

/** From where the bundle of another trust domain is fetched. */
export interface FederationConfig {
  readonly trustDomain: TrustDomain;
  /** `https`, without userinfo or fragment. */
  readonly url: string;
  readonly profile:
    | {
        readonly kind: 'https_web';
        /** Absolute path of the PEM file of the authorities to use instead of the system's; null: the system's. */
        readonly ca: string | null;
      }
    | { readonly kind: 'https_spiffe'; readonly endpointId: SpiffeId };
  /** Absolute path of the bundle to begin with. */
  readonly bundle: string | null;
  /** From this age on the bundle is not used any more; null: it is for as long as nothing newer comes. */
  readonly maxAgeMs: number | null;
}

/** Where our own bundle is served. */
export interface BundleEndpointConfig {
  readonly bind: TcpAddress;
  /** Of the address. */
  readonly position: SourcePosition;
  readonly profile:
    | { readonly kind: 'https_spiffe' }
    /** Absolute paths of PEM files. */
    | { readonly kind: 'https_web'; readonly certificate: string; readonly privateKey: string };
  readonly path: string;
  /** Whole seconds. */
  readonly refreshHintMs: number;
}

export function toTrustConfig({ bundles, federation, endpoint }: ConfigDocument['trust'], origin: Origin): TrustConfig {
  return {
    bundles: resolveFiles(origin, bundles ?? new Map()),
    federation: Array.from(federation ?? [], ([name, federated]) => toFederationConfig(name, federated, origin)),
    endpoint: endpoint === undefined ? null : toEndpointConfig(endpoint, origin),
  };
}

function toFederationConfig(trustDomain: TrustDomain, federated: FederatedDocument, origin: Origin): FederationConfig {
  return {
    trustDomain,
    url: federated.url,
    profile:
      federated.profile === 'https_web'
        ? { kind: 'https_web', ca: resolveFile(origin, federated.ca) }
        : { kind: 'https_spiffe', endpointId: federated.endpointSpiffeId },
    bundle: resolveFile(origin, federated.bundle),
    maxAgeMs: federated.maxAge ?? null,
  };
}

function toEndpointConfig(endpoint: EndpointDocument, origin: Origin): BundleEndpointConfig {
  return {
    bind: endpoint.bind,
    position: placeOf(origin, 'trust', 'endpoint', 'bind'),
    profile:
      endpoint.profile === 'https_web'
        ? {
            kind: 'https_web',
            certificate: resolve(origin.directory, endpoint.certificate),
            privateKey: resolve(origin.directory, endpoint.privateKey),
          }
        : { kind: 'https_spiffe' },
    path: endpoint.path,
    refreshHintMs: endpoint.refreshHint,
  };
}
