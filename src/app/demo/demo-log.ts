// The sidecar's log in a file, as it would be written in production; read along for what is told nowhere else.

import { closeSync, openSync, writeSync } from 'node:fs';
import type { LineSink } from '../../telemetry/log-destination.ts';

export class DemoLog implements LineSink {
  /** Null once closed: the number may be another file's by then. */
  #fd: number | null;
  #failures = 0;
  #anonymousReason = '';

  /** Begins the file anew. */
  constructor(file: string) {
    this.#fd = openSync(file, 'w');
  }

  get failures(): number {
    return this.#failures;
  }

  /** Why the peer that was not authenticated last was not: a metric counts it and the log says it, a record has it not. */
  get anonymousReason(): string {
    return this.#anonymousReason;
  }

  write(lines: string, onLost: () => void): void {
    this.#readAlong(lines);
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

  #readAlong(lines: string): void {
    if (!lines.includes('"peer not authenticated"')) return;
    for (const line of lines.trimEnd().split('\n')) {
      const entry: unknown = JSON.parse(line);
      if (typeof entry !== 'object' || entry === null || !('msg' in entry) || !('reason' in entry)) continue;
      if (entry.msg === 'peer not authenticated') this.#anonymousReason = String(entry.reason);
    }
  }
}
