// Where log lines go without anybody waiting for them: a full disk, a closed pipe or a reader that sleeps costs lines, never requests.

import type { LogWriter } from './log-writer.ts';

const SYNC_RETRY_MS = 5;
const NEWLINE = 0x0a;

export interface LineSink {
  /**
   * Takes whole lines of ASCII, and bytes for good; `onLost` is called, now or later, if they are not written. Never throws, never waits.
   */
  write(lines: string | Buffer, onLost: () => void): void;
}

interface Chunk {
  bytes: Buffer;
  readonly onLost: () => void;
}

/**
 * Chunks of whole lines, written in order and one at a time. pino's own destination is not used: after a failed write its
 * synchronous flush tries for ever, after a broken pipe it drops without counting, and a full pipe keeps the process from exiting.
 */
export class LogDestination implements LineSink {
  readonly #writer: LogWriter;
  readonly #maxPendingBytes: number;
  /** While a write is under way, the first is what it writes. */
  readonly #queue: Chunk[] = [];
  #isWriting = false;
  #pendingBytes = 0;
  #failures = 0;
  /** The chunk whose last written byte is inside a line: no other may continue that line. */
  #unfinished: Chunk | null = null;
  #whenIdle: (() => void)[] = [];

  /** At most `maxPendingBytes` wait to be written. */
  constructor(writer: LogWriter, maxPendingBytes: number) {
    this.#writer = writer;
    this.#maxPendingBytes = maxPendingBytes;
  }

  /** Chunks that could not be written or were turned away. */
  get failures(): number {
    return this.#failures;
  }

  /** What waits to be written: whoever may wait had better hand over no more. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  write(lines: string | Buffer, onLost: () => void): void {
    const chunk = { bytes: typeof lines === 'string' ? Buffer.from(lines, 'latin1') : lines, onLost };
    if (this.#pendingBytes + chunk.bytes.length > this.#maxPendingBytes) {
      this.#failures += 1;
      onLost();
      return;
    }
    this.#queue.push(chunk);
    this.#pendingBytes += chunk.bytes.length;
    if (!this.#isWriting) this.#writeFirst();
  }

  /** Resolves when nothing waits any more, or after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void> {
    if (!this.#isWriting) return Promise.resolve();
    return new Promise((resolve) => {
      const deadline = setTimeout(resolve, timeoutMs);
      this.#whenIdle.push(() => {
        clearTimeout(deadline);
        resolve();
      });
    });
  }

  /** Writes what waits before it returns, for a process about to end; gives up after `timeoutMs`. */
  flushSync(timeoutMs: number): void {
    // The write under way cannot be called back: the operating system has it, or nobody reads.
    const waiting = this.#queue.splice(this.#isWriting ? 1 : 0);
    const deadlineMs = performance.now() + timeoutMs;
    for (const chunk of waiting) this.#writeSync(chunk, deadlineMs);
  }

  #writeFirst(): void {
    const [chunk] = this.#queue;
    this.#isWriting = chunk !== undefined;
    if (chunk === undefined) {
      for (const resolve of this.#whenIdle.splice(0)) resolve();
      return;
    }
    this.#startLine(chunk);
    this.#writer.write(chunk.bytes, (error, bytesWritten) => {
      if (error === null) this.#advance(chunk, bytesWritten);
      else this.#lose(chunk);
      if (chunk.bytes.length === 0) this.#queue.shift();
      this.#writeFirst();
    });
  }

  #writeSync(chunk: Chunk, deadlineMs: number): void {
    this.#startLine(chunk);
    while (chunk.bytes.length > 0) {
      try {
        const bytesWritten = this.#writer.writeSync(chunk.bytes);
        if (bytesWritten !== null) this.#advance(chunk, bytesWritten);
        else if (performance.now() < deadlineMs) sleep(SYNC_RETRY_MS);
        else this.#lose(chunk);
      } catch {
        this.#lose(chunk);
      }
    }
  }

  #startLine(chunk: Chunk): void {
    if (this.#unfinished === null || this.#unfinished === chunk) return;
    chunk.bytes = Buffer.concat([Buffer.of(NEWLINE), chunk.bytes]);
    this.#pendingBytes += 1;
    this.#unfinished = null;
  }

  #advance(chunk: Chunk, bytesWritten: number): void {
    this.#unfinished = chunk.bytes[bytesWritten - 1] === NEWLINE ? null : chunk;
    this.#pendingBytes -= bytesWritten;
    chunk.bytes = chunk.bytes.subarray(bytesWritten);
  }

  #lose(chunk: Chunk): void {
    this.#failures += 1;
    this.#pendingBytes -= chunk.bytes.length;
    chunk.bytes = chunk.bytes.subarray(chunk.bytes.length);
    chunk.onLost();
  }
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, milliseconds);
}
