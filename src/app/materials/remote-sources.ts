// The sources that are not files, made from the configuration: the agent, the partners' bundle endpoints, the shared revocation list.
// Each is loaded when it is configured: a sidecar that has none of them carries none of their libraries.

import type { Clock, Schedule } from '../../core/clock.ts';
import type { SnapshotView } from '../../core/snapshot.ts';
import { formatProblem } from '../../core/source-position.ts';
import type { FederationClient } from '../../federation/federation-client.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { TrustBundles } from '../../spiffe/trust-bundle.ts';
import type { RevocationStore } from '../../store/revocation-store.ts';
import {
  type EndpointAddress,
  EndpointAddressError,
  parseEndpointAddress,
} from '../../workload-api/endpoint-address.ts';
import type { WorkloadApiSource } from '../../workload-api/source.ts';
import type { WorkloadApiConfig } from '../config-identity.ts';
import type { FederationConfig } from '../config-trust.ts';
import type { Config } from '../config.ts';
import { StartError, toProblem } from '../start-error.ts';
import type { FederationFiles } from './open-files.ts';

interface RemotePorts {
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: () => number;
}

/** @throws {StartError} when nothing says where the agent is. */
export async function createAgentSource(
  config: Config,
  { endpointSocket, ...ports }: RemotePorts & { readonly endpointSocket: string | null },
): Promise<WorkloadApiSource | null> {
  const { identity } = config;
  if (identity.kind !== 'workload-api') return null;
  const address = findAgent(identity, endpointSocket);
  const { WorkloadApiSource } = await import('../../workload-api/source.ts');
  return new WorkloadApiSource({
    address,
    trustDomain: config.trustDomain,
    select: { spiffeId: identity.spiffeId, hint: identity.hint },
    jwtBundles:
      config.trust.endpoint !== null || config.listeners.some(({ authenticate }) => authenticate.jwt !== null),
    ...ports,
  });
}

/** SPIFFE_Workload_Endpoint.md §4: what is configured comes before the environment. */
function findAgent({ socket, position }: WorkloadApiConfig, endpointSocket: string | null): EndpointAddress {
  if (socket !== null) return socket;
  if (endpointSocket === null) {
    const message =
      'nothing says where our identity comes from: configure `identity.files` or `identity.workloadApi.socket`, or set SPIFFE_ENDPOINT_SOCKET';
    throw new StartError([formatProblem({ code: 'no-identity-source', message, position })]);
  }
  try {
    return parseEndpointAddress(endpointSocket);
  } catch (error) {
    if (!(error instanceof EndpointAddressError)) throw error;
    const { code, message } = toProblem(error, position);
    throw new StartError([formatProblem({ code, message: `SPIFFE_ENDPOINT_SOCKET: ${message}`, position })]);
  }
}

export async function createFederation(
  { trust }: Config,
  {
    files,
    trust: bundles,
    ...ports
  }: RemotePorts & {
    readonly files: ReadonlyMap<TrustDomain, FederationFiles>;
    readonly trust: SnapshotView<TrustBundles>;
  },
): Promise<FederationClient | null> {
  if (trust.federation.length === 0) return null;
  const { FederationClient } = await import('../../federation/federation-client.ts');
  const { createFetchDocument } = await import('../../federation/fetch-document.ts');
  const { FEDERATION_TIMING } = await import('../../federation/refresh-times.ts');
  return new FederationClient({
    domains: trust.federation.map((domain) => toFederated(domain, files.get(domain.trustDomain))),
    trust: () => bundles.current.value,
    fetchDocument: createFetchDocument(ports.clock),
    timing: FEDERATION_TIMING,
    ...ports,
  });
}

function toFederated({ trustDomain, url, profile, maxAgeMs }: FederationConfig, files: FederationFiles | undefined) {
  return {
    trustDomain,
    url,
    profile: profile.kind === 'https_spiffe' ? profile : { kind: profile.kind, ca: files?.ca ?? null },
    initial: files?.initial ?? null,
    maxAgeMs,
  };
}

/** As they are at each connection: both may be renewed. */
interface RedisSecrets {
  readonly password: () => string | null;
  readonly ca: () => Uint8Array | null;
}

export async function createRevocationStore(
  { revocation: { redis } }: Config,
  { password, ca, ...ports }: RemotePorts & RedisSecrets,
): Promise<RevocationStore | null> {
  if (redis === null) return null;
  const { RevocationStore, STORE_TIMING } = await import('../../store/revocation-store.ts');
  return new RevocationStore(
    {
      endpoint: redis.server,
      access: () => {
        const secret = password();
        return { credentials: secret === null ? null : { username: redis.username, password: secret }, ca: ca() };
      },
      key: redis.key,
    },
    { timing: STORE_TIMING, ...ports },
  );
}
