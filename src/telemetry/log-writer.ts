// How bytes get into a descriptor without the event loop or a pool thread waiting for whoever reads them.

import { fstatSync, write, writeSync } from 'node:fs';

/** What is used of `process.stdout` and `process.stderr`. */
export interface LogStream {
  readonly fd: number;
  /** Bytes accepted by `write` that the operating system has not taken yet. */
  readonly writableLength: number;
  write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface LogWriter {
  /** One at a time. May write less than everything. */
  write(bytes: Buffer, done: (error: Error | null, bytesWritten: number) => void): void;
  /** Bytes written, or null when they would have to wait. Throws when they cannot be written at all. */
  writeSync(bytes: Buffer): number | null;
}

/**
 * A pipe or socket is written through its stream, which waits in the event loop: a write into a full one from the thread pool
 * would hold the thread, and Node waits for its threads before it exits. A file is written from the pool, for its stream would
 * wait for the disk.
 */
export function createLogWriter(stream: LogStream): LogWriter {
  const stat = fstatSync(stream.fd);
  return stat.isFIFO() || stat.isSocket() ? streamWriter(stream) : fileWriter(stream.fd);
}

function fileWriter(fd: number): LogWriter {
  return {
    write: (bytes, done) => write(fd, bytes, done),
    writeSync: (bytes) => writeSync(fd, bytes),
  };
}

function streamWriter(stream: LogStream): LogWriter {
  // Every failure reaches the callback of its write; without a listener it would end the process as well.
  stream.on('error', () => {});
  return {
    write: (bytes, done) => {
      stream.write(bytes, (error) => done(error ?? null, bytes.length));
    },
    writeSync: (bytes) => {
      // What the stream holds comes first, and only the event loop can write that.
      if (stream.writableLength > 0) return null;
      try {
        return writeSync(stream.fd, bytes);
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return null;
        throw error;
      }
    },
  };
}
