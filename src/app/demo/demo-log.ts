// The sidecar's log in a file, as it would be written in production; read along for what is told nowhere else.

import { closeSync, openSync, writeSync } from 'node:fs';
import type { LineSink } from '../../telemetry/log-destination.ts';

export type LogEntry = Readonly<Record<string, unknown>>;

/** Told of each entry with the message it is registered for. */
type EntryListener = (entry: LogEntry) => void;

export class DemoLog implements LineSink {
  /** Null once closed: the number may be another file's by then. */
  #fd: number | null;
  #failures = 0;
  readonly #listeners = new Map<string, Set<EntryListener>>();

  /** Begins the file anew. */
  constructor(file: string) {
    this.#fd = openSync(file, 'w');
  }

  get failures(): number {
    return this.#failures;
  }

  /** Calls `onEntry` with what is logged with `message` from now on; returns the way out. */
  subscribe(message: string, onEntry: EntryListener): () => void {
    const listeners = this.#listeners.get(message) ?? new Set();
    this.#listeners.set(message, listeners.add(onEntry));
    return () => {
      listeners.delete(onEntry);
    };
  }

  write(written: string | Buffer, onLost: () => void): void {
    const lines = String(written);
    for (const [message, listeners] of this.#listeners) {
      if (listeners.size > 0 && lines.includes(JSON.stringify(message))) readAlong(lines, message, listeners);
    }
    try {
      if (this.#fd !== null) writeSync(this.#fd, lines);
    } catch {
      this.#failures += 1;
      onLost();
    }
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

function readAlong(lines: string, message: string, listeners: ReadonlySet<EntryListener>): void {
  for (const line of lines.trimEnd().split('\n')) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null || !('msg' in entry) || entry.msg !== message) continue;
    for (const tell of listeners) tell({ ...entry });
  }
}
