// One process that serves: started, told what is in force, and listened to.

import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { ReportedMetric } from '../../telemetry/metric-merge.ts';
import { type FromWorker, readFromWorker, type ToWorker } from './messages.ts';

/** How a worker ended, and what it had counted when it last said. */
export interface WorkerEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lastReport: readonly ReportedMetric[];
}

/** Reports are kept here. */
export type WorkerMessage = Exclude<FromWorker, { readonly kind: 'report' }>;

export interface WorkerEvents {
  /** Its log, from the first byte on. */
  readonly log: (lines: Readable) => void;
  readonly message: (message: WorkerMessage) => void;
  /** After the last of its log has come, or has not come for a second. */
  readonly ended: (end: WorkerEnd) => void;
}

/** The command of this program that a worker runs. */
const WORKER_COMMAND = 'worker';
const LAST_WORDS_MS = 1_000;

export class WorkerProcess {
  readonly #child: ChildProcess;
  #lastReport: readonly ReportedMetric[] = [];
  #reportWaiters: (() => void)[] = [];

  /** `program` is the file of this program. */
  constructor(program: string, events: WorkerEvents) {
    // What it is told, a private key among it, goes through the channel: what is on a command line is everybody's to read.
    this.#child = fork(program, [WORKER_COMMAND], {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    if (this.#child.stdout !== null) events.log(this.#child.stdout);
    this.#child.on('message', (message) => {
      const told = readFromWorker(message);
      if (told.kind === 'report') this.#takeReport(told.metrics);
      else events.message(told);
    });
    // That it could not be told something, or be started, shows in its end.
    this.#child.on('error', () => undefined);
    let hasEnded = false;
    const end = (exitCode: number | null, signal: NodeJS.Signals | null): void => {
      if (hasEnded) return;
      hasEnded = true;
      this.#takeReport(this.#lastReport);
      events.ended({ exitCode, signal, lastReport: this.#lastReport });
    };
    // When nobody reads our log, the last of its own does not come either: it is not to be waited for.
    this.#child.on('exit', (exitCode, signal) => void setTimeout(() => end(exitCode, signal), LAST_WORDS_MS));
    this.#child.on('close', end);
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** What it had counted when it last said. */
  get lastReport(): readonly ReportedMetric[] {
    return this.#lastReport;
  }

  tell(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  /** Resolves when it has said what it has counted, has ended, or `timeoutMs` are over. */
  async refreshReport(timeoutMs: number): Promise<void> {
    if (!this.#child.connected) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const deadline = setTimeout(resolve, timeoutMs);
    this.#reportWaiters.push(resolve);
    this.tell({ kind: 'report' });
    await promise;
    clearTimeout(deadline);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #takeReport(metrics: readonly ReportedMetric[]): void {
    this.#lastReport = metrics;
    const waiters = this.#reportWaiters;
    this.#reportWaiters = [];
    for (const wake of waiters) wake();
  }
}
