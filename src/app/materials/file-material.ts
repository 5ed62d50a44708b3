// A value read from files and kept up to date, and why its files can at present not be read, if so.

import type { Clock } from '../../core/clock.ts';
import type { FileGroup, FileWarning, GroupReading } from '../../files/file-group.ts';
import { openFileGroup, type ReloadEvent, type WatchedFiles, type WatchPort } from '../../files/watch-file-group.ts';
import type { WatchedMaterial } from '../../telemetry/recorder.ts';

export interface FileOrigin<T> {
  readonly group: FileGroup;
  /** Throws when the files are not what they should be. */
  readonly parse: (reading: GroupReading) => Parsed<T>;
}

export interface Parsed<T> {
  readonly value: T;
  readonly warnings: readonly FileWarning[];
}

/** What becomes of files; when it is told, the value is already in force. */
export interface FileEvents {
  /** Once for the first load, and again for every load after it. */
  readonly warned: (what: WatchedMaterial, warning: FileWarning) => void;
  readonly reloaded: (what: WatchedMaterial) => void;
  /** The files are again what is in force. */
  readonly recovered: (what: WatchedMaterial) => void;
  readonly failed: (what: WatchedMaterial, error: unknown) => void;
}

/** @throws what the first load fails with. */
export async function openFileMaterial<T>(
  name: WatchedMaterial,
  { group, parse }: FileOrigin<T>,
  port: WatchPort,
): Promise<FileMaterial<T>> {
  return new FileMaterial(name, await openFileGroup({ group, parse, port }), port.clock);
}

export class FileMaterial<T> {
  readonly name: WatchedMaterial;
  readonly #files: WatchedFiles<Parsed<T>>;
  readonly #clock: Clock;
  #current: T;
  #loadedMs: number;
  #failure: unknown = null;

  constructor(name: WatchedMaterial, files: WatchedFiles<Parsed<T>>, clock: Clock) {
    this.name = name;
    this.#clock = clock;
    this.#loadedMs = clock.monotonicMs();
    this.#files = files;
    this.#current = files.initial.value;
  }

  get current(): T {
    return this.#current;
  }

  /** Monotonic: when the files were last read and found to be something else. */
  get loadedMs(): number {
    return this.#loadedMs;
  }

  /** The failure of the last reload, or null when the files are what is in force. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Keeps the value up to date; `take` puts a new one in force. To be called once. */
  follow(take: (value: T) => void, events: FileEvents): void {
    for (const warning of this.#files.initial.warnings) events.warned(this.name, warning);
    this.#files.follow((event) => this.#report(event, take, events));
  }

  close(): void {
    this.#files.close();
  }

  #report(event: ReloadEvent<Parsed<T>>, take: (value: T) => void, events: FileEvents): void {
    switch (event.kind) {
      case 'loaded':
        this.#failure = null;
        this.#current = event.value.value;
        this.#loadedMs = this.#clock.monotonicMs();
        take(event.value.value);
        for (const warning of event.value.warnings) events.warned(this.name, warning);
        events.reloaded(this.name);
        return;
      case 'recovered':
        this.#failure = null;
        events.recovered(this.name);
        return;
      case 'failed':
        this.#failure = event.error;
        events.failed(this.name, event.error);
    }
  }
}
