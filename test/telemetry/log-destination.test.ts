import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LogDestination } from '../../src/telemetry/log-destination.ts';
import { createLogWriter, type LogWriter } from '../../src/telemetry/log-writer.ts';

const MIB = 2 ** 20;
const MKFIFO = 'mkfifo';
const SOURCE = join(import.meta.dirname, '../../src/telemetry');
let directory = '';
let cleanUp: (() => void)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-log-'));
});

afterEach(() => {
  for (const step of cleanUp) step();
  cleanUp = [];
  rmSync(directory, { recursive: true });
});

const never = (): void => {
  throw new Error('lost a chunk that should have been written');
};

/** A destination that writes to a path as if that were standard output. */
function toFile(path: string): LogDestination {
  const fd = openSync(path, 'a');
  cleanUp.push(() => closeSync(fd));
  const unused = (): never => {
    throw new Error('a file is not written through its stream');
  };
  return new LogDestination(createLogWriter({ fd, writableLength: 0, write: unused, on: unused }), MIB);
}

interface Pipe {
  readonly destination: LogDestination;
  /** What is in the pipe now, at most 1 MiB. */
  readonly read: () => string;
  /** The other end goes away. */
  readonly breakOff: () => void;
}

function toPipe(maxPendingBytes: number): Pipe {
  const path = join(directory, 'pipe');
  execFileSync(MKFIFO, [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY);
  const stream = Object.assign(new Socket({ fd, readable: false, writable: true }), { fd });
  let isOpen = true;
  const breakOff = (): void => {
    if (isOpen) closeSync(reader);
    isOpen = false;
  };
  cleanUp.push(() => stream.destroy(), breakOff);
  const read = (): string => {
    const buffer = Buffer.alloc(MIB);
    try {
      return buffer.toString('utf8', 0, readSync(reader, buffer));
    } catch {
      return '';
    }
  };
  return { destination: new LogDestination(createLogWriter(stream), maxPendingBytes), read, breakOff };
}

/** Runs a program that logs to its standard output, which is a pipe nobody reads until it is over; gives its exit code. */
async function runUnread(statements: string): Promise<unknown> {
  const program = `
    import { LogDestination } from ${JSON.stringify(join(SOURCE, 'log-destination.ts'))};
    import { createLogWriter } from ${JSON.stringify(join(SOURCE, 'log-writer.ts'))};
    const destination = new LogDestination(createLogWriter(process.stdout), 1e7);
    ${statements}`;
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: [...stdio] });
  child.stdout?.pause();
  const code = await new Promise((resolve) => child.on('exit', resolve));
  child.stdout?.destroy();
  return code;
}

describe('a file', () => {
  it('has every line in order', async () => {
    const path = join(directory, 'log');
    const destination = toFile(path);
    const lines = Array.from({ length: 500 }, (_, index) => `line ${index}\n`);
    for (const line of lines) destination.write(line, never);
    await destination.flush(5_000);
    expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
    expect(destination.failures).toBe(0);
  });

  it('has every line when the process ends right after a synchronous flush', () => {
    const path = join(directory, 'log');
    const program = `
      import { LogDestination } from ${JSON.stringify(join(SOURCE, 'log-destination.ts'))};
      import { createLogWriter } from ${JSON.stringify(join(SOURCE, 'log-writer.ts'))};
      const destination = new LogDestination(createLogWriter(process.stdout), 1e6);
      for (let index = 0; index < 100; index += 1) destination.write('line ' + index + '\\n', () => {});
      destination.flushSync(1000);
      process.exit(0);`;
    const fd = openSync(path, 'a');
    cleanUp.push(() => closeSync(fd));
    execFileSync(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', fd, 'inherit'] });
    const written = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    expect(written.toSorted()).toEqual(Array.from({ length: 100 }, (_, index) => `line ${index}`).toSorted());
  });

  it('EX-173 that is full costs the lines, counted, and neither throws nor waits', async () => {
    const destination = toFile('/dev/full');
    const onLost = vi.fn<() => void>();
    destination.write('first\n', onLost);
    destination.write('second\n', onLost);
    await destination.flush(5_000);
    expect(onLost).toHaveBeenCalledTimes(2);
    destination.write('third\n', onLost);
    await destination.flush(5_000);
    expect(onLost).toHaveBeenCalledTimes(3);
    expect(destination.failures).toBe(3);
  });

  it('EX-173 that is full ends a synchronous flush at once', async () => {
    const destination = toFile('/dev/full');
    const onLost = vi.fn<() => void>();
    for (let index = 0; index < 10; index += 1) destination.write('line\n', onLost);
    const start = performance.now();
    destination.flushSync(60_000);
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(onLost).toHaveBeenCalledTimes(9);
    await destination.flush(5_000);
    expect(onLost).toHaveBeenCalledTimes(10);
  });
});

describe('a pipe', () => {
  it('has every line in order', async () => {
    const { destination, read } = toPipe(MIB);
    destination.write('first\n', never);
    destination.write('second\n', never);
    await destination.flush(5_000);
    expect(read()).toBe('first\nsecond\n');
  });

  it('nobody reads holds a bounded number of bytes; the rest is lost and counted', async () => {
    const { destination, read } = toPipe(200_000);
    const line = `${'x'.repeat(999)}\n`;
    let lost = 0;
    for (let index = 0; index < 1_000; index += 1) destination.write(line, () => (lost += 1));
    expect(lost).toBe(800);
    expect(destination.failures).toBe(800);
    const start = performance.now();
    await destination.flush(10);
    expect(performance.now() - start).toBeLessThan(4_000);
    const waiting = destination.flush(10_000);
    let received = '';
    while (received.length < 200_000) {
      received += read();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waiting;
    expect(received).toBe(line.repeat(200));
    destination.write('later\n', never);
    await destination.flush(5_000);
    expect(read()).toBe('later\n');
  });

  it('that still owes the rest of a line takes no other line in a synchronous flush', async () => {
    const { destination, read } = toPipe(4 * MIB);
    const line = `${'x'.repeat(MIB)}\n`;
    destination.write(line, never);
    await destination.flush(10);
    let received = read();
    const onLost = vi.fn<() => void>();
    destination.write('second\n', onLost);
    destination.flushSync(0);
    expect(onLost).toHaveBeenCalledTimes(1);
    while (received.length < line.length) {
      received += read();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(received).toBe(line);
  });

  it('EX-173 that is closed costs the lines, counted, and neither throws nor waits', async () => {
    const { destination, breakOff } = toPipe(MIB);
    breakOff();
    const onLost = vi.fn<() => void>();
    for (let index = 0; index < 3; index += 1) destination.write('line\n', onLost);
    await destination.flush(5_000);
    destination.write('later\n', onLost);
    await destination.flush(5_000);
    destination.flushSync(5_000);
    expect(onLost).toHaveBeenCalledTimes(4);
    expect(destination.failures).toBe(4);
  });

  it('EX-173 that nobody reads does not keep a process from ending', async () => {
    const code = await runUnread(`
      for (let index = 0; index < 1000; index += 1) destination.write('x'.repeat(4000) + '\\n', () => {});
      destination.flushSync(50);
      setImmediate(() => process.exit(5));`);
    expect(code).toBe(5);
  });

  it('EX-173 that nobody reads does not keep the event loop from turning', async () => {
    const code = await runUnread(`
      for (let index = 0; index < 1000; index += 1) destination.write('x'.repeat(4000) + '\\n', () => {});
      let turns = 0;
      const turn = () => (++turns === 100 ? process.exit(6) : setImmediate(turn));
      turn();`);
    expect(code).toBe(6);
  });
});

describe('a write that fails in the middle of a line', () => {
  /** Takes two bytes of each chunk, then fails if `fails` says so. */
  function haltingWriter(fails: () => boolean): LogWriter & { text: string } {
    let isSecond = false;
    const writer = {
      text: '',
      write: (bytes: Buffer, done: (error: Error | null, bytesWritten: number) => void): void => {
        setImmediate(() => {
          isSecond = !isSecond;
          if (!isSecond && fails()) {
            done(new Error('no space left'), 0);
            return;
          }
          const taken = isSecond ? bytes.subarray(0, 2) : bytes;
          writer.text += taken.toString();
          done(null, taken.length);
        });
      },
      writeSync: (bytes: Buffer): number => {
        writer.text += bytes.toString();
        return bytes.length;
      },
    };
    return writer;
  }

  it('goes on with the rest of a chunk that was written in part', async () => {
    const writer = haltingWriter(() => false);
    const destination = new LogDestination(writer, MIB);
    destination.write('first\n', never);
    destination.write('second\n', never);
    await destination.flush(5_000);
    expect(writer.text).toBe('first\nsecond\n');
  });

  it('does not let the next line continue it', async () => {
    let failures = 1;
    const writer = haltingWriter(() => failures-- > 0);
    const destination = new LogDestination(writer, MIB);
    const onLost = vi.fn<() => void>();
    destination.write('first\n', onLost);
    destination.write('second\n', never);
    destination.write('third\n', never);
    await destination.flush(5_000);
    expect(onLost).toHaveBeenCalledTimes(1);
    expect(writer.text).toBe('fi\nsecond\nthird\n');
  });

  it('gives its bytes back to those that wait', async () => {
    const writer = haltingWriter(() => true);
    const destination = new LogDestination(writer, 8);
    for (let round = 0; round < 5; round += 1) {
      destination.write('1234567\n', () => {});
      await destination.flush(5_000);
    }
    expect(destination.failures).toBe(5);
    const onLost = vi.fn<() => void>();
    destination.write('1234567\n', onLost);
    expect(onLost).not.toHaveBeenCalled();
  });
});
