// Keeps what was made of a group of files up to date: looks, reads, hands over whole, and tells when that no longer works.

import { systemClock, type Clock } from '../core/clock.ts';
import { FileError } from './file-error.ts';
import { readFileGroup, surveyFileGroup, type FileGroup, type GroupReading } from './file-group.ts';
import { nodeFileSystem, type FileSystem } from './file-system.ts';

export type ReloadEvent =
  | { readonly kind: 'loaded'; readonly digest: string }
  /** Told once for each distinct state of the files; what was loaded before stays. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** After `failed`, the files are again as they were loaded. */
  | { readonly kind: 'recovered'; readonly digest: string };

export interface FileGroupWatchOptions {
  readonly group: FileGroup;
  /** Takes all files of the group over, or throws and leaves everything as it was. Judges the reading and nothing else: it is not asked twice. */
  readonly load: (reading: GroupReading) => void;
  /** Not called for the first load, which is the caller's to tell. */
  readonly report: (event: ReloadEvent) => void;
  readonly port: WatchPort;
}

export interface WatchPort {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** Calls back once, and does not keep the process alive for it; returns the way out. */
  readonly schedule: (delayMs: number, callback: () => void) => () => void;
  readonly timing: WatchTiming;
}

export interface WatchTiming {
  readonly pollMs: number;
  /** After a change, files must have been left alone for this long before they are read: a writer may not be done. */
  readonly quietMs: number;
  /** But not longer than this altogether, or files that always change would never be read. */
  readonly maxUnquietMs: number;
  /** After a failure, before it is told: a certificate and its key are two files. */
  readonly retryMs: number;
  /** For this long after a change files are read at every look: a second change may not show in their times and sizes. */
  readonly settleMs: number;
}

export interface FileGroupWatch {
  close(): void;
}

// Polling costs a few microseconds a look, and works where inotify does not: network file systems, overlays, exhausted watches.
export const systemWatchPort: WatchPort = {
  fileSystem: nodeFileSystem,
  clock: systemClock,
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
  timing: { pollMs: 250, quietMs: 100, maxUnquietMs: 2_000, retryMs: 150, settleMs: 2_000 },
};

/**
 * Loads the group once and then whenever it changes.
 * @throws what the first load fails with, when it fails twice.
 */
export async function watchFileGroup(options: FileGroupWatchOptions): Promise<FileGroupWatch> {
  const watcher = new FileGroupWatcher(options);
  await watcher.start();
  return watcher;
}

type Health =
  | { readonly kind: 'sound' }
  /** Failed once, looked at again before it is told; `told` is a failure told before that has not ended since. */
  | { readonly kind: 'suspect'; readonly told: string | null }
  | { readonly kind: 'failing'; readonly told: string };

class FileGroupWatcher implements FileGroupWatch {
  readonly #options: FileGroupWatchOptions;
  #seen: { readonly fingerprint: string; readonly sinceMs: number; readonly isSettled: boolean } | null = null;
  #unquietSinceMs: number | null = null;
  #loadedDigest: string | null = null;
  /** The last contents that did not load; they are not tried again. */
  #refused: { readonly digest: string; readonly error: unknown } | null = null;
  #health: Health = { kind: 'sound' };
  #cancel: (() => void) | null = null;
  #isClosed = false;

  constructor(options: FileGroupWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { port } = this.#options;
    try {
      await this.#loadFirst();
    } catch {
      // Perhaps it is being written; whatever fails the second time is the caller's.
      await new Promise<void>((resolve) => {
        port.schedule(port.timing.retryMs, resolve);
      });
      await this.#loadFirst();
    }
    this.#lookAfter(port.timing.pollMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  async #loadFirst(): Promise<void> {
    const { group, load, port } = this.#options;
    const reading = await readFileGroup(group, port.fileSystem);
    load(reading);
    this.#loadedDigest = reading.digest;
  }

  #lookAfter(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancel = this.#options.port.schedule(delayMs, () => {
      void this.#look().then((nextMs) => this.#lookAfter(nextMs));
    });
  }

  /** Looks once; resolves to how long to wait before the next look. */
  async #look(): Promise<number> {
    const { group, port } = this.#options;
    try {
      const { fingerprint } = await surveyFileGroup(group, port.fileSystem);
      const waitMs = this.#waitBeforeReading(fingerprint);
      if (waitMs !== null) return waitMs;
      const reading = await readFileGroup(group, port.fileSystem);
      return this.#isClosed ? port.timing.pollMs : this.#take(reading);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.#seen = null;
      this.#unquietSinceMs = null;
      return this.#fail(`${error.code} ${error.path}`, error);
    }
  }

  /** Null when it is time to read. */
  #waitBeforeReading(fingerprint: string): number | null {
    const { clock, timing } = this.#options.port;
    const nowMs = clock.monotonicMs();
    let seen = this.#seen;
    if (seen?.fingerprint !== fingerprint) {
      seen = { fingerprint, sinceMs: nowMs, isSettled: false };
      this.#seen = seen;
      this.#unquietSinceMs ??= nowMs;
      if (nowMs - this.#unquietSinceMs < timing.maxUnquietMs) return timing.quietMs;
    } else if (seen.isSettled && this.#health.kind !== 'suspect') {
      return timing.pollMs;
    }
    this.#unquietSinceMs = null;
    this.#seen = { ...seen, isSettled: nowMs - seen.sinceMs >= timing.settleMs };
    return null;
  }

  #take(reading: GroupReading): number {
    const { load, report, port } = this.#options;
    const { digest } = reading;
    if (digest === this.#refused?.digest) return this.#fail(digest, this.#refused.error);
    if (digest !== this.#loadedDigest) {
      try {
        load(reading);
      } catch (error) {
        this.#refused = { digest, error };
        return this.#fail(digest, error);
      }
      this.#loadedDigest = digest;
      report({ kind: 'loaded', digest });
    } else if (this.#health.kind !== 'sound' && this.#health.told !== null) {
      report({ kind: 'recovered', digest });
    }
    this.#health = { kind: 'sound' };
    return port.timing.pollMs;
  }

  #fail(key: string, error: unknown): number {
    const { report, port } = this.#options;
    if (this.#isClosed) return port.timing.pollMs;
    const told = this.#health.kind === 'sound' ? null : this.#health.told;
    if (this.#health.kind !== 'suspect' && told !== key) {
      this.#health = { kind: 'suspect', told };
      return port.timing.retryMs;
    }
    this.#health = { kind: 'failing', told: key };
    if (told !== key) report({ kind: 'failed', error });
    return port.timing.pollMs;
  }
}
