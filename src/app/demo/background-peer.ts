// A peer that is there all the time, as a workload should be: gets its SVID from the agent, asks over one connection, reads a stream over
// another, and begins new ones when it has been given another SVID.

import { setTimeout as pause } from 'node:timers/promises';
import { systemClock, systemSchedule } from '../../core/clock.ts';
import type { OwnIdentity } from '../../spiffe/own-identity.ts';
import type { SpiffeId } from '../../spiffe/spiffe-id.ts';
import type { EndpointAddress } from '../../workload-api/endpoint-address.ts';
import { WorkloadApiSource } from '../../workload-api/source.ts';
import { TRUST_DOMAIN } from './identities.ts';
import { createPeerClient, type PeerClient, type PeerRequest } from './peer-client.ts';
import { Tally } from './tally.ts';

export interface Surroundings {
  readonly agent: EndpointAddress;
  readonly origin: string;
  readonly bundlePem: string;
  /** What is asked again and again, and what is read as a stream. */
  readonly asked: PeerRequest;
  readonly streamed: PeerRequest;
  /** Between an answer and the next request. */
  readonly pauseMs: number;
  /** Called after every change of the counts. */
  readonly onChange: () => void;
}

/** After an answer of no use, before the next attempt. */
const BACKOFF_MS = 250;

export class BackgroundPeer {
  readonly id: SpiffeId;
  readonly requests = new Tally();
  readonly streams = new Tally();
  readonly #around: Surroundings;
  readonly #source: WorkloadApiSource;
  readonly #stop = new AbortController();
  readonly #asking: RotatingClient;
  readonly #streaming: RotatingClient;
  #isStreaming = false;

  constructor(id: SpiffeId, around: Surroundings) {
    this.id = id;
    this.#around = around;
    this.#source = new WorkloadApiSource({
      address: around.agent,
      trustDomain: TRUST_DOMAIN,
      select: { spiffeId: id, hint: null },
      jwtBundles: false,
      clock: systemClock,
      schedule: systemSchedule,
      random: Math.random,
    });
    const connect = (identity: OwnIdentity): PeerClient => createPeerClient(around.origin, around, identity);
    this.#asking = new RotatingClient(this.#source, connect);
    this.#streaming = new RotatingClient(this.#source, connect);
  }

  /** Whether its stream goes on, or has come to its proper end. */
  get isStreaming(): boolean {
    return this.#isStreaming;
  }

  /** Resolves when it has been stopped and has nothing open any more. */
  async run(): Promise<void> {
    this.#source.start();
    await Promise.all([
      this.#repeat(this.#asking, (client) => this.#ask(client)),
      this.#repeat(this.#streaming, (client) => this.#follow(client)),
    ]);
    this.#source.close();
    this.#asking.close();
  }

  /** Waits for the answer to what has been asked, and for no stream. */
  stop(): void {
    this.#stop.abort();
    this.#streaming.close();
  }

  /** `attempt` resolves to how long to wait until the next. */
  async #repeat(rotating: RotatingClient, attempt: (client: PeerClient) => Promise<number>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const client = rotating.current();
      const waitMs = client === null ? BACKOFF_MS : await attempt(client);
      await pause(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #ask(client: PeerClient): Promise<number> {
    const { asked, pauseMs } = this.#around;
    const status = await client.ask(asked).then(
      (answer) => answer.status,
      () => 0,
    );
    return this.#settle(this.requests, status, pauseMs);
  }

  async #follow(client: PeerClient): Promise<number> {
    const stream = await client.follow(this.#around.streamed).catch(() => null);
    const waitMs = this.#settle(this.streams, stream?.status ?? 0, 0);
    if (stream === null || stream.status !== 200) return waitMs;
    this.#isStreaming = true;
    this.#around.onChange();
    if (await stream.ended) return 0;
    this.#isStreaming = false;
    return this.#settle(this.streams, 0, 0);
  }

  /** `status` is 0 when there was no answer, or only a part of one. */
  #settle(tally: Tally, status: number, pauseMs: number): number {
    // What ends because we end is nobody's failure.
    if (this.#stop.signal.aborted) return 0;
    const asksAtOnce = status === 0 && !tally.isInDoubt;
    tally.settle(status);
    this.#around.onChange();
    return status === 200 || asksAtOnce ? pauseMs : BACKOFF_MS;
  }
}

/** One client at a time, with the SVID that is current; null while there is none. */
class RotatingClient {
  readonly #source: WorkloadApiSource;
  readonly #connect: (identity: OwnIdentity) => PeerClient;
  #held: { readonly leafSha256: string; readonly client: PeerClient } | null = null;

  constructor(source: WorkloadApiSource, connect: (identity: OwnIdentity) => PeerClient) {
    this.#source = source;
    this.#connect = connect;
  }

  current(): PeerClient | null {
    const { state } = this.#source;
    const identity = state.kind === 'current' || state.kind === 'stale' ? state.materials.identity : null;
    if (this.#held !== null && this.#held.leafSha256 === identity?.svid.leafSha256) return this.#held.client;
    this.close();
    if (identity === null) return null;
    const client = this.#connect(identity);
    this.#held = { leafSha256: identity.svid.leafSha256, client };
    return client;
  }

  close(): void {
    void this.#held?.client.close();
    this.#held = null;
  }
}
