import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileFacts } from '../../src/artifact/run.ts';
import { readFileFacts } from '../../src/artifact-files/file-reading.ts';
import { sha256 } from '../artifact/run-fixture.ts';

const CONTENT = Buffer.alloc(1024 * 1024, 'weights');

describe('readFileFacts', () => {
  let home = '';
  let path = '';
  let identity = '';

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'sallyport-file-'));
    path = join(home, 'model.bin');
    writeFileSync(path, CONTENT);
    const { dev, ino } = statSync(path);
    identity = `${dev}:${ino}`;
  });

  afterEach(() => rmSync(home, { recursive: true, force: true }));

  const read = (report: () => void = () => undefined): FileFacts =>
    readFileFacts({ id: 0, path, name: 'model.bin', identity, algorithms: ['sha256'] }, report);

  it('hashes what is there', () => {
    expect(read()).toMatchObject({ kind: 'read', digests: { sha256: sha256(CONTENT) } });
  });

  it.each<[string, () => void]>([
    ['grows', () => appendFileSync(path, 'x')],
    ['shrinks', () => truncateSync(path, 512)],
    ['is written over in place', () => writeFileSync(path, CONTENT, { flag: 'r+' })],
  ])('B12 says nothing of a file that %s while it is hashed', (_name, change) => {
    let isFirst = true;
    const facts = read(() => {
      if (isFirst) change();
      isFirst = false;
    });
    expect(facts.kind).toBe('changed');
  });

  it('B12 says nothing of a file in whose place another was put', () => {
    writeFileSync(join(home, 'other.bin'), CONTENT);
    renameSync(join(home, 'other.bin'), path);
    expect(read().kind).toBe('changed');
  });

  it('follows no link that was put in its place', () => {
    renameSync(path, join(home, 'moved.bin'));
    symlinkSync('moved.bin', path);
    expect(read().kind).toBe('unreadable');
  });

  it('tells of a file that is gone', () => {
    rmSync(path);
    expect(read()).toEqual({ kind: 'unreadable', detail: 'no such file or directory' });
  });
});
