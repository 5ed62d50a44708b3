// What the sidecar's decisions rest on, wherever it comes from, kept up to date and swapped whole: who we are, whom we trust, who is
// revoked, and the policy.

import type { Clock, Schedule } from '../../core/clock.ts';
import { SnapshotCell, type SnapshotView } from '../../core/snapshot.ts';
import type { FederationState } from '../../federation/bundle-refresher.ts';
import type { FederationClient } from '../../federation/federation-client.ts';
import type { WebCredential } from '../../federation/web-credential.ts';
import type { PolicySource } from '../../policy/load.ts';
import type { CompiledPolicy } from '../../policy/matrix.ts';
import type { Revocations, RevocationSources } from '../../revocation/revocations.ts';
import type { OwnIdentity } from '../../spiffe/own-identity.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { TrustBundle } from '../../spiffe/trust-bundle.ts';
import type { RevocationStore, RevocationStoreState } from '../../store/revocation-store.ts';
import type { WorkloadReport } from '../../workload-api/agent-stream.ts';
import type { WorkloadApiSource, WorkloadState } from '../../workload-api/source.ts';
import type { Config } from '../config.ts';
import { awaitRevocations, awaitSvid } from './arrival.ts';
import type { WatchedMaterial } from '../../telemetry/recorder.ts';
import type { FileEvents, FileMaterial } from './file-material.ts';
import { type FilePlaces, openFiles, type WatchedFiles } from './open-files.ts';
import { createAgentSource, createFederation, createRevocationStore } from './remote-sources.ts';
import { RevocationComposition } from './revocation-composition.ts';
import { TrustComposition, type TrustOrigin } from './trust-composition.ts';

/** What becomes of everything; when it is told, it is already in force. */
export interface MaterialEvents extends FileEvents {
  readonly agent: (state: WorkloadState) => void;
  /** What goes wrong with the agent without a change of state. */
  readonly agentReport: (report: WorkloadReport) => void;
  readonly federation: (state: FederationState) => void;
  readonly redis: (state: RevocationStoreState) => void;
}

export interface MaterialPorts extends FilePlaces {
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: () => number;
  /** What the environment says of the Workload API, for where the configuration says nothing. */
  readonly endpointSocket: string | null;
}

/** What does not come from files. */
interface RemoteSources {
  readonly agent: WorkloadApiSource | null;
  readonly federation: FederationClient | null;
  readonly redis: RevocationStore | null;
}

/**
 * Opens what can be opened; what comes from elsewhere arrives later.
 * @throws {StartError} with everything that is wrong.
 */
export async function openMaterials(config: Config, ports: MaterialPorts): Promise<Materials> {
  const files = await openFiles(config, ports);
  const trust = new TrustComposition(claimsOf(config));
  const { redisPassword, redisAuthorities } = files.watched;
  return new Materials(config, {
    files: files.watched,
    trust,
    clock: ports.clock,
    agent: await createAgentSource(config, ports),
    federation: await createFederation(config, { ...ports, files: files.federation, trust: trust.view }),
    redis: await createRevocationStore(config, {
      ...ports,
      password: () => redisPassword?.current ?? null,
      ca: () => redisAuthorities?.current ?? null,
    }),
  });
}

export class Materials {
  readonly trust: TrustComposition;
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #files: WatchedFiles;
  readonly #remote: RemoteSources;
  readonly #identity: SnapshotCell<OwnIdentity | null>;
  readonly #policy: SnapshotCell<CompiledPolicy>;
  readonly #webCredential: SnapshotCell<WebCredential> | null;
  readonly #revocations = new RevocationComposition();

  constructor(
    config: Config,
    {
      files,
      trust,
      clock,
      ...remote
    }: RemoteSources & { readonly files: WatchedFiles; readonly trust: TrustComposition; readonly clock: Clock },
  ) {
    this.#clock = clock;
    this.trust = trust;
    this.#config = config;
    this.#files = files;
    this.#remote = remote;
    this.#identity = new SnapshotCell<OwnIdentity | null>(files.identity?.current ?? null);
    this.#policy = new SnapshotCell(files.policy.current.compiled);
    this.#webCredential = files.webCredential === null ? null : new SnapshotCell(files.webCredential.current);
    this.#takeBundleFiles();
    if (files.revocation !== null) this.#revocations.giveList('file', files.revocation.current);
    if (remote.federation !== null) trust.give('federation', remote.federation.bundles);
  }

  /** Null while we have none that we may use: it has not come yet, or has been withdrawn. */
  get identity(): SnapshotView<OwnIdentity | null> {
    return this.#identity;
  }

  get revocations(): SnapshotView<Revocations> {
    return this.#revocations.view;
  }

  get policy(): SnapshotView<CompiledPolicy> {
    return this.#policy;
  }

  /** What the policy in force was compiled from. */
  get policySources(): readonly PolicySource[] {
    return this.#files.policy.current.sources;
  }

  /** What is revoked, as the lists have it. */
  get revocationSources(): RevocationSources {
    return this.#revocations.sources;
  }

  /** Of an `https_web` bundle endpoint. */
  get webCredential(): SnapshotView<WebCredential> | null {
    return this.#webCredential;
  }

  /** Null when our identity comes from files. */
  get agent(): WorkloadState | null {
    return this.#remote.agent?.state ?? null;
  }

  get agentDiscardedMessages(): number {
    return this.#remote.agent?.discardedMessages ?? 0;
  }

  get federation(): readonly FederationState[] {
    return this.#remote.federation?.states ?? [];
  }

  /** Null when there is no such list. */
  get redis(): RevocationStoreState | null {
    return this.#remote.redis?.state ?? null;
  }

  /** The files there are, and the failure of the last reload of each, or null. */
  get fileFailures(): ReadonlyMap<WatchedMaterial, unknown> {
    const failures = new Map<WatchedMaterial, unknown>();
    for (const { name, failure } of this.#fileMaterials) failures.set(name, failures.get(name) ?? failure);
    return failures;
  }

  /** Entries of the revocation file. */
  get listedInFile(): number {
    return this.#files.revocation?.current.length ?? 0;
  }

  /** Since the revocation file was last read and found to be something else; null when there is none. */
  get revocationsLoadedSecondsAgo(): number | null {
    return this.#files.revocation === null ? null : this.#secondsSince(this.#files.revocation.loadedMs);
  }

  /** The bundle file of a trust domain; null when its bundle comes from elsewhere. */
  bundleFile(trustDomain: TrustDomain): { readonly failure: unknown; readonly loadedSecondsAgo: number } | null {
    const material = this.#files.trust.get(trustDomain);
    if (material === undefined) return null;
    return { failure: material.failure, loadedSecondsAgo: this.#secondsSince(material.loadedMs) };
  }

  /** Keeps everything up to date from now on; nothing has been told before this. To be called once. */
  follow(events: MaterialEvents): void {
    const { identity, trust, policy, revocation, redisPassword, redisAuthorities, webCredential } = this.#files;
    identity?.follow((value) => this.#identity.swap(value), events);
    for (const bundle of trust.values()) bundle.follow(() => this.#takeBundleFiles(), events);
    policy.follow(({ compiled }) => this.#policy.swap(compiled), events);
    revocation?.follow((value) => this.#revocations.giveList('file', value), events);
    redisPassword?.follow(() => undefined, events);
    redisAuthorities?.follow(() => undefined, events);
    webCredential?.follow((value) => this.#webCredential?.swap(value), events);
    this.#followRemote(events);
  }

  /** Resolves when what a sidecar cannot do without has come. @throws {StartError} when it has not come in time. */
  async arrival(signal: AbortSignal): Promise<void> {
    const { agent, redis } = this.#remote;
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    try {
      await Promise.all([awaitSvid(agent, this.#config, either), awaitRevocations(redis, this.#config, either)]);
    } finally {
      // Without the one there is no point in waiting for the other.
      failed.abort();
    }
  }

  /** For when time has passed unnoticed. */
  refreshNow(): void {
    this.#remote.federation?.refreshNow();
  }

  close(): void {
    for (const material of this.#fileMaterials) material.close();
    this.#remote.agent?.close();
    this.#remote.federation?.close();
    this.#remote.redis?.close();
  }

  get #fileMaterials(): readonly FileMaterial<unknown>[] {
    const { identity, trust, ...others } = this.#files;
    return [identity, ...trust.values(), ...Object.values(others)].filter((material) => material !== null);
  }

  #followRemote(events: MaterialEvents): void {
    const { agent, federation, redis } = this.#remote;
    agent?.subscribeReports(events.agentReport);
    agent?.subscribe((state) => {
      this.#takeAgent(state);
      events.agent(state);
    });
    redis?.subscribe((state) => {
      this.#revocations.giveList('redis', state.entries);
      events.redis(state);
    });
    federation?.subscribe((state) => {
      this.trust.give('federation', federation.bundles);
      events.federation(state);
    });
    agent?.start();
    redis?.start();
    federation?.start();
  }

  /** SPIFFE_Workload_API.md §5.2.1: what the agent takes back is not used any more; while it is merely away, the last good holds. */
  #takeAgent(state: WorkloadState): void {
    const materials = state.kind === 'current' || state.kind === 'stale' ? state.materials : null;
    // First, so that connections end for what has happened and not for the bundles that are gone with it.
    if (materials === null && this.#identity.current.value !== null) this.#identity.swap(null);
    this.trust.give('identity', materials?.bundles ?? new Map());
    this.#revocations.giveCrls(materials?.crls ?? []);
    if (materials === null) return;
    const { identity } = materials;
    if (this.#identity.current.value?.certificatePem !== identity.certificatePem) this.#identity.swap(identity);
  }

  #secondsSince(ms: number): number {
    return Math.floor((this.#clock.monotonicMs() - ms) / 1000);
  }

  #takeBundleFiles(): void {
    const bundles = [...this.#files.trust.values()].flatMap(({ current }) => [...current]);
    const own = new Map<TrustDomain, TrustBundle>();
    const others = new Map<TrustDomain, TrustBundle>();
    for (const [trustDomain, bundle] of bundles) {
      (this.#config.trust.bundles.has(trustDomain) ? others : own).set(trustDomain, bundle);
    }
    // With an agent, our own trust domain and those of its federation are the agent's to give.
    if (this.#config.identity.kind === 'files') this.trust.give('identity', own);
    this.trust.give('bundle-file', others);
  }
}

function claimsOf({ trust }: Config): ReadonlyMap<TrustDomain, TrustOrigin> {
  return new Map<TrustDomain, TrustOrigin>([
    ...[...trust.bundles.keys()].map((name) => [name, 'bundle-file'] as const),
    ...trust.federation.map(({ trustDomain }) => [trustDomain, 'federation'] as const),
  ]);
}
