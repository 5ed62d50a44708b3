// Destinations that the own program asks for and no route knows: each is told once in a while, however often it is asked for.

import type { Clock } from '../core/clock.ts';
import type { EgressTerms } from '../proxy/context.ts';
import type { Logger } from '../telemetry/logger.ts';
import { RateLimit } from '../telemetry/rate-limit.ts';
import type { Recorder } from '../telemetry/recorder.ts';

/** How long nothing more is said of a destination. */
const SILENCE_MS = 60_000;
const MAX_REMEMBERED = 1_000;
/** A program that makes names up is told of no faster than this. */
const MAX_LINES_PER_SECOND = 20;

export interface NewDestinationParts {
  readonly listener: string;
  readonly log: Logger;
  readonly recorder: Recorder;
  readonly clock: Clock;
  /** That share the lines. */
  readonly workers: number;
}

export class NewDestinations implements EgressTerms {
  readonly #parts: NewDestinationParts;
  /** When each was last told of, the oldest first. */
  readonly #toldMs = new Map<string, number>();
  readonly #lines: RateLimit;

  constructor(parts: NewDestinationParts) {
    this.#parts = parts;
    this.#lines = new RateLimit(MAX_LINES_PER_SECOND / parts.workers);
  }

  unrouted(principal: string, authority: string): void {
    const { listener, log, recorder, clock } = this.#parts;
    recorder.newDestination(listener);
    const nowMs = clock.monotonicMs();
    const toldMs = this.#toldMs.get(authority);
    if (toldMs !== undefined && nowMs - toldMs < SILENCE_MS) return;
    if (!this.#lines.admits(authority, nowMs)) return;
    this.#toldMs.delete(authority);
    this.#toldMs.set(authority, nowMs);
    for (const oldest of this.#toldMs.keys()) {
      if (this.#toldMs.size <= MAX_REMEMBERED) break;
      this.#toldMs.delete(oldest);
    }
    log.warn({ listener, principal, authority }, 'new destination');
  }
}
