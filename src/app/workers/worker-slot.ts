// The place of one worker: always a process in it, or one on its way.

import type { Clock, Schedule } from '../../core/clock.ts';
import type { LogDestination } from '../../telemetry/log-destination.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { ReportedMetric } from '../../telemetry/metric-merge.ts';
import { StartError } from '../start-error.ts';
import { relayLines } from './line-relay.ts';
import { BEAT_MS, type ToWorker } from './messages.ts';
import { Respawn } from './respawn.ts';
import { sharedOffsetMs } from './shared-time.ts';
import { type WorkerEnd, type WorkerMessage, WorkerProcess } from './worker-process.ts';

export interface SlotParts {
  /** For people; from 1. */
  readonly number: number;
  /** The file of this program. */
  readonly program: string;
  readonly logDestination: LogDestination;
  readonly log: Logger;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Told what a process had counted that has ended. */
  readonly onRetired: (report: readonly ReportedMetric[]) => void;
}

export type StartMessage = Extract<ToWorker, { readonly kind: 'start' }>;

export type SlotState = 'ready' | 'starting' | 'behind' | 'silent' | 'ended' | 'keeps ending';

/** For a process to begin to listen. */
const MAX_START_MS = 30_000;
/** A change is on its way for so long, and a beat is answered. */
const DELIVERY_MS = 2 * BEAT_MS;
/** One that hangs holds connections that nobody serves. */
const MAX_UNANSWERED_MS = 10_000;

/** Of one process, in monotonic time; null is "not now". */
interface Life {
  readonly process: WorkerProcess;
  readonly bornMs: number;
  isUp: boolean;
  listeningSinceMs: number | null;
  sent: number;
  inForce: number;
  behindSinceMs: number | null;
  unansweredSinceMs: number | null;
  refusal: readonly string[];
}

export class WorkerSlot {
  readonly #parts: SlotParts;
  readonly #respawn = new Respawn();
  readonly #sharedOffsetMs: number;
  #life: Life | null = null;
  /** Makes the first message; null until there is something to begin with. */
  #begin: (() => StartMessage) | null = null;
  #started: PromiseWithResolvers<void> | null = null;
  #left: PromiseWithResolvers<void> | null = null;
  #cancelNext: (() => void) | null = null;
  #restarts = 0;

  /** Its process comes to life, and waits to be told. */
  constructor(parts: SlotParts) {
    this.#parts = parts;
    this.#sharedOffsetMs = sharedOffsetMs(parts.clock);
    this.#spawn();
  }

  get restarts(): number {
    return this.#restarts;
  }

  get state(): SlotState {
    const life = this.#life;
    if (life === null) return this.#respawn.isLooping ? 'keeps ending' : 'ended';
    if (life.listeningSinceMs === null) return this.#respawn.isLooping ? 'keeps ending' : 'starting';
    const isOver = (sinceMs: number | null): boolean => sinceMs !== null && this.#nowMs() - sinceMs > DELIVERY_MS;
    if (isOver(life.unansweredSinceMs)) return 'silent';
    return isOver(life.behindSinceMs) ? 'behind' : 'ready';
  }

  get lastReport(): readonly ReportedMetric[] {
    return this.#life?.process.lastReport ?? [];
  }

  /** Has it serve; `begin` is asked again for each process. @throws {StartError} when the first cannot. */
  start(begin: () => StartMessage): Promise<void> {
    this.#begin = begin;
    this.#started = Promise.withResolvers();
    if (this.#life === null) this.#started.reject(new StartError([this.#describe('ended before it could serve')]));
    else if (this.#life.isUp) this.#tellStart(this.#life);
    return this.#started.promise;
  }

  /** One that was not told where to begin will begin with this as well. */
  change(message: Extract<ToWorker, { readonly kind: 'change' }>): void {
    const life = this.#life;
    if (life === null || life.sent === 0) return;
    life.sent = message.sequence;
    life.behindSinceMs ??= this.#nowMs();
    life.process.tell(message);
  }

  tell(message: ToWorker): void {
    this.#life?.process.tell(message);
  }

  /** To be called ever again. */
  beat(): void {
    const life = this.#life;
    if (life === null) return;
    // One that has to wait before it may serve is told as well that we are there; it has nothing to answer yet.
    life.process.tell({ kind: 'beat', saidMs: this.#nowMs() + this.#sharedOffsetMs });
    if (life.listeningSinceMs !== null) life.unansweredSinceMs ??= this.#nowMs();
    // Its answer may lie there unread, after a turn of the event loop that took long.
    if (this.#isHanging(life)) setImmediate(() => this.#killIfHanging(life));
  }

  async refreshReport(timeoutMs: number): Promise<void> {
    await this.#life?.process.refreshReport(timeoutMs);
  }

  /** Resolves when its process has ended, after which there is none. */
  leave(message: Extract<ToWorker, { readonly kind: 'drain' | 'end' }>): Promise<void> {
    this.#cancelNext?.();
    this.#left ??= Promise.withResolvers();
    if (this.#life === null) this.#left.resolve();
    else this.#life.process.tell(message);
    return this.#left.promise;
  }

  kill(): void {
    this.#life?.process.kill();
  }

  #spawn(): void {
    const { program, logDestination } = this.#parts;
    const life: Life = {
      process: new WorkerProcess(program, {
        log: (lines) => relayLines(lines, logDestination),
        message: (message) => this.#take(life, message),
        ended: (end) => this.#bury(life, end),
      }),
      bornMs: this.#nowMs(),
      isUp: false,
      listeningSinceMs: null,
      sent: 0,
      inForce: 0,
      behindSinceMs: null,
      unansweredSinceMs: null,
      refusal: [],
    };
    this.#life = life;
  }

  #take(life: Life, message: WorkerMessage): void {
    switch (message.kind) {
      case 'up':
        life.isUp = true;
        if (this.#begin !== null) this.#tellStart(life);
        return;
      case 'listening':
        life.listeningSinceMs = this.#nowMs();
        this.#parts.log.info({ worker: this.#parts.number, workerPid: life.process.pid }, 'a worker serves');
        this.#started?.resolve();
        return;
      case 'refused':
        life.refusal = message.lines;
        return;
      case 'in-force':
        life.inForce = message.sequence;
        life.unansweredSinceMs = null;
        if (life.inForce === life.sent) life.behindSinceMs = null;
    }
  }

  #tellStart(life: Life): void {
    if (this.#begin === null) return;
    const message = this.#begin();
    life.sent = message.sequence;
    life.process.tell(message);
  }

  #bury(life: Life, { exitCode, signal, lastReport }: WorkerEnd): void {
    this.#life = null;
    this.#parts.onRetired(lastReport);
    const { log, number, schedule } = this.#parts;
    const facts = { worker: number, workerPid: life.process.pid, exitCode, signal };
    if (this.#left !== null) {
      if (exitCode !== 0) log.error(facts, 'a worker has ended before it was done');
      this.#left.resolve();
      return;
    }
    const { listeningSinceMs } = life;
    if (listeningSinceMs === null && this.#restarts === 0) {
      const lines = life.refusal.length > 0 ? life.refusal : [this.#describe('ended before it served')];
      this.#started?.reject(new StartError(lines));
      return;
    }
    const nextMs = this.#respawn.delayAfter(listeningSinceMs === null ? 0 : this.#nowMs() - listeningSinceMs);
    const problems = life.refusal.length === 0 ? {} : { problems: life.refusal };
    log.error({ ...facts, ...problems, nextMs }, 'a worker has ended, another takes its place');
    if (this.#respawn.isLooping) log.error({ worker: number }, 'a worker keeps ending, this sidecar is not ready');
    this.#cancelNext = schedule(nextMs, () => {
      this.#restarts += 1;
      this.#spawn();
    });
  }

  #isHanging({ bornMs, listeningSinceMs, unansweredSinceMs }: Life): boolean {
    const nowMs = this.#nowMs();
    // Before it is told to start it has nothing to hang in.
    if (listeningSinceMs === null) return this.#begin !== null && nowMs - bornMs > MAX_START_MS;
    return unansweredSinceMs !== null && nowMs - unansweredSinceMs > MAX_UNANSWERED_MS;
  }

  #killIfHanging(life: Life): void {
    if (this.#left !== null || !this.#isHanging(life)) return;
    const { log, number } = this.#parts;
    log.error({ worker: number, workerPid: life.process.pid }, 'a worker does not answer, it is ended');
    life.process.kill();
  }

  #describe(what: string): string {
    return `worker ${this.#parts.number} ${what}; its log says why`;
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}
