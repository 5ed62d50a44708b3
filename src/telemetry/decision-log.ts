// The decision log: who asked for what and what was decided, gathered for a moment, then written and never waited for.

import type { Clock, Schedule } from '../core/clock.ts';
import { DecisionLines } from './decision-fields.ts';
import { FirstAllows } from './first-allows.ts';
import { type LineBatch, LineGatherer } from './line-batch.ts';
import type { LineSink } from './log-destination.ts';
import { RateLimit } from './rate-limit.ts';
import { PEER_ABORTED, type RequestRecord } from './recorder.ts';

export interface DecisionLogOptions {
  /**
   * Of allowed requests: every one, none, or the first of each principal, target and verb under a policy and this share of
   * the others (0 is only the first ones).
   */
  readonly allow: 'all' | 'none' | number;
  /** Records that wait to be written; more are dropped. */
  readonly queueEntries: number;
  /** Beyond it records are dropped; no principal gets more than half, so that none can drown the others. */
  readonly maxRecordsPerSecond: number;
  readonly destination: LineSink;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** From 0 up to 1, as Math.random. */
  readonly random: () => number;
}

const MAX_PRINCIPALS = 50_000;
/** Handed over in one turn of the event loop: well below a millisecond. */
const MAX_BATCH = 256;
/** Lines are gathered for this long: to hand one over, and wake the thread that writes it, costs more than to make it. */
const GATHER_MS = 20;
const DROP_NOTICE_MS = 1_000;

export class DecisionLog {
  readonly #options: DecisionLogOptions;
  readonly #firstAllows = new FirstAllows(MAX_PRINCIPALS);
  readonly #rate: RateLimit;
  readonly #lines = new DecisionLines();
  readonly #gathered = new LineGatherer();
  /** Those before what is gathered, each as large as a batch may be. */
  readonly #batches: LineBatch[] = [];
  /** Records in both. */
  #queued = 0;
  #cancelWrite: (() => void) | null = null;
  /** The last time a record was made, and how it is written. */
  #timeMs = Number.NaN;
  #time = '';
  #dropped = 0;
  /** Of the dropped, those the log does not tell of yet. */
  #untold = 0;
  #notice: NodeJS.Timeout | null = null;

  constructor(options: DecisionLogOptions) {
    this.#options = options;
    this.#rate = new RateLimit(options.maxRecordsPerSecond);
  }

  /** Records that were due and did not reach the destination. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes what is due of `record`, which the caller may use again afterwards. */
  request(record: RequestRecord): void {
    if (!this.#isDue(record)) return;
    const { clock, queueEntries } = this.#options;
    if (this.#queued >= queueEntries || !this.#rate.admits(record.principal ?? '', clock.monotonicMs())) {
      this.#drop(1);
      return;
    }
    const time = this.#timeOf(clock.wallMs());
    if (this.#gathered.lines === MAX_BATCH || !this.#lines.write(record, time, this.#gathered)) {
      this.#batches.push(this.#gathered.take());
      this.#lines.write(record, time, this.#gathered);
    }
    this.#queued += 1;
    if (this.#queued === 1) this.#writeIn(GATHER_MS);
    else if (this.#queued === Math.min(MAX_BATCH, queueEntries >> 1)) this.#writeIn(0);
  }

  /** A policy took the place of another: the first allows count afresh. */
  startPolicyEpoch(): void {
    this.#firstAllows.clear();
  }

  /** Hands everything that waits to the destination, for a process about to end. */
  flush(): void {
    while (this.#queued > 0) this.#writeBatch();
    this.#writeNotice();
  }

  #isDue(record: RequestRecord): boolean {
    const { decision } = record;
    if (decision === null || decision.effect !== 'allow') return true;
    // The proxy said no after all, with a decision id to ask about, or cut off what was no longer allowed.
    if (record.refusal !== null && record.refusal !== PEER_ABORTED) return true;
    const { allow, random } = this.#options;
    if (allow === 'all' || allow === 'none') return allow === 'all';
    return this.#firstAllows.isFirst(decision, record.principal ?? '') || random() < allow;
  }

  #timeOf(wallMs: number): string {
    if (wallMs !== this.#timeMs) {
      this.#timeMs = wallMs;
      this.#time = new Date(wallMs).toISOString();
    }
    return this.#time;
  }

  #writeIn(delayMs: number): void {
    this.#cancelWrite?.();
    this.#cancelWrite = this.#options.schedule(delayMs, () => {
      this.#writeBatch();
      if (this.#queued > 0) this.#writeIn(0);
    });
  }

  #writeBatch(): void {
    const { bytes, lines } = this.#batches.shift() ?? this.#gathered.take();
    this.#queued -= lines;
    this.#options.destination.write(bytes, () => this.#drop(lines));
  }

  #drop(records: number): void {
    this.#dropped += records;
    this.#untold += records;
    this.#notice ??= setTimeout(() => this.#writeNotice(), DROP_NOTICE_MS).unref();
  }

  #writeNotice(): void {
    if (this.#notice !== null) clearTimeout(this.#notice);
    this.#notice = null;
    const dropped = this.#untold;
    if (dropped === 0) return;
    this.#untold = 0;
    const time = new Date(this.#options.clock.wallMs()).toISOString();
    const line = JSON.stringify({ level: 'warn', log: 'decision', time, dropped, msg: 'decision log dropped records' });
    this.#options.destination.write(`${line}\n`, () => {
      this.#untold += dropped;
      this.#drop(0);
    });
  }
}
