// The Workload API of the demo: where the sidecar and the peers that stay get their identities, as they would from SPIRE.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemSchedule } from '../../core/clock.ts';
import { SallyportError } from '../../core/error.ts';
import type { DevelopmentAuthority } from '../../devca/authority.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { ANSWER_TIMEOUT_MS, fetchJwtSvids } from '../../workload-api/client.ts';
import type { EndpointAddress } from '../../workload-api/endpoint-address.ts';
import {
  type AgentEvent,
  createDevelopmentAgent,
  type DevelopmentAgent,
  systemAgentPort,
} from '../../workload-api/server-agent.ts';
import type { AgentSocketErrorCode } from '../../workload-api/server-socket.ts';
import type { SpiffeId } from '../../spiffe/spiffe-id.ts';
import type { DemoFiles } from './demo-files.ts';
import { WORKLOADS } from './identities.ts';
import { HOST_NAME } from './listeners.ts';

export interface DemoAgent {
  readonly address: EndpointAddress;
  /** As `SPIFFE_ENDPOINT_SOCKET` would say it. */
  readonly endpoint: string;
  /** Otherwise it is in the system's temporary directory. */
  readonly isInFolder: boolean;
  /** New X.509-SVIDs for everybody, long before it is time. */
  rotateNow(): Promise<void>;
  fetchToken(id: SpiffeId, audience: string): Promise<string>;
  close(): Promise<void>;
}

/** Where the folder of the demo cannot have the socket, the system's temporary directory can. */
const ELSEWHERE: readonly string[] = [
  'socket-path-too-long',
  'socket-in-use',
  'cannot-listen',
] satisfies AgentSocketErrorCode[];
const SOCKET_MODE = 0o600;

/** @throws {AgentSocketError} */
export async function startAgent(
  paths: Pick<DemoFiles, 'socket'>,
  authority: DevelopmentAuthority,
  log: Logger,
): Promise<DemoAgent> {
  const report = (event: AgentEvent): void => {
    if (event.kind === 'not-issued') log.error({ detail: event.error.message }, 'the agent of the demo cannot issue');
  };
  const path = resolve(paths.socket);
  try {
    return toDemoAgent(await startAt(path, authority, report), path, null);
  } catch (error) {
    if (!(error instanceof SallyportError && ELSEWHERE.includes(error.code))) throw error;
  }
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-'));
  const elsewhere = join(directory, 'agent.sock');
  try {
    return toDemoAgent(await startAt(elsewhere, authority, report), elsewhere, directory);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function startAt(
  path: string,
  authority: DevelopmentAuthority,
  report: (event: AgentEvent) => void,
): Promise<DevelopmentAgent> {
  const agent = await createDevelopmentAgent({
    authority,
    socket: { address: { kind: 'unix', path }, mode: SOCKET_MODE },
    entries: Object.values(WORKLOADS).map((workload) => ({ ...workload, hint: '', dnsNames: [HOST_NAME] })),
    federatedBundles: [],
    port: systemAgentPort,
    report,
  });
  await agent.start();
  return agent;
}

/** `temporary`: the directory that is there for nothing else than the socket. */
function toDemoAgent(agent: DevelopmentAgent, path: string, temporary: string | null): DemoAgent {
  const address: EndpointAddress = { kind: 'unix', path };
  return {
    address,
    endpoint: agent.endpoint,
    isInFolder: temporary === null,
    rotateNow: () => agent.rotateNow(),
    fetchToken: async (id, audience) => {
      const client = { address, answerTimeoutMs: ANSWER_TIMEOUT_MS, schedule: systemSchedule };
      const [token] = await fetchJwtSvids(client, { audiences: [audience], id });
      if (token === undefined) throw new Error('the agent has answered without a token');
      return token.svid;
    },
    close: async () => {
      await agent.close();
      if (temporary !== null) await rm(temporary, { recursive: true, force: true });
    },
  };
}
