// What `dev-ca serve` reads again: entries and bundles, each in its time, and what holds while one of them is wrong.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { EntriesDocument } from '../../src/cli/dev-ca-serve-entries.ts';
import { type AgentFiles, type AgentFilesEvent, openAgentFiles } from '../../src/cli/dev-ca-serve-files.ts';
import { nodeFileSystem } from '../../src/files/file-system.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { WatchTimers } from './watch-timers.ts';

const PARTNER = parseTrustDomain('partner.example');
const OTHER = parseTrustDomain('other.example');
const NOTHING: EntriesDocument = { entries: [], federation: new Map() };
const job = { id: parseSpiffeId('spiffe://ai.example/training/job-1'), hint: '', ttlMs: 30_000, dnsNames: [] };

let directory: string;
let port: WatchTimers;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-serve-'));
  port = new WatchTimers();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const path = (name: string) => join(directory, name);
function write(name: string, contents: string): void {
  writeFileSync(path(`${name}.new`), contents, { mode: 0o600 });
  renameSync(path(`${name}.new`), path(name));
}
const writeBundle = (name: string, trustDomain: string) => {
  const { certificatePem } = createTestAuthority(trustDomain);
  write(name, certificatePem);
  return certificatePem;
};
const entriesText = (ids: readonly string[], federation = '{}') =>
  `version: 1\nentries: [${ids.map((id) => `{ id: "spiffe://ai.example${id}" }`).join(', ')}]\nfederation: ${federation}\n`;

interface Followed {
  readonly files: AgentFiles;
  /** The next event; time passes until there is one. */
  readonly next: () => Promise<AgentFilesEvent>;
}

function open(fixed: EntriesDocument = NOTHING, entriesFile: string | null = 'entries.yaml'): Promise<AgentFiles> {
  return openAgentFiles({
    fixed,
    entriesFile: entriesFile === null ? null : { path: path(entriesFile), name: entriesFile },
    context: { own: parseTrustDomain('ai.example'), ttlMs: 30_000 },
    port,
  });
}

async function follow(
  fixed: EntriesDocument = NOTHING,
  entriesFile: string | null = 'entries.yaml',
): Promise<Followed> {
  const files = await open(fixed, entriesFile);
  onTestFinished(() => files.close());
  const events: AgentFilesEvent[] = [];
  files.follow((event) => {
    events.push(event);
    port.poke();
  });
  return { files, next: () => port.until(() => events.shift()) };
}

/** Opens what is expected to fail; it is tried twice. */
async function refusal(opening: Promise<unknown>): Promise<unknown> {
  const outcome: { error?: unknown } = {};
  opening.then(
    () => {
      outcome.error = new Error('was opened');
      port.poke();
    },
    (error: unknown) => {
      outcome.error = error;
      port.poke();
    },
  );
  return port.until(() => outcome.error);
}

/** Who comes to it waits until it is opened. */
class Gate {
  readonly #opened = Promise.withResolvers<void>();
  readonly #reached = Promise.withResolvers<void>();

  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  pass(): Promise<void> {
    this.#reached.resolve();
    return this.#opened.promise;
  }

  open(): void {
    this.#opened.resolve();
  }
}

const idsOf = (event: AgentFilesEvent) => (event.kind === 'entries' ? event.entries.map(({ id }) => id) : event);
const namesOf = (event: AgentFilesEvent) => (event.kind === 'bundles' ? [...event.bundles.keys()] : event);

describe('entries', () => {
  it('are those of the command line and of the file, also after it has changed', async () => {
    write('entries.yaml', entriesText(['/a']));
    const { files, next } = await follow({ ...NOTHING, entries: [job] });
    expect(files.initialEntries.map(({ id }) => id)).toEqual([job.id, 'spiffe://ai.example/a']);
    write('entries.yaml', entriesText(['/b', '/c']));
    expect(idsOf(await next())).toEqual([job.id, 'spiffe://ai.example/b', 'spiffe://ai.example/c']);
    write('entries.yaml', entriesText([]));
    expect(idsOf(await next())).toEqual([job.id]);
  });

  it('PF-123 stay while the file is wrong, which is told once, and are read when it is right again', async () => {
    write('entries.yaml', entriesText(['/a']));
    const { next } = await follow();
    write('entries.yaml', 'version: 1\nentries: [{ idd: x }]\n');
    expect(await next()).toMatchObject({
      kind: 'failed',
      error: { message: expect.stringContaining('entries.yaml:2:13: unknown key `idd`') },
    });
    rmSync(path('entries.yaml'));
    expect(await next()).toMatchObject({ kind: 'failed', error: { code: 'not-found' } });
    write('entries.yaml', entriesText(['/a']));
    expect(await next()).toEqual({ kind: 'recovered' });
    write('entries.yaml', entriesText(['/b']));
    expect(idsOf(await next())).toEqual(['spiffe://ai.example/b']);
  });

  it('may not be given by the command line and the file', async () => {
    write('entries.yaml', entriesText(['/training/job-1']));
    expect(await refusal(open({ ...NOTHING, entries: [job] }))).toMatchObject({
      code: 'given-twice',
      message: 'entries.yaml: `spiffe://ai.example/training/job-1` is given with --id already',
    });
  });

  it.each([
    ['is missing', null],
    ['is wrong', 'version: 1'],
    ['PF-130 may be written by everybody', entriesText(['/a'])],
  ])('are refused to begin with when their file %s', async (name, contents) => {
    if (contents !== null) writeFileSync(path('entries.yaml'), contents, { mode: 0o600 });
    if (name.includes('everybody')) {
      const { chmodSync } = await import('node:fs');
      chmodSync(path('entries.yaml'), 0o666);
    }
    expect(await refusal(open())).toMatchObject({ message: expect.stringContaining('entries.yaml') });
    expect(port.pending).toBe(0);
  });
});

describe('bundles of other trust domains', () => {
  it('are those of the command line and of the file, and follow their files', async () => {
    writeBundle('partner.pem', 'partner.example');
    writeBundle('other.pem', 'other.example');
    write('entries.yaml', entriesText(['/a'], '{ other.example: other.pem }'));
    const { files, next } = await follow({ entries: [], federation: new Map([[PARTNER, path('partner.pem')]]) });
    expect([...files.bundles.keys()]).toEqual([PARTNER, OTHER]);
    const before = files.bundles.get(PARTNER)?.authorities[0]?.sha256;
    writeBundle('partner.pem', 'partner.example');
    expect(namesOf(await next())).toEqual([PARTNER, OTHER]);
    expect(files.bundles.get(PARTNER)?.authorities[0]?.sha256).not.toBe(before);
  });

  it('follow their files without a file of entries', async () => {
    writeBundle('partner.pem', 'partner.example');
    const { next } = await follow({ entries: [job], federation: new Map([[PARTNER, path('partner.pem')]]) }, null);
    writeBundle('partner.pem', 'partner.example');
    expect(namesOf(await next())).toEqual([PARTNER]);
  });

  it('WA-158 are gone when the entries file names them no more, and there when it does', async () => {
    writeBundle('partner.pem', 'partner.example');
    writeBundle('other.pem', 'other.example');
    write('entries.yaml', entriesText(['/a'], '{ partner.example: partner.pem }'));
    const { next } = await follow();
    write('entries.yaml', entriesText(['/a'], '{ other.example: other.pem }'));
    expect((await next()).kind).toBe('entries');
    expect(namesOf(await next())).toEqual([]);
    expect(namesOf(await next())).toEqual([OTHER]);
    write('entries.yaml', entriesText(['/a']));
    expect((await next()).kind).toBe('entries');
    expect(namesOf(await next())).toEqual([]);
  });

  it('WA-163 stay as they were while a file is wrong', async () => {
    const original = writeBundle('partner.pem', 'partner.example');
    const { files, next } = await follow({ entries: [], federation: new Map([[PARTNER, path('partner.pem')]]) }, null);
    write('partner.pem', '<html>');
    expect(await next()).toMatchObject({ kind: 'failed', error: { message: expect.stringContaining('partner.pem') } });
    expect([...files.bundles.keys()]).toEqual([PARTNER]);
    write('partner.pem', original);
    expect(await next()).toEqual({ kind: 'recovered' });
  });

  it('that are named before they are there come when they are', async () => {
    writeBundle('partner.pem', 'partner.example');
    write('entries.yaml', entriesText(['/a'], '{ partner.example: partner.pem }'));
    const { files, next } = await follow();
    write('entries.yaml', entriesText(['/a'], '{ partner.example: partner.pem, other.example: other.pem }'));
    expect((await next()).kind).toBe('entries');
    expect(namesOf(await next())).toEqual([PARTNER]);
    expect(await next()).toMatchObject({ kind: 'failed', error: { code: 'not-found' } });
    expect([...files.bundles.keys()]).toEqual([PARTNER]);
    // Told once: the next thing that is told is that it has come.
    const coming = next();
    await port.until(() => (port.nowMs > 10_000 ? true : undefined));
    writeBundle('other.pem', 'other.example');
    expect(namesOf(await coming)).toEqual([PARTNER, OTHER]);
  });

  it('WA-158 that are named no more do not come back when their file has been read at last', async () => {
    writeBundle('other.pem', 'other.example');
    write('entries.yaml', entriesText(['/a']));
    const reading = new Gate();
    port.fileSystem = {
      ...nodeFileSystem,
      read: async (file, maxBytes) => {
        if (file.endsWith('other.pem')) await reading.pass();
        return nodeFileSystem.read(file, maxBytes);
      },
    };
    const { files, next } = await follow();
    write('entries.yaml', entriesText(['/a'], '{ other.example: other.pem }'));
    expect((await next()).kind).toBe('entries');
    await reading.reached;
    write('entries.yaml', entriesText(['/b']));
    expect(idsOf(await next())).toEqual(['spiffe://ai.example/b']);
    reading.open();
    write('entries.yaml', entriesText(['/c']));
    expect(idsOf(await next())).toEqual(['spiffe://ai.example/c']);
    expect(files.bundles.size).toBe(0);
  });

  it('WA-163 may not be given by the command line and the file', async () => {
    writeBundle('partner.pem', 'partner.example');
    write('entries.yaml', entriesText([], '{ partner.example: partner.pem }'));
    const fixed = { entries: [], federation: new Map([[PARTNER, path('partner.pem')]]) };
    expect(await refusal(open(fixed))).toMatchObject({
      code: 'given-twice',
      message: 'entries.yaml: `partner.example` is given with --federate already',
    });
  });

  it('are refused to begin with when a file is wrong', async () => {
    write('partner.pem', 'nothing');
    const fixed = { entries: [], federation: new Map([[PARTNER, path('partner.pem')]]) };
    expect(await refusal(open(fixed, null))).toMatchObject({ message: expect.stringContaining('partner.pem') });
  });
});

it('looks at nothing any more when it is closed', async () => {
  writeBundle('partner.pem', 'partner.example');
  write('entries.yaml', entriesText(['/a'], '{ partner.example: partner.pem }'));
  const { files } = await follow();
  expect(port.pending).toBe(2);
  files.close();
  expect(port.pending).toBe(0);
});
