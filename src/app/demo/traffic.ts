// What goes on while identities change: peers that ask again and again and read streams, and what became of all that.

import type { SpiffeId } from '../../spiffe/spiffe-id.ts';
import type { EndpointAddress } from '../../workload-api/endpoint-address.ts';
import { BackgroundPeer } from './background-peer.ts';
import { FEATURES, watchPath } from './services/feature-store.ts';

export interface TrafficOptions {
  readonly peers: readonly SpiffeId[];
  readonly agent: EndpointAddress;
  /** Of the feature store. */
  readonly origin: string;
  readonly bundlePem: string;
  /** Of each peer, between an answer and its next request. */
  readonly pauseMs: number;
}

export interface TrafficCounts {
  readonly requests: number;
  readonly failed: number;
  readonly refused: number;
  /** Streams that go on. */
  readonly streaming: number;
  /** Streams that ended before their time, of peers who were not refused. */
  readonly broken: number;
}

const ENTITY = 'user-42';
const STREAM_SECONDS = 20;
/** For whatever is waited for; on any machine. */
const MAX_WAIT_MS = 10_000;

export class Traffic {
  readonly #peers: readonly BackgroundPeer[];
  readonly #running: Promise<unknown>;
  readonly #waiting = new Set<() => void>();

  /** Begins at once. */
  constructor({ peers, agent, origin, bundlePem, pauseMs }: TrafficOptions) {
    const around = {
      agent,
      origin,
      bundlePem,
      asked: { method: 'GET', path: `${FEATURES}/${ENTITY}` },
      streamed: { method: 'GET', path: watchPath(ENTITY, STREAM_SECONDS) },
      pauseMs,
      onChange: () => {
        for (const look of this.#waiting) look();
      },
    };
    this.#peers = peers.map((id) => new BackgroundPeer(id, around));
    this.#running = Promise.all(this.#peers.map((peer) => peer.run()));
  }

  /** Since the beginning. */
  get counts(): TrafficCounts {
    const sum = (of: (peer: BackgroundPeer) => number): number =>
      this.#peers.reduce((total, peer) => total + of(peer), 0);
    return {
      requests: sum(({ requests }) => requests.answered + requests.refused + requests.failed),
      failed: sum(({ requests }) => requests.failed),
      refused: sum(({ requests }) => requests.refused),
      streaming: sum(({ isStreaming }) => (isStreaming ? 1 : 0)),
      broken: sum(({ streams }) => streams.failed),
    };
  }

  isStreaming(id: SpiffeId): boolean {
    return this.#peers.some((peer) => peer.id === id && peer.isStreaming);
  }

  /** Resolves as soon as it is so, or to false when that takes too long or `stop` comes first. */
  async until(isSo: () => boolean, stop: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = (): void => {
      if (isSo()) resolve(true);
    };
    const giveUp = (): void => resolve(false);
    const deadline = setTimeout(giveUp, MAX_WAIT_MS);
    stop.addEventListener('abort', giveUp);
    this.#waiting.add(look);
    if (stop.aborted) giveUp();
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(deadline);
      stop.removeEventListener('abort', giveUp);
      this.#waiting.delete(look);
    }
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.stop();
    await this.#running;
  }
}
