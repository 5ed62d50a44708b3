// Secrets onto disk: whole or not at all, one winner, and nothing left behind.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CredentialFile, writeCredentialFiles } from '../../src/cli/credential-files.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-credentials-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function pair(contents: string): readonly CredentialFile[] {
  return [
    { path: join(directory, 'x.key'), contents, readers: 'owner' },
    { path: join(directory, 'x.pem'), contents, readers: 'everybody' },
  ];
}

const read = (name: string) => readFileSync(join(directory, name), 'utf8');

describe('writeCredentialFiles', () => {
  it('gives each file its mode and leaves nothing else', async () => {
    await writeCredentialFiles(pair('first'), 'refuse');
    expect(readdirSync(directory).sort()).toEqual(['x.key', 'x.pem']);
    expect(statSync(join(directory, 'x.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'x.pem')).mode & 0o077).toBe(0o044 & ~process.umask());
  });

  it('has one winner among writers that race, who wins every file', async () => {
    const writers = Array.from({ length: 20 }, (_, index) => writeCredentialFiles(pair(`writer ${index}`), 'refuse'));
    const outcomes = await Promise.allSettled(writers);
    const winners = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []));
    expect(winners).toHaveLength(1);
    expect([read('x.key'), read('x.pem')]).toEqual([`writer ${winners[0]}`, `writer ${winners[0]}`]);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'file-exists' });
    }
    expect(readdirSync(directory)).toHaveLength(2);
  });

  it('writes nothing when a name is taken by a link that leads nowhere', async () => {
    symlinkSync(join(directory, 'nowhere'), join(directory, 'x.pem'));
    await expect(writeCredentialFiles(pair('first'), 'refuse')).rejects.toMatchObject({ code: 'file-exists' });
    expect(readdirSync(directory)).toEqual(['x.pem']);
  });

  it('is never half there for a reader while it is replaced', async () => {
    const long = ['a', 'b'].map((letter) => letter.repeat(1_000_000));
    await writeCredentialFiles(pair(long[0] ?? ''), 'refuse');
    const ended = new AbortController();
    const writing = writeCredentialFiles(pair(long[1] ?? ''), 'replace').finally(() => ended.abort());
    while (!ended.signal.aborted) {
      expect(long.includes(read('x.key'))).toBe(true);
      await new Promise(setImmediate);
    }
    await writing;
    expect(read('x.key')).toBe(long[1]);
  });

  it('leaves everything as it was when one file cannot be written', async () => {
    writeFileSync(join(directory, 'file'), '');
    await writeCredentialFiles(pair('first'), 'refuse');
    const beyond: CredentialFile = { path: join(directory, 'file/y.pem'), contents: '', readers: 'everybody' };
    await expect(writeCredentialFiles([...pair('second'), beyond], 'replace')).rejects.toMatchObject({
      code: 'cannot-write',
      message: expect.stringMatching(/^cannot write `.*file\/y\.pem`: E/),
    });
    expect([read('x.key'), read('x.pem')]).toEqual(['first', 'first']);
    expect(readdirSync(directory).sort()).toEqual(['file', 'x.key', 'x.pem']);
  });

  it('makes missing directories for this user only', async () => {
    await writeCredentialFiles([{ path: join(directory, 'a/b/x.key'), contents: '', readers: 'owner' }], 'refuse');
    expect(statSync(join(directory, 'a')).mode & 0o777).toBe(0o700);
    expect(existsSync(join(directory, 'a/b/x.key'))).toBe(true);
  });
});
