// One time in touch with Redis, from connecting to the first thing that goes wrong: subscribes, reads, and reads again whenever it was told to.

import type { Clock } from '../core/clock.ts';
import { type ConnectionTiming, type RedisAccess, RedisConnection, type RedisEndpoint } from './redis-connection.ts';
import { StoreError } from './store-error.ts';

export interface ListSource {
  readonly endpoint: RedisEndpoint;
  /** Asked at every connection: passwords and authorities are renewed. */
  readonly access: () => RedisAccess;
  /** Of the hash, and of the channel on which changes to it are told. */
  readonly key: string;
}

export interface SessionPort {
  readonly clock: Clock;
  /** Calls back once; returns the way out. */
  readonly schedule: (delayMs: number, callback: () => void) => () => void;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly timing: SessionTiming;
}

export interface SessionTiming extends ConnectionTiming {
  /** Between two looks whether the other end is still there. */
  readonly pingMs: number;
  /** At most this long after a reading comes the next, told of a change or not: others may change the list and tell nobody. */
  readonly rereadMs: number;
  /** At least this long after a reading comes the next, so that many changes are not as many readings. */
  readonly restMs: number;
}

export interface SessionEvents {
  /** The reply to HGETALL. A `StoreError` thrown at it ends the session. */
  readonly onReply: (reply: unknown) => Promise<void>;
  /** Once, and nothing comes after it; not when it was closed from outside. */
  readonly onEnd: (error: StoreError) => void;
}

const REST_PER_READING = 4;

type Reading =
  | { readonly kind: 'idle' }
  /** `again`: there was a change after this reading began, which it may have missed. */
  | { readonly kind: 'reading' | 'resting'; readonly again: boolean };

export class ListSession {
  readonly #source: ListSource;
  readonly #port: SessionPort;
  readonly #events: SessionEvents;
  readonly #over = new AbortController();
  #reading: Reading = { kind: 'idle' };
  /** The timers that are set, by what for. */
  readonly #cancel = new Map<'ping' | 'reread' | 'rest', () => void>();

  constructor(source: ListSource, port: SessionPort, events: SessionEvents) {
    this.#source = source;
    this.#port = port;
    this.#events = events;
  }

  open(): void {
    this.#attempt(() => this.#begin());
  }

  close(): void {
    for (const cancel of this.#cancel.values()) cancel();
    this.#over.abort();
  }

  async #begin(): Promise<void> {
    // Two, because in RESP2 a connection that subscribed can do nothing else.
    const listener = await this.#connect();
    const reader = await this.#connect();
    // First of all, so that no change falls between reading and listening.
    await listener.subscribe(this.#source.key, () => this.#readSoon(reader));
    this.#readSoon(reader);
    this.#pingLater(listener, reader);
  }

  async #connect(): Promise<RedisConnection> {
    const { endpoint, access } = this.#source;
    const connection = await RedisConnection.open({ endpoint, access: access() }, this.#port, this.#over.signal);
    this.#attempt(async () => {
      throw await connection.ended;
    });
    return connection;
  }

  #readSoon(reader: RedisConnection): void {
    if (this.#over.signal.aborted) return;
    if (this.#reading.kind === 'idle') this.#attempt(() => this.#read(reader));
    else this.#reading = { kind: this.#reading.kind, again: true };
  }

  async #read(reader: RedisConnection): Promise<void> {
    const { clock, timing, random } = this.#port;
    this.#reading = { kind: 'reading', again: false };
    const sinceMs = clock.monotonicMs();
    const reply = await reader.call('HGETALL', this.#source.key);
    if (this.#over.signal.aborted) return;
    await this.#events.onReply(reply);
    this.#reading = { kind: 'resting', again: this.#reading.again };
    // A long list that changes all the time would keep Redis, and this process, at nothing but reading it.
    const restMs = Math.max(timing.restMs, REST_PER_READING * (clock.monotonicMs() - sinceMs));
    this.#set('rest', restMs, () => {
      const isStale = this.#reading.kind === 'resting' && this.#reading.again;
      this.#reading = { kind: 'idle' };
      if (isStale) this.#readSoon(reader);
    });
    // Not all sidecars at once.
    this.#set('reread', timing.rereadMs * (1 - 0.4 * random()), () => this.#readSoon(reader));
  }

  #pingLater(listener: RedisConnection, reader: RedisConnection): void {
    this.#set('ping', this.#port.timing.pingMs, () => {
      this.#attempt(async () => {
        // While the list is read, that reading has its own deadline, and a PING would wait behind it.
        const asked = this.#reading.kind === 'reading' ? [listener] : [listener, reader];
        await Promise.all(asked.map((connection) => connection.call('PING')));
        this.#pingLater(listener, reader);
      });
    });
  }

  #set(timer: 'ping' | 'reread' | 'rest', delayMs: number, callback: () => void): void {
    if (this.#over.signal.aborted) return;
    this.#cancel.get(timer)?.();
    this.#cancel.set(timer, this.#port.schedule(delayMs, callback));
  }

  /** Whatever goes wrong first ends the session. */
  #attempt(step: () => Promise<void>): void {
    step().catch((error: unknown) => {
      // A defect is nobody's to catch.
      if (!(error instanceof StoreError)) throw error;
      if (this.#over.signal.aborted) return;
      this.close();
      this.#events.onEnd(error);
    });
  }
}
