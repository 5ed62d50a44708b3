// Keeps what was made of a group of files up to date: looks, reads, hands over whole, and tells when that no longer works.

import { type Clock, type Schedule, systemClock, systemSchedule } from '../core/clock.ts';
import { FileError } from './file-error.ts';
import { readFileGroup, surveyFileGroup, type FileGroup, type GroupReading } from './file-group.ts';
import { nodeFileSystem, type FileSystem } from './file-system.ts';

export interface FileGroupSource<T> {
  readonly group: FileGroup;
  /** Judges the reading and nothing else: it is not asked twice about the same contents. Throws when they are not what they should be. */
  readonly parse: (reading: GroupReading) => T;
  readonly port: WatchPort;
}

export interface WatchedFiles<T> {
  /** What the first reading was parsed to. */
  readonly initial: T;
  /** Looks for changes from now on, also for those since the first reading. To be called once. */
  follow(report: (event: ReloadEvent<T>) => void): void;
  /** Nothing is reported any more. */
  close(): void;
}

/** An error thrown by whoever is told of one is thrown on: what it was doing with the value is half done. */
export type ReloadEvent<T> =
  | { readonly kind: 'loaded'; readonly value: T }
  /** Told once for each distinct state of the files; what was loaded before stays. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** After `failed`, the files are again as they were loaded. */
  | { readonly kind: 'recovered' };

export interface WatchPort {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly schedule: Schedule;
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

// Looking at forty files four times a second takes about one percent of a processor, and works where inotify does not: network file systems,
// overlays, exhausted watches.
export const systemWatchPort: WatchPort = {
  fileSystem: nodeFileSystem,
  clock: systemClock,
  schedule: systemSchedule,
  timing: { pollMs: 250, quietMs: 100, maxUnquietMs: 2_000, retryMs: 150, settleMs: 2_000 },
};

/**
 * Loads the group once.
 * @throws what that fails with, when it fails twice: the first time, a file may have been half written.
 */
export async function openFileGroup<T>(source: FileGroupSource<T>): Promise<WatchedFiles<T>> {
  try {
    return new FileGroupWatcher(source, await loadFileGroup(source));
  } catch {
    const { port } = source;
    await new Promise<void>((resolve) => {
      port.schedule(port.timing.retryMs, resolve);
    });
    return new FileGroupWatcher(source, await loadFileGroup(source));
  }
}

interface LoadedGroup<T> {
  readonly value: T;
  readonly digest: string;
}

async function loadFileGroup<T>({ group, parse, port }: FileGroupSource<T>): Promise<LoadedGroup<T>> {
  const reading = await readFileGroup(group, port.fileSystem);
  return { value: parse(reading), digest: reading.digest };
}

type Health =
  | { readonly kind: 'sound' }
  /** Failed once, looked at again before it is told; `told` is a failure told before that has not ended since. */
  | { readonly kind: 'suspect'; readonly told: string | null }
  | { readonly kind: 'failing'; readonly told: string };

class FileGroupWatcher<T> implements WatchedFiles<T> {
  readonly initial: T;
  readonly #source: FileGroupSource<T>;
  #loadedDigest: string;
  #report: ((event: ReloadEvent<T>) => void) | null = null;
  #seen: { readonly fingerprint: string; readonly sinceMs: number; readonly isSettled: boolean } | null = null;
  #unquietSinceMs: number | null = null;
  /** The last contents that did not load; they are not tried again. */
  #refused: { readonly digest: string; readonly error: unknown } | null = null;
  #health: Health = { kind: 'sound' };
  #cancel: (() => void) | null = null;
  #isClosed = false;

  constructor(source: FileGroupSource<T>, loaded: LoadedGroup<T>) {
    this.#source = source;
    this.initial = loaded.value;
    this.#loadedDigest = loaded.digest;
  }

  follow(report: (event: ReloadEvent<T>) => void): void {
    this.#report = report;
    this.#lookAfter(this.#source.port.timing.pollMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  #lookAfter(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancel = this.#source.port.schedule(delayMs, () => {
      // What is thrown here is a defect, and nobody's to catch: the process ends rather than decide by what it can no longer renew.
      void this.#look().then((nextMs) => this.#lookAfter(nextMs));
    });
  }

  /** Looks once; resolves to how long to wait before the next look. */
  async #look(): Promise<number> {
    const { group, port } = this.#source;
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
    const { clock, timing } = this.#source.port;
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
    const { parse, port } = this.#source;
    const { digest } = reading;
    if (digest === this.#refused?.digest) return this.#fail(digest, this.#refused.error);
    const told = this.#health.kind === 'sound' ? null : this.#health.told;
    if (digest !== this.#loadedDigest) {
      let value: T;
      try {
        value = parse(reading);
      } catch (error) {
        this.#refused = { digest, error };
        return this.#fail(digest, error);
      }
      this.#loadedDigest = digest;
      this.#report?.({ kind: 'loaded', value });
    } else if (told !== null) {
      this.#report?.({ kind: 'recovered' });
    }
    this.#health = { kind: 'sound' };
    return port.timing.pollMs;
  }

  #fail(key: string, error: unknown): number {
    const { port } = this.#source;
    if (this.#isClosed) return port.timing.pollMs;
    const told = this.#health.kind === 'sound' ? null : this.#health.told;
    if (this.#health.kind !== 'suspect' && told !== key) {
      this.#health = { kind: 'suspect', told };
      return port.timing.retryMs;
    }
    this.#health = { kind: 'failing', told: key };
    if (told !== key) this.#report?.({ kind: 'failed', error });
    return port.timing.pollMs;
  }
}
