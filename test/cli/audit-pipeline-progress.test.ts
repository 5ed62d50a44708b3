import { describe, expect, it } from 'vitest';
import { createProgressBar, formatProgress } from '../../src/cli/audit-pipeline-progress.ts';

const GIB = 1024 ** 3;

function watch(isTerminal: boolean): {
  readonly written: string[];
  readonly bar: ReturnType<typeof createProgressBar>;
  readonly pass: (ms: number) => void;
} {
  const written: string[] = [];
  let nowMs = 0;
  const io = {
    write: () => undefined,
    tell: () => undefined,
    writeError: (text: string) => void written.push(text),
    stdin: (async function* () {})(),
    colour: false,
    setExitCode: () => undefined,
  };
  const bar = createProgressBar(io, { wallMs: () => 0, monotonicMs: () => nowMs }, isTerminal);
  return { written, bar, pass: (ms) => void (nowMs += ms) };
}

describe('the progress of hashing', () => {
  it.each([
    [
      { doneBytes: 0, totalBytes: 4 * GIB, files: 2, elapsedMs: 0 },
      'hashing [------------------------]   0%  0 B of 4.0 GiB in 2 files',
    ],
    [
      { doneBytes: GIB, totalBytes: 4 * GIB, files: 1, elapsedMs: 2000 },
      'hashing [######------------------]  25%  1.0 GiB of 4.0 GiB in 1 file, 512 MiB/s, 6 s left',
    ],
    [
      { doneBytes: GIB, totalBytes: 400 * GIB, files: 9, elapsedMs: 2000 },
      'hashing [------------------------]   0%  1.0 GiB of 400 GiB in 9 files, 512 MiB/s, 13 min 18 s left',
    ],
    [
      { doneBytes: GIB, totalBytes: 9000 * GIB, files: 9, elapsedMs: 2000 },
      'hashing [------------------------]   0%  1.0 GiB of 8.8 TiB in 9 files, 512 MiB/s, 4 h 59 min left',
    ],
    [
      { doneBytes: 0, totalBytes: 0, files: 0, elapsedMs: 900 },
      'hashing [########################] 100%  0 B of 0 B in 0 files, 0 B/s',
    ],
  ])('tells rate and time left: %j', (progress, expected) => {
    expect(formatProgress(progress)).toBe(expected);
  });

  it('is drawn ten times a second at most, and taken away at the end', () => {
    const { written, bar, pass } = watch(true);
    for (let doneBytes = 0; doneBytes < 50; doneBytes += 1) {
      bar.show({ doneBytes, totalBytes: 100, files: 1 });
      pass(10);
    }
    bar.show({ doneBytes: 100, totalBytes: 100, files: 1 });
    bar.clear();
    expect(written).toHaveLength(7);
    expect(written.at(-1)).toBe('\r\u001B[K');
  });

  it('is silent where nobody watches', () => {
    const { written, bar } = watch(false);
    bar.show({ doneBytes: 1, totalBytes: 2, files: 1 });
    bar.clear();
    expect(written).toEqual([]);
  });
});
