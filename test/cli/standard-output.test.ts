import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeWhole } from '../../src/cli/standard-output.ts';

// Longer than a pipe holds, with characters of one to four bytes on every boundary there is.
const TEXT = Array.from({ length: 40_000 }, (_, index) => `${index}aé€😀`).join('');

describe('standard output', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-output-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function makePipe(name: string): string {
    const path = join(directory, name);
    execFileSync('mkfifo', [path]);
    return path;
  }

  it('writes every character to a file', () => {
    const path = join(directory, 'file');
    const descriptor = openSync(path, 'w');
    expect(writeWhole(descriptor, TEXT)).toBe('written');
    expect(writeWhole(descriptor, '')).toBe('written');
    closeSync(descriptor);
    expect(readFileSync(path, 'utf8')).toBe(TEXT);
  });

  it.each([
    ['waits', 0],
    ['does not wait', constants.O_NONBLOCK],
  ])('writes every character to a pipe that %s, as fast as it is read', async (_name, flags) => {
    const path = makePipe(`pipe-${flags}`);
    const copy = join(directory, `copy-${flags}`);
    const reader = spawn('sh', ['-c', 'cat "$0" > "$1"', path, copy], { stdio: 'ignore' });
    const ended = new Promise((resolve) => reader.once('exit', resolve));
    // Waits for the reader.
    const first = openSync(path, constants.O_WRONLY);
    const descriptor = openSync(path, constants.O_WRONLY | flags);
    expect(writeWhole(descriptor, TEXT)).toBe('written');
    closeSync(first);
    closeSync(descriptor);
    await ended;
    expect(readFileSync(copy, 'utf8')).toBe(TEXT);
  });

  it('says when nobody reads any more', () => {
    const path = makePipe('closed');
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const descriptor = openSync(path, constants.O_WRONLY);
    closeSync(reader);
    expect(writeWhole(descriptor, TEXT)).toBe('gone');
    closeSync(descriptor);
  });

  it('throws for what is wrong with the descriptor', () => {
    expect(() => writeWhole(1_000_000, 'x')).toThrow('EBADF');
  });
});
