// Everything the demo needs, set up in order and taken down in the opposite one: certificates, services, agent, sidecar, peers.

import { mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Issuing } from '../../devca/sign.ts';
import type { SpiffeId } from '../../spiffe/spiffe-id.ts';
import { createLogger, type Logger } from '../../telemetry/logger.ts';
import { parseConfig } from '../config.ts';
import { formatAddress } from '../config-values.ts';
import { createLocalPlane } from '../plane.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { type DemoAgent, startAgent } from './agent.ts';
import { type ConfigFacts, formatConfig, formatEgressConfig } from './config-file.ts';
import {
  type Authorities,
  type Credentials,
  issueCredentials,
  openAuthorities,
  type WriteCredentialFiles,
} from './credentials.ts';
import { type AnonymousPeer, DecisionTap } from './decision-tap.ts';
import type { DemoFiles } from './demo-files.ts';
import { DemoLog, type LogEntry } from './demo-log.ts';
import { BACKGROUND_PEERS, type IdentityName, TRUST_DOMAIN } from './identities.ts';
import { createGrpcClient, type GrpcClient } from './grpc-client.ts';
import {
  ANY_PORTS,
  EGRESS_LISTENER,
  GRPC_LISTENER,
  HOST,
  HOST_NAME,
  type ListenerName,
  type Ports,
  replaceTakenPorts,
  TOKEN_AUDIENCE,
} from './listeners.ts';
import { createPeerClient, createPlainClient, type PeerClient } from './peer-client.ts';
import { writeRevocations } from './revocation-list.ts';
import { startFeatureStore } from './services/feature-store.ts';
import { startGrpcInferenceEndpoint } from './services/grpc-inference-endpoint.ts';
import { startInferenceEndpoint } from './services/inference-endpoint.ts';
import { startModelRegistry } from './services/model-registry.ts';
import type { Service } from './services/service.ts';
import { Traffic, type TrafficOptions } from './traffic.ts';

export interface StageOptions {
  readonly paths: DemoFiles;
  readonly policyFile: string;
  readonly preferredPorts: Ports;
  readonly writeFiles: WriteCredentialFiles;
  readonly issuing: () => Issuing;
  /** Ends the demo wherever it is. */
  readonly stop: AbortSignal;
}

/** Which SVID the sidecar serves with from now on. */
export interface OwnSvid {
  /** Of the leaf, in hex. */
  readonly sha256: string;
  readonly notAfterMs: number;
}

export interface Stage {
  readonly services: Readonly<Record<ListenerName, Service>>;
  readonly origins: Readonly<Record<ListenerName, string>>;
  /** `http://host:port`. */
  readonly admin: string;
  readonly tap: DecisionTap;
  readonly log: Logger;
  readonly authorities: Authorities;
  readonly agent: DemoAgent;
  /** The same one for the same peer and listener; null is a peer without a certificate. */
  readonly clientFor: (as: IdentityName | null, to: ListenerName) => PeerClient;
  /** The same, for calls of gRPC. */
  readonly callerFor: (as: IdentityName | null) => GrpcClient;
  /** A program that has a sidecar of its own, and what that one decided. */
  readonly egress: { readonly client: PeerClient; readonly tap: DecisionTap; readonly origin: string };
  /** Ends the connections of these peers; whoever asks again begins a new one. */
  readonly hangUp: () => Promise<void>;
  /** A JWT-SVID that is good at `TOKEN_LISTENER`. */
  readonly tokenOf: (id: SpiffeId) => Promise<string>;
  /** Calls back whenever the sidecar has another SVID; returns the way out. */
  readonly onOwnSvid: (tell: (svid: OwnSvid) => void) => () => void;
  /** Revokes those whose IDs match one of the patterns, and nobody else any more; the sidecar finds out by itself. */
  readonly revoke: (patterns: readonly string[]) => Promise<void>;
  /** Peers that stay until they are closed. */
  readonly startTraffic: (load: Pick<TrafficOptions, 'pauseMs'>) => Traffic;
  /** Lets requests finish, then leaves no socket and no timer behind. */
  close(): Promise<void>;
}

// The article has nobody ask a model anything. Whoever has a gateway says so in a file beside the matrix.
const GATEWAY_POLICY = `version: 1
trustDomain: ${TRUST_DOMAIN}
components:
  gateway: {}
access:
  gateway:
    allow: [inference]
`;

type Closer = () => void | Promise<void>;

/** @throws what stands in the way, or the reason of `stop`; nothing is left running then. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const closers: Closer[] = [];
  const close = async (): Promise<void> => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer();
  };
  try {
    return { ...(await setUp(options, closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function setUp(options: StageOptions, closers: Closer[]): Promise<Omit<Stage, 'close'>> {
  const { paths, writeFiles } = options;
  const issuing = options.issuing();
  const authorities = await openAuthorities(paths, writeFiles, issuing);
  await emptyFolder(paths);
  const credentials = await issueCredentials(paths, authorities, { writeFiles, issuing });
  await writePolicy(options);
  const revoke = (patterns: readonly string[]): Promise<void> =>
    writeRevocations(paths.revocations, patterns, { writeFiles, nowMs: options.issuing().nowMs });
  await revoke([]);
  const services = await startServices(closers);
  const demoLog = new DemoLog(paths.log);
  closers.push(() => demoLog.close());
  const log = createLogger({ level: 'info', destination: demoLog });
  const agent = await startAgent(paths, authorities.ca, log);
  closers.push(() => agent.close());
  const tap = new DecisionTap(rememberAnonymous(demoLog));
  const start = async (ports: Ports): Promise<Sidecar> =>
    startSidecar({
      config: await writeConfig(options, { agentEndpoint: agent.endpoint, ports, services }),
      log,
      decisionLog: demoLog,
      logWriteFailures: () => demoLog.failures,
      createPlane: createLocalPlane,
      onRequest: tap.request.bind(tap),
      endpointSocket: null,
      signal: options.stop,
    });
  const sidecar = await startOnFreePorts(options.preferredPorts, start);
  closers.push(() => sidecar.drain());
  const origins = originsOf(sidecar);
  const egress = await startEgress(options, closers, { sidecar, demoLog });
  const bundlePem = await readFile(paths.bundle, 'utf8');
  const peers = rememberClients({ origins, credentials, bundlePem });
  closers.push(() => peers.hangUp());
  if (sidecar.admin === null) throw new Error('the configuration of the demo has no admin listener');
  return {
    services,
    origins,
    admin: `http://${formatAddress(sidecar.admin)}`,
    tap,
    log,
    authorities,
    agent,
    ...peers,
    egress,
    tokenOf: (id) => agent.fetchToken(id, TOKEN_AUDIENCE),
    onOwnSvid: (tell) => demoLog.subscribe('own SVID received', (entry) => tell(readOwnSvid(entry))),
    revoke,
    startTraffic: (load) => {
      const origin = origins['feature-store'];
      const traffic = new Traffic({ peers: BACKGROUND_PEERS, agent: agent.address, origin, bundlePem, ...load });
      closers.push(() => traffic.close());
      return traffic;
    },
  };
}

/** All but the socket of an agent, which may be in use: that of another demo in the same folder. */
async function emptyFolder({ folder, socket }: DemoFiles): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  const stale = entries.filter((entry) => !(entry.isSocket() && entry.name === basename(socket)));
  for (const { name } of stale) await rm(join(folder, name), { recursive: true, force: true });
}

// A link, so that what is changed in the policy while the demo is up is changed here.
async function writePolicy({ paths, policyFile, writeFiles }: StageOptions): Promise<void> {
  await mkdir(paths.policy);
  await symlink(resolve(policyFile), join(paths.policy, basename(policyFile)));
  await writeFiles([{ path: join(paths.policy, 'with-gateway.yaml'), contents: GATEWAY_POLICY, readers: 'everybody' }]);
}

function rememberAnonymous(log: DemoLog): () => AnonymousPeer {
  let last: AnonymousPeer = { reason: '', detail: '' };
  log.subscribe('peer not authenticated', ({ reason, detail }) => {
    last = { reason: String(reason), detail: String(detail) };
  });
  return () => last;
}

function readOwnSvid({ digest, notAfter }: LogEntry): OwnSvid {
  return { sha256: String(digest), notAfterMs: Date.parse(String(notAfter)) };
}

async function startServices(closers: Closer[]): Promise<Stage['services']> {
  const started = async (starting: Promise<Service>): Promise<Service> => {
    const service = await starting;
    closers.push(() => service.close());
    return service;
  };
  return {
    registry: await started(startModelRegistry()),
    inference: await started(startInferenceEndpoint()),
    'inference-grpc': await started(startGrpcInferenceEndpoint()),
    'feature-store': await started(startFeatureStore()),
  };
}

async function writeConfig(
  { paths, writeFiles }: StageOptions,
  { services, ...at }: Pick<ConfigFacts, 'agentEndpoint' | 'ports'> & { readonly services: Stage['services'] },
): Promise<ReturnType<typeof parseConfig>> {
  const upstreamPorts: ConfigFacts['upstreamPorts'] = {
    registry: services.registry.port,
    inference: services.inference.port,
    'inference-grpc': services['inference-grpc'].port,
    'feature-store': services['feature-store'].port,
  };
  const path = paths.config;
  const contents = formatConfig({ paths, ...at, upstreamPorts });
  await writeFiles([{ path, contents, readers: 'everybody' }]);
  return parseConfig(await readFile(path), path);
}

/** The sidecar of those who ask; it has the SVID of a file, and the same policy. */
async function startEgress(
  { paths, writeFiles, stop }: StageOptions,
  closers: Closer[],
  { sidecar, demoLog }: { readonly sidecar: Sidecar; readonly demoLog: DemoLog },
): Promise<Stage['egress']> {
  const path = paths.egressConfig;
  const contents = formatEgressConfig({ paths, port: portOf(sidecar, 'registry') });
  await writeFiles([{ path, contents, readers: 'everybody' }]);
  const tap = new DecisionTap(() => ({ reason: '', detail: '' }));
  const egress = await startSidecar({
    config: parseConfig(await readFile(path), path),
    // What it says of its SVID is not what the other one says of its own.
    log: createLogger({ level: 'warn', destination: demoLog }),
    decisionLog: demoLog,
    logWriteFailures: () => demoLog.failures,
    createPlane: createLocalPlane,
    onRequest: tap.request.bind(tap),
    endpointSocket: null,
    signal: stop,
  });
  closers.push(() => egress.drain());
  const origin = `http://${HOST}:${portOf(egress, EGRESS_LISTENER)}`;
  const client = createPlainClient(origin);
  closers.push(() => client.close());
  return { client, tap, origin };
}

async function startOnFreePorts(preferred: Ports, start: (ports: Ports) => Promise<Sidecar>): Promise<Sidecar> {
  try {
    return await start(await replaceTakenPorts(preferred));
  } catch (error) {
    // Somebody was faster, between the look and the listening.
    if (!isAddressInUse(error)) throw error;
    return start(ANY_PORTS);
  }
}

function isAddressInUse(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && error.code === 'EADDRINUSE') || isAddressInUse(error.cause);
}

function originsOf(sidecar: Sidecar): Stage['origins'] {
  const originOf = (name: ListenerName): string => `https://${HOST_NAME}:${portOf(sidecar, name)}`;
  return {
    registry: originOf('registry'),
    inference: originOf('inference'),
    'inference-grpc': originOf('inference-grpc'),
    'feature-store': originOf('feature-store'),
  };
}

function portOf({ listeners }: Sidecar, name: string): number {
  const at = listeners.get(name);
  if (at?.kind !== 'tcp') throw new Error(`the demo has no port of ${name}`);
  return at.port;
}

interface ClientFacts {
  readonly origins: Stage['origins'];
  readonly credentials: Credentials;
  readonly bundlePem: string;
}

function rememberClients({
  origins,
  credentials,
  bundlePem,
}: ClientFacts): Pick<Stage, 'clientFor' | 'callerFor' | 'hangUp'> {
  const clients = new Map<string, PeerClient>();
  const callers = new Map<string, GrpcClient>();
  const credentialOf = (as: IdentityName | null) => (as === null ? null : (credentials.get(as) ?? null));
  return {
    callerFor: (as) => {
      const known = callers.get(as ?? '');
      if (known !== undefined) return known;
      const client = createGrpcClient(origins[GRPC_LISTENER], { bundlePem }, credentialOf(as));
      callers.set(as ?? '', client);
      return client;
    },
    clientFor: (as, to) => {
      const key = `${as ?? ''} ${to}`;
      const known = clients.get(key);
      if (known !== undefined) return known;
      const client = createPeerClient(origins[to], { bundlePem }, credentialOf(as));
      clients.set(key, client);
      return client;
    },
    hangUp: async () => {
      for (const client of [...clients.values(), ...callers.values()]) await client.close();
    },
  };
}
