// Everything the demo needs, set up in order and taken down in the opposite one: certificates, services, sidecar, peers.

import { readFile, rm } from 'node:fs/promises';
import type { Issuing } from '../../devca/sign.ts';
import { createLogger, type Logger } from '../../telemetry/logger.ts';
import { parseConfig } from '../config.ts';
import { formatAddress } from '../config-values.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { type ConfigFacts, formatConfig } from './config-file.ts';
import {
  type Authorities,
  type Credentials,
  issueCredentials,
  openAuthorities,
  type WriteCredentialFiles,
} from './credentials.ts';
import { DecisionTap } from './decision-tap.ts';
import type { DemoFiles } from './demo-files.ts';
import { DemoLog } from './demo-log.ts';
import type { IdentityName } from './identities.ts';
import { ANY_PORTS, HOST, type ListenerName, type Ports, replaceTakenPorts } from './listeners.ts';
import { createPeerClient, type PeerClient } from './peer-client.ts';
import { startFeatureStore } from './services/feature-store.ts';
import { startInferenceEndpoint } from './services/inference-endpoint.ts';
import { startModelRegistry } from './services/model-registry.ts';
import type { Service } from './services/service.ts';

export interface StageOptions {
  readonly paths: DemoFiles;
  readonly policyFile: string;
  readonly preferredPorts: Ports;
  readonly writeFiles: WriteCredentialFiles;
  readonly issuing: () => Issuing;
}

export interface Stage {
  readonly services: Readonly<Record<ListenerName, Service>>;
  readonly origins: Readonly<Record<ListenerName, string>>;
  /** `http://host:port`. */
  readonly admin: string;
  readonly tap: DecisionTap;
  readonly log: Logger;
  readonly authorities: Authorities;
  /** The same one for the same peer and listener; null is a peer without a certificate. */
  readonly clientFor: (as: IdentityName | null, to: ListenerName) => PeerClient;
  /** Lets requests finish, then leaves no socket and no timer behind. */
  close(): Promise<void>;
}

type Closer = () => void | Promise<void>;

/** @throws what stands in the way; nothing is left running then. */
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
  await rm(paths.folder, { recursive: true, force: true });
  const credentials = await issueCredentials(paths, authorities, { writeFiles, issuing });
  const services = await startServices(closers);
  const demoLog = new DemoLog(paths.log);
  closers.push(() => demoLog.close());
  const log = createLogger({ level: 'info', destination: demoLog });
  const tap = new DecisionTap(() => demoLog.anonymousReason);
  const start = async (ports: Ports): Promise<Sidecar> => {
    const config = await writeConfig(options, { ports, services });
    const onRequest = tap.request.bind(tap);
    return startSidecar({
      config,
      log,
      decisionLog: demoLog,
      logWriteFailures: () => demoLog.failures,
      onRequest,
      endpointSocket: null,
      signal: new AbortController().signal,
    });
  };
  const sidecar = await startOnFreePorts(options.preferredPorts, start);
  closers.push(() => sidecar.drain());
  const origins = originsOf(sidecar);
  const bundlePem = await readFile(paths.bundle, 'utf8');
  const clientFor = rememberClients({ origins, credentials, bundlePem }, closers);
  if (sidecar.admin === null) throw new Error('the configuration of the demo has no admin listener');
  return { services, origins, admin: `http://${formatAddress(sidecar.admin)}`, tap, log, authorities, clientFor };
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
    'feature-store': await started(startFeatureStore()),
  };
}

async function writeConfig(
  { paths, policyFile, writeFiles }: StageOptions,
  { ports, services }: { readonly ports: Ports; readonly services: Stage['services'] },
): Promise<ReturnType<typeof parseConfig>> {
  const upstreamPorts: ConfigFacts['upstreamPorts'] = {
    registry: services.registry.port,
    inference: services.inference.port,
    'feature-store': services['feature-store'].port,
  };
  const path = paths.config;
  const contents = formatConfig({ paths, policyFile, ports, upstreamPorts });
  await writeFiles([{ path, contents, readers: 'everybody' }]);
  return parseConfig(await readFile(path), path);
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

function originsOf({ listeners }: Sidecar): Stage['origins'] {
  const originOf = (name: ListenerName): string => `https://${HOST}:${listeners.get(name)?.port}`;
  return {
    registry: originOf('registry'),
    inference: originOf('inference'),
    'feature-store': originOf('feature-store'),
  };
}

interface ClientFacts {
  readonly origins: Stage['origins'];
  readonly credentials: Credentials;
  readonly bundlePem: string;
}

function rememberClients({ origins, credentials, bundlePem }: ClientFacts, closers: Closer[]): Stage['clientFor'] {
  const clients = new Map<string, PeerClient>();
  return (as, to) => {
    const key = `${as ?? ''} ${to}`;
    const known = clients.get(key);
    if (known !== undefined) return known;
    const client = createPeerClient(origins[to], { bundlePem }, as === null ? null : (credentials.get(as) ?? null));
    clients.set(key, client);
    closers.push(() => client.close());
    return client;
  };
}
