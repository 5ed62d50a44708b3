// Hashing beside `openssl dgst -sha256`, in turns, one core each: what the threads of `audit pipeline` do to a file, and nothing else.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileFacts } from '../src/artifact-files/file-reading.ts';
import { summarise, type Summary } from './summary.ts';

export interface HashTerms {
  readonly rounds: number;
  readonly bytes: number;
}

export interface HashFigures {
  readonly mibPerSecond: Summary;
  readonly opensslMibPerSecond: Summary;
  /** Ours to openssl's, of each round. */
  readonly ratio: Summary;
}

/** Of one file in the page cache, with everything that `audit pipeline` does to it: content and credentials are looked at as well. */
export function measureHash({ rounds, bytes }: HashTerms): HashFigures | { readonly missing: string } {
  const home = mkdtempSync(join(tmpdir(), 'sallyport-hash-'));
  try {
    const path = join(home, 'weights.bin');
    writeFileSync(path, Buffer.alloc(bytes, 'weights of a model\u0000'));
    const { dev, ino } = statSync(path);
    const job = { id: 0, path, name: 'weights.bin', identity: `${dev}:${ino}`, algorithms: ['sha256'] as const };
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const [openssl, hex] = timed(() =>
        execFileSync('openssl', ['dgst', '-sha256', '-r', path], { encoding: 'utf8' }).slice(0, 64),
      );
      const [sallyport, facts] = timed(() => readFileFacts(job, () => undefined));
      if (facts.kind !== 'read' || facts.digests.sha256 !== hex) throw new Error('two digests of one file');
      // The first is to warm up.
      if (round === 0) continue;
      theirs.push(openssl);
      ours.push(sallyport);
    }
    const toRate = (ms: number): number => bytes / 1024 / 1024 / (ms / 1000);
    return {
      mibPerSecond: summarise(ours.map(toRate)),
      opensslMibPerSecond: summarise(theirs.map(toRate)),
      ratio: summarise(ours.map((ms, index) => (theirs[index] ?? Number.NaN) / ms)),
    };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { missing: 'openssl is not installed' };
    throw error;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function timed<Result>(run: () => Result): readonly [number, Result] {
  const start = performance.now();
  const result = run();
  return [performance.now() - start, result];
}
