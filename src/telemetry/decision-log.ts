// The decision log: who asked for what and what was decided, written after the request's turn and never waited for.

import { pino } from 'pino';
import type { Clock } from '../core/clock.ts';
import { escapeJson } from '../core/ascii-json.ts';
import { decisionFields, decisionMessage } from './decision-fields.ts';
import { FirstAllows } from './first-allows.ts';
import type { LineSink } from './log-destination.ts';
import type { Logger } from './logger.ts';
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
  /** From 0 up to 1, as Math.random. */
  readonly random: () => number;
}

const MAX_PRINCIPALS = 50_000;
/** Serialised in one turn of the event loop: about a millisecond. */
const MAX_BATCH = 256;
const DROP_NOTICE_MS = 1_000;

export class DecisionLog {
  readonly #options: DecisionLogOptions;
  readonly #firstAllows = new FirstAllows(MAX_PRINCIPALS);
  readonly #rate: RateLimit;
  readonly #pino: Logger;
  #lines = '';
  #queue: (readonly [fields: Record<string, unknown>, message: string])[] = [];
  #isScheduled = false;
  #dropped = 0;
  /** Of the dropped, those the log does not tell of yet. */
  #untold = 0;
  #notice: NodeJS.Timeout | null = null;

  constructor(options: DecisionLogOptions) {
    this.#options = options;
    this.#rate = new RateLimit(options.maxRecordsPerSecond);
    const formatters = { level: (label: string) => ({ level: label, log: 'decision' }) };
    const stream = {
      write: (line: string): void => {
        this.#lines += line;
      },
    };
    this.#pino = pino({ base: null, timestamp: false, formatters }, stream);
  }

  /** Records that were due and did not reach the destination. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes what is due of `record`, which the caller may use again afterwards. */
  request(record: RequestRecord): void {
    if (!this.#isDue(record)) return;
    const { clock, queueEntries } = this.#options;
    if (this.#queue.length >= queueEntries || !this.#rate.admits(record.principal ?? '', clock.monotonicMs())) {
      this.#drop(1);
      return;
    }
    this.#queue.push([decisionFields(record, clock.wallMs()), decisionMessage(record)]);
    this.#schedule();
  }

  /** A policy took the place of another: the first allows count afresh. */
  startPolicyEpoch(): void {
    this.#firstAllows.clear();
  }

  /** Hands everything that waits to the destination, for a process about to end. */
  flush(): void {
    while (this.#queue.length > 0) this.#writeBatch();
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

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#writeBatch();
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #writeBatch(): void {
    const batch = this.#queue.splice(0, MAX_BATCH);
    for (const [fields, message] of batch) this.#pino.info(fields, message);
    this.#write(() => this.#drop(batch.length));
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
    this.#pino.warn(
      { time: new Date(this.#options.clock.wallMs()).toISOString(), dropped },
      'decision log dropped records',
    );
    this.#write(() => {
      this.#untold += dropped;
      this.#drop(0);
    });
  }

  #write(onLost: () => void): void {
    const lines = this.#lines;
    this.#lines = '';
    if (lines !== '') this.#options.destination.write(escapeJson(lines), onLost);
  }
}
