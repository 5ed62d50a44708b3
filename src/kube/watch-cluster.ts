// A cluster as it is at every moment: each kind listed and watched, and kinds that come later as well.

import type { Unreadable } from '../audit/inventory.ts';
import type { ObjectChange } from '../audit/watch/object-change.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { ConnectionError } from './connection-error.ts';
import { discoverKinds, type KindReading } from './discovery.ts';
import type { ListTarget, ListTerms } from './list-kind.ts';
import { createClient, type LiveTerms, retryTermsOf } from './live-terms.ts';
import { planLists } from './list-plan.ts';
import { type LiveInventory, unverified } from './read-cluster.ts';
import { rest } from './retry.ts';
import { Turns } from './turns.ts';
import { unreadableReading } from './unreadable-kind.ts';
import { KindWatch, type WatchLimits } from './watch-kind.ts';

export interface ClusterWatchLimits extends WatchLimits {
  /** How often the server is asked which kinds it has. */
  readonly discoveryMs: number;
  /** The same, soon after a definition of a kind has changed. */
  readonly definitionMs: number;
}

export const WATCH_LIMITS: ClusterWatchLimits = {
  minLifeSeconds: 300,
  maxLifeSeconds: 600,
  silenceMs: 180_000,
  staleMs: 10_000,
  pollMs: 15_000,
  minDelayMs: 1_000,
  maxDelayMs: 30_000,
  discoveryMs: 300_000,
  definitionMs: 1_000,
};

export interface ClusterWatchTerms extends LiveTerms {
  readonly watchLimits: ClusterWatchLimits;
  /** Ends everything; a start that it interrupts has not read all. */
  readonly signal: AbortSignal;
  /** For what should not happen; the watch of the kind has ended then. */
  readonly onBroken: (error: unknown) => void;
}

/** What is different; without objects when it is what can be read that has changed. */
export type ClusterSubscriber = (changes: readonly ObjectChange[]) => void;

/** @throws {ApiError | ConnectionError} when the server cannot be asked at all; else when every kind was listed, or could not be */
export async function watchCluster(terms: ClusterWatchTerms): Promise<ClusterWatch> {
  const watch = new ClusterWatch(terms);
  try {
    await watch.start();
    return watch;
  } catch (error) {
    watch.close();
    throw error;
  }
}

interface RunningWatch {
  readonly watch: KindWatch;
  readonly end: AbortController;
}

export class ClusterWatch {
  readonly #terms: ClusterWatchTerms;
  readonly #client: ApiClient;
  readonly #turns: Turns;
  readonly #end = new AbortController();
  readonly #subscribers = new Set<ClusterSubscriber>();
  readonly #watches = new Map<string, RunningWatch>();
  #readings: readonly KindReading[] = [];
  #inventory: LiveInventory | null = null;
  #isStarted = false;
  #wakeDiscovery = new AbortController();

  constructor(terms: ClusterWatchTerms) {
    this.#terms = terms;
    this.#client = createClient(terms);
    this.#turns = new Turns(terms.limits.concurrency);
    terms.signal.addEventListener('abort', () => this.close(), { once: true });
  }

  async start(): Promise<void> {
    await this.#discover();
    await Promise.all([...this.#watches.values()].map(({ watch }) => watch.first));
    this.#isStarted = true;
    void this.#keepDiscovering().catch((error: unknown) => this.#terms.onBroken(error));
  }

  /** As it is at this moment; the same object until something changes. */
  get inventory(): LiveInventory {
    this.#inventory ??= this.#collect();
    return this.#inventory;
  }

  /** From now on; returns the way out. */
  subscribe(subscriber: ClusterSubscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
    };
  }

  close(): void {
    this.#end.abort();
    for (const { end } of this.#watches.values()) end.abort();
    this.#subscribers.clear();
    this.#client.close();
  }

  #collect(): LiveInventory {
    const { target } = this.#terms;
    const read = [...this.#watches.values()].map(({ watch }) => watch.current);
    const absent = this.#readings.flatMap((reading): readonly Unreadable[] =>
      [unreadableReading(reading) ?? []].flat(),
    );
    return {
      objects: read.flatMap(({ objects }) => objects),
      unreadable: [...unverified(target), ...absent, ...read.flatMap(({ unreadable }) => unreadable)],
      completeKinds: new Set(read.flatMap(({ complete }) => complete ?? [])),
      source: `${target.name} at ${target.server.origin}`,
      questions: this.#client.questions,
    };
  }

  async #keepDiscovering(): Promise<void> {
    const { ports, watchLimits } = this.#terms;
    const { signal: ended } = this.#end;
    while (!ended.aborted) {
      const { signal: woken } = this.#wakeDiscovery;
      await rest(watchLimits.discoveryMs, AbortSignal.any([ended, woken]), ports.schedule);
      // The server needs a moment to serve what was defined.
      if (woken.aborted) await rest(watchLimits.definitionMs, ended, ports.schedule);
      if (ended.aborted) return;
      this.#wakeDiscovery = new AbortController();
      try {
        await this.#discover();
      } catch (error) {
        // The watches tell of a server that is away.
        if (!(error instanceof ApiError || error instanceof ConnectionError || this.#end.signal.aborted)) throw error;
      }
    }
  }

  async #discover(): Promise<void> {
    const { selection, limits } = this.#terms;
    const asking = {
      client: this.#client,
      retry: retryTermsOf(this.#terms),
      signal: this.#end.signal,
      turns: this.#turns,
      pageSize: limits.pageSize,
      maxPages: limits.maxPages,
    };
    const readings = await discoverKinds(asking);
    // A group that is out of reach keeps the kinds that it had.
    const failed = new Set(readings.flatMap((reading) => (reading.kind === 'failed' ? [reading.listed.key] : [])));
    const served = readings.flatMap((reading) => (reading.kind === 'served' ? [reading.served] : []));
    const targets = new Map((await planLists(served, selection, asking)).map((each) => [keyOf(each), each]));
    this.#readings = readings.filter((reading) => reading.kind !== 'failed' || !this.#hasKind(reading.listed.key));
    const gone = [...this.#watches].filter(
      ([key, { watch }]) => !targets.has(key) && !failed.has(watch.target.kind.key),
    );
    for (const [key, running] of gone) this.#stop(key, running);
    for (const [key, listTarget] of targets) if (!this.#watches.has(key)) this.#run(key, listTarget, asking);
  }

  #hasKind(key: string): boolean {
    return [...this.#watches.values()].some(({ watch }) => watch.target.kind.key === key);
  }

  #run(key: string, listTarget: ListTarget, asking: ListTerms): void {
    const { ports, watchLimits } = this.#terms;
    const end = new AbortController();
    const isDefinition = listTarget.kind.kind === 'CustomResourceDefinition';
    const watch = new KindWatch(listTarget, {
      ...asking,
      signal: AbortSignal.any([this.#end.signal, end.signal]),
      clock: ports.clock,
      random: ports.random,
      limits: watchLimits,
      onChange: (changes) => {
        if (isDefinition && changes.length > 0) this.#wakeDiscovery.abort();
        this.#tell(changes);
      },
    });
    this.#watches.set(key, { watch, end });
    void watch.run().catch((error: unknown) => this.#terms.onBroken(error));
  }

  #stop(key: string, { watch, end }: RunningWatch): void {
    end.abort();
    this.#watches.delete(key);
    this.#tell(watch.current.objects.map((before) => ({ kind: 'deleted', before })));
  }

  #tell(changes: readonly ObjectChange[]): void {
    this.#inventory = null;
    if (!this.#isStarted) return;
    for (const subscriber of this.#subscribers) subscriber(changes);
  }
}

function keyOf({ kind, namespace }: ListTarget): string {
  return `${kind.apiVersion}/${kind.resource} ${namespace ?? ''}`;
}
