// How far hashing has come, on one line of a terminal, with the rate and the time that is left.

import type { Clock } from '../core/clock.ts';
import type { CommandIo } from './command-io.ts';

export interface ProgressBar {
  readonly show: (progress: {
    readonly doneBytes: number;
    readonly totalBytes: number;
    readonly files: number;
  }) => void;
  readonly clear: () => void;
}

const WIDTH = 24;
const EVERY_MS = 100;
/** Before that, no rate is worth telling. */
const SETTLED_MS = 500;

/** Silent where nobody watches: in a log, every frame would stay. */
export function createProgressBar(io: CommandIo, clock: Clock, isTerminal: boolean): ProgressBar {
  if (!isTerminal) return { show: () => undefined, clear: () => undefined };
  let startedMs: number | null = null;
  let shownMs = Number.NEGATIVE_INFINITY;
  return {
    show({ doneBytes, totalBytes, files }) {
      const nowMs = clock.monotonicMs();
      startedMs ??= nowMs;
      if (nowMs - shownMs < EVERY_MS && doneBytes < totalBytes) return;
      shownMs = nowMs;
      io.writeError(`\r\u001B[K${formatProgress({ doneBytes, totalBytes, files, elapsedMs: nowMs - startedMs })}`);
    },
    clear() {
      if (startedMs !== null) io.writeError('\r\u001B[K');
    },
  };
}

export function formatProgress({
  doneBytes,
  totalBytes,
  files,
  elapsedMs,
}: {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly files: number;
  readonly elapsedMs: number;
}): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.round(share * WIDTH);
  const bar = '#'.repeat(filled) + '-'.repeat(WIDTH - filled);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const amount = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)} in ${files} ${files === 1 ? 'file' : 'files'}`;
  if (elapsedMs < SETTLED_MS) return `hashing [${bar}] ${percent}  ${amount}`;
  const bytesPerMs = doneBytes / elapsedMs;
  const leftMs = bytesPerMs === 0 ? null : Math.max(0, totalBytes - doneBytes) / bytesPerMs;
  const left = leftMs === null ? '' : `, ${formatDuration(leftMs)} left`;
  return `hashing [${bar}] ${percent}  ${amount}, ${formatBytes(bytesPerMs * 1000)}/s${left}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const amount = bytes / 1024 ** power;
  return `${amount.toFixed(power === 0 || amount >= 100 ? 0 : 1)} ${UNITS[power] ?? ''}`;
}

function formatDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
