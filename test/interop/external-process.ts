// A program of others that a test runs beside Sallyport: its output line by line, its end, and never left behind.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { createInterface } from 'node:readline';

/** Long enough for a busy machine; what takes longer does not come. */
const WRITTEN_WITHIN_MS = 40_000;

export class ExternalProcess {
  /** Of both streams, in the order in which they came. */
  readonly lines: string[] = [];
  /** Resolves after the last of its output has been read. */
  readonly ended: Promise<void>;
  readonly #name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #kill = (): void => void this.#child.kill('SIGKILL');
  readonly #waiters = new Set<() => void>();
  #hasEnded = false;

  constructor(program: string, parameters: readonly string[]) {
    this.#name = [program, ...parameters].join(' ');
    this.#child = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'pipe'] });
    // What it no longer reads it says by ending.
    this.#child.stdin.on('error', () => {});
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line);
        this.#wake();
      });
    }
    this.#child.once('error', ({ message }) => this.lines.push(message));
    process.once('exit', this.#kill);
    this.ended = new Promise((done) => {
      this.#child.once('close', () => {
        process.off('exit', this.#kill);
        this.#hasEnded = true;
        this.#wake();
        done();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Gives it a line of input. */
  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** What `read` makes of the first line, from that number on, of which it makes anything. */
  async find<T>(read: (line: string) => T | null, from = 0): Promise<T> {
    let isLate = false;
    const deadline = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, WRITTEN_WITHIN_MS);
    try {
      for (let next = from; ; ) {
        for (; next < this.lines.length; next += 1) {
          const found = read(this.lines[next] ?? '');
          if (found !== null) return found;
        }
        if (this.#hasEnded || isLate) throw new Error(`${this.#complaint()}\n${this.lines.slice(-30).join('\n')}`);
        await new Promise<void>((resolve) => this.#waiters.add(resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Resolves when the text has been written. */
  async writes(text: string): Promise<void> {
    await this.find((line) => (line.includes(text) ? true : null));
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.ended;
  }

  #complaint(): string {
    return `${this.#name} ${this.#hasEnded ? 'ended' : 'went on'} without what was expected of it; its last lines:`;
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }
}
