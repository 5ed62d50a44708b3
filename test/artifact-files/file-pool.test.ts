import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PoolJob, readFiles } from '../../src/artifact-files/file-pool.ts';
import { readFileFacts } from '../../src/artifact-files/file-reading.ts';

const MIB = 1024 * 1024;

describe('readFiles', () => {
  let home = '';

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'sallyport-pool-'));
  });

  afterEach(() => rmSync(home, { recursive: true, force: true }));

  /** A file that begins with its own name, and is holes for the rest. */
  const jobOf = (name: string, bytes: number): PoolJob => {
    const path = join(home, name);
    writeFileSync(path, name);
    truncateSync(path, bytes);
    const { dev, ino } = statSync(path);
    return { path, name, identity: `${dev}:${ino}`, algorithms: ['sha256'], bytes };
  };

  it.each<[string, number]>([
    ['little, without a thread', 2 * MIB],
    ['much, in threads', 20 * MIB],
  ])('tells the facts of each file in the order of the jobs: %s', async (_name, unit) => {
    const jobs = [0, 3, 1, 2, 0, 1].map((times, at) => jobOf(`model-${at}.bin`, 16 + times * unit));
    let bytes = 0;
    const facts = await readFiles(jobs, { onProgress: (more) => void (bytes += more) });
    expect(facts).toEqual(jobs.map((job, id) => readFileFacts({ ...job, id }, () => undefined)));
    expect(new Set(facts.map((each) => (each.kind === 'read' ? each.digests.sha256 : each.kind))).size).toBe(6);
    expect(bytes).toBe(jobs.reduce((sum, job) => sum + job.bytes, 0));
  });

  it('says of a file that went, among many, that it did', async () => {
    const jobs = [jobOf('a.bin', 40 * MIB), jobOf('b.bin', 40 * MIB), jobOf('c.bin', 16)];
    rmSync(join(home, 'a.bin'));
    const facts = await readFiles(jobs, { onProgress: () => undefined });
    expect(facts.map(({ kind }) => kind)).toEqual(['unreadable', 'read', 'read']);
  });

  it('reads nothing when there is nothing', async () => {
    expect(await readFiles([], { onProgress: () => undefined })).toEqual([]);
  });
});
