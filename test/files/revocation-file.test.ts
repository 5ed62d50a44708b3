import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileError } from '../../src/files/file-error.ts';
import { readFileGroup } from '../../src/files/file-group.ts';
import { nodeFileSystem } from '../../src/files/file-system.ts';
import { parseRevocationFile, revocationGroup } from '../../src/files/revocation-file.ts';
import { openFileGroup } from '../../src/files/watch-file-group.ts';
import type { Revocation } from '../../src/revocation/revocation.ts';
import { revocationKey } from '../../src/revocation/revocation.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { DocumentError } from '../../src/yaml/located.ts';
import { FakeWatchPort } from './fake-watch-port.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

const OWN = parseTrustDomain('ai.example');
const LONG = 5_000;
const listing = (...ids: readonly string[]): string =>
  `version: 1\nrevocations: [${ids.map((id) => `{ id: ${id}, reason: x, at: 2026-11-01T00:00:00Z }`).join(', ')}]\n`;
const keys = (revocations: readonly Revocation[]): string =>
  revocations.map(({ target }) => revocationKey(target)).join(' ');

let directory: TemporaryDirectory;
beforeEach(() => {
  directory = new TemporaryDirectory();
});
afterEach(() => directory.remove());

describe('the revocation file', () => {
  it('gives its entries', async () => {
    const path = directory.write('revoked.yaml', listing('/a', 'spiffe://b.example/*'));
    const reading = await readFileGroup(revocationGroup(path), nodeFileSystem);
    expect(keys(parseRevocationFile(reading, path, OWN))).toBe('id:spiffe://ai.example/a id:spiffe://b.example/*');
  });

  it('is told with its path and the place of what is wrong', async () => {
    const path = directory.write('revoked.yaml', 'version: 1\nrevocations:\n  - { id: /a }\n');
    const reading = await readFileGroup(revocationGroup(path), nodeFileSystem);
    expect(() => parseRevocationFile(reading, path, OWN)).toThrow(`${path}:3:5: a revocation needs \`reason\``);
  });

  it('that is not there is an error, and no empty list', async () => {
    const path = directory.at('revoked.yaml');
    await expect(readFileGroup(revocationGroup(path), nodeFileSystem)).rejects.toMatchObject({ code: 'not-found' });
    expect(() => parseRevocationFile({ files: [], digest: '', warnings: [] }, path, OWN)).toThrow(FileError);
  });

  it('hands over each new list, and none that is broken, empty or gone', async () => {
    const path = directory.write('revoked.yaml', listing('/a'));
    const port = new FakeWatchPort();
    const watch = await openFileGroup({
      group: revocationGroup(path),
      parse: (reading) => parseRevocationFile(reading, path, OWN),
      port,
    });
    const seen: string[] = [keys(watch.initial)];
    watch.follow((event) => {
      if (event.kind === 'loaded') seen.push(keys(event.value));
      else if (event.kind === 'recovered') seen.push('recovered');
      else if (event.error instanceof DocumentError) seen.push(event.error.problems.map(({ code }) => code).join(' '));
      else if (event.error instanceof FileError) seen.push(event.error.code);
    });
    const steps: readonly (() => void)[] = [
      () => directory.replace('revoked.yaml', listing('/a', '/b')),
      () => directory.replace('revoked.yaml', ''),
      () => directory.replace('revoked.yaml', 'version: 1\nrevocations:\n'),
      () => rmSync(path),
      () => directory.replace('revoked.yaml', listing()),
    ];
    for (const step of steps) {
      step();
      await port.pass(LONG);
    }
    watch.close();
    expect(seen).toEqual([
      'id:spiffe://ai.example/a',
      'id:spiffe://ai.example/a id:spiffe://ai.example/b',
      'yaml-empty',
      'wrong-type',
      'not-found',
      '',
    ]);
  });
});
