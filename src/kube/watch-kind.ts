// Holds one list as it is on the API server: lists it, watches it, and begins again where that breaks off.

import { isDeepStrictEqual } from 'node:util';
import type { Unreadable } from '../audit/inventory.ts';
import type { KubeObject } from '../audit/kube-object.ts';
import type { ObjectChange } from '../audit/watch/object-change.ts';
import type { Clock } from '../core/clock.ts';
import { ApiError } from './api-error.ts';
import { ConnectionError } from './connection-error.ts';
import { type KindList, listKind, type ListTarget, type ListTerms, readLiveObject } from './list-kind.ts';
import { type ReadKind, whatWasRead } from './read-cluster.ts';
import { rest } from './retry.ts';
import { describe, unreadableKind } from './unreadable-kind.ts';
import { type WatchEvent, watchEvents, type WatchStreamTerms } from './watch-stream.ts';

export interface WatchLimits {
  /** Between these a watch is asked to live; they are different, so that not all end together. */
  readonly minLifeSeconds: number;
  readonly maxLifeSeconds: number;
  readonly silenceMs: number;
  /** So long a connection may be away before what it brought no longer counts as current. */
  readonly staleMs: number;
  /** Of a kind that may be listed and not watched. */
  readonly pollMs: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

export interface KindWatchTerms extends ListTerms {
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: WatchLimits;
  /** After each thing that is different now; empty when only what can be read is. */
  readonly onChange: (changes: readonly ObjectChange[]) => void;
}

export class KindWatch {
  readonly target: ListTarget;
  readonly #terms: KindWatchTerms;
  readonly #objects = new Map<string, KubeObject>();
  readonly #first = Promise.withResolvers<void>();
  #read: Omit<ReadKind, 'objects'> | null = null;
  #failure: Unreadable | null = null;
  /** It may be listed and not watched. */
  #isUnwatched = false;
  #isRefused = false;

  constructor(target: ListTarget, terms: KindWatchTerms) {
    this.target = target;
    this.#terms = terms;
  }

  /** When it was listed for the first time, or could not be. */
  get first(): Promise<void> {
    return this.#first.promise;
  }

  /** What is known at present. Objects of a list that is out of reach are kept, and told to be old. */
  get current(): ReadKind {
    const { unreadable = [], complete = null } = this.#read ?? {};
    const failure = this.#failure;
    const late = this.#isUnwatched && failure === null ? [this.#lateness()] : [];
    return {
      objects: [...this.#objects.values()],
      unreadable: failure === null ? [...unreadable, ...late] : [failure],
      complete: failure === null ? complete : null,
    };
  }

  /**
   * Until the signal is aborted.
   * @throws whatever is no failure of the API server or of the way to it
   */
  async run(): Promise<void> {
    const { signal } = this.#terms;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const list = await listKind(this.target, this.#terms);
        this.#takeList(list);
        failures = 0;
        await this.#follow(list.resourceVersion);
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        this.#fail(error);
        await this.#restAfter(failures);
      }
    }
    this.#first.resolve();
  }

  /** Until the list has to be read again. */
  async #follow(listed: string): Promise<void> {
    const { signal, clock, limits, retry } = this.#terms;
    if (!this.target.kind.canWatch || this.#isRefused) {
      await rest(limits.pollMs, signal, retry.schedule);
      this.#isRefused = false;
      return;
    }
    let resourceVersion = listed;
    let failures = 0;
    let brokenSinceMs: number | null = null;
    while (!signal.aborted) {
      const beganMs = clock.monotonicMs();
      try {
        for await (const events of watchEvents(this.target, resourceVersion, this.#streamTerms())) {
          failures = 0;
          brokenSinceMs = null;
          this.#setUnwatched(false);
          this.#recover();
          resourceVersion = this.#takeEvents(events) ?? resourceVersion;
        }
        // A server that ends each watch at once is not asked in a circle.
        if (clock.monotonicMs() - beganMs < limits.minDelayMs) await this.#restAfter(1);
      } catch (error) {
        if (signal.aborted || !(error instanceof ApiError || error instanceof ConnectionError)) throw error;
        if (error.code === 'gone') return;
        // What it has told and what it has kept back is not known any more.
        if (error.code === 'malformed' || error.code === 'too-large') throw error;
        if (REFUSALS.has(error.code)) {
          // Whether it may still be listed is seen at once, and not when it would be asked for again.
          this.#isRefused = true;
          this.#setUnwatched(true);
          return;
        }
        failures += 1;
        brokenSinceMs ??= clock.monotonicMs();
        if (clock.monotonicMs() - brokenSinceMs >= limits.staleMs) this.#fail(error);
        await this.#restAfter(failures);
      }
    }
  }

  #streamTerms(): WatchStreamTerms {
    const { client, retry, signal, random, limits } = this.#terms;
    const { minLifeSeconds, maxLifeSeconds, silenceMs } = limits;
    const lifeSeconds = Math.round(minLifeSeconds + random() * (maxLifeSeconds - minLifeSeconds));
    return { client, schedule: retry.schedule, signal, lifeSeconds, silenceMs };
  }

  #takeList(list: KindList): void {
    const listed = new Set(list.objects.map(keyOf));
    const gone = [...this.#objects].filter(([key]) => !listed.has(key));
    for (const [key] of gone) this.#objects.delete(key);
    const changes: readonly ObjectChange[] = [
      ...gone.map(([, before]): ObjectChange => ({ kind: 'deleted', before })),
      ...list.objects.flatMap((object) => this.#set(object)),
    ];
    const had = this.current;
    this.#read = whatWasRead(this.target, list);
    this.#failure = null;
    this.#first.resolve();
    const has = this.current;
    const isDifferent = !isDeepStrictEqual(had.unreadable, has.unreadable) || had.complete !== has.complete;
    if (changes.length > 0 || isDifferent) this.#terms.onChange(changes);
  }

  /** Where the watch stands then; null when it has not moved. */
  #takeEvents(events: readonly WatchEvent[]): string | null {
    const changes = events.flatMap((event) => this.#takeEvent(event));
    if (changes.length > 0) this.#terms.onChange(changes);
    return events.findLast((event) => event.resourceVersion !== null)?.resourceVersion ?? null;
  }

  #takeEvent(event: WatchEvent): readonly ObjectChange[] {
    if (event.kind === 'bookmark') return [];
    const object = readLiveObject(event.item, this.target);
    if (object === null) {
      throw new ApiError('malformed', `a watch of ${this.target.kind.resource} tells of what is not watched`);
    }
    if (event.kind === 'set') return this.#set(object);
    const before = this.#objects.get(keyOf(object));
    return this.#objects.delete(keyOf(object)) && before !== undefined ? [{ kind: 'deleted', before }] : [];
  }

  #set(object: KubeObject): readonly ObjectChange[] {
    const before = this.#objects.get(keyOf(object));
    this.#objects.set(keyOf(object), object);
    if (before === undefined) return [{ kind: 'added', object }];
    return isDeepStrictEqual(before.body, object.body) ? [] : [{ kind: 'modified', object, before }];
  }

  /** Of no kind that a rule asks for: what was listed is there, and only old. */
  #lateness(): Unreadable {
    const { kind, namespace } = this.target;
    const listed = { ...kind, key: `Watch of ${kind.key}` };
    const place = { listed, resource: `changes of ${kind.resource}`, namespace };
    const seconds = this.#terms.limits.pollMs / 1000;
    return describe(place, 'forbidden', `it may not be watched, and is listed every ${seconds} s instead`);
  }

  #setUnwatched(isUnwatched: boolean): void {
    if (this.#isUnwatched === isUnwatched) return;
    this.#isUnwatched = isUnwatched;
    this.#terms.onChange([]);
  }

  #recover(): void {
    if (this.#failure === null) return;
    this.#failure = null;
    this.#terms.onChange([]);
  }

  #fail(error: unknown): void {
    const { kind, namespace } = this.target;
    const failure = unreadableKind({ listed: kind, resource: kind.resource, namespace }, error);
    const isNew = failure.reason !== this.#failure?.reason;
    this.#failure = failure;
    this.#first.resolve();
    if (isNew) this.#terms.onChange([]);
  }

  async #restAfter(failures: number): Promise<void> {
    const { signal, retry, random, limits } = this.#terms;
    const ceilingMs = Math.min(limits.maxDelayMs, limits.minDelayMs * 2 ** Math.min(failures - 1, MAX_DOUBLINGS));
    await rest(ceilingMs / 2 + (random() * ceilingMs) / 2, signal, retry.schedule);
  }
}

const MAX_DOUBLINGS = 16;
const REFUSALS: ReadonlySet<string> = new Set(['forbidden', 'unauthorized', 'not-found', 'status']);

function keyOf({ namespace, name }: KubeObject): string {
  return `${namespace ?? ''}/${name}`;
}
