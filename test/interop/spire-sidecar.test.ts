// The sidecar as an operator runs it, with a real SPIRE on both sides: its own identity and its callers' come from one agent.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as passes } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ARTICLE_POLICY, ScriptedUpstream } from '../support/proxy-fixture.ts';
import { runSidecar, type SidecarFiles, type SidecarProcess } from '../support/sidecar-process.ts';
import { type PeerClient, startClient } from './go-peer.ts';
import { buildGoProgram, GO_BUILDS_WITHIN_MS, type GoProgram } from './go-program.ts';
import { selectorsOf } from './spire/agent.ts';
import { findSpire, SPIRE_IS_MISSING } from './spire/programs.ts';
import { type Spire, startSpire } from './spire/spire.ts';

const programs = findSpire();
let peer: GoProgram = { kind: 'missing', reason: 'not built' };
let spire: Spire;

beforeAll(async () => {
  if (programs === null) return;
  peer = await buildGoProgram('go-spiffe peer');
  if (peer.kind === 'built') spire = await startSpire({ programs, trustDomain: 'ai.example' });
}, GO_BUILDS_WITHIN_MS);

afterAll(async () => {
  if (peer.kind === 'built') peer.remove();
  await spire?.close();
});

beforeEach(({ onTestFailed, skip }) => {
  if (programs === null) skip(SPIRE_IS_MISSING);
  if (peer.kind === 'missing') skip(peer.reason);
  onTestFailed(() => void process.stderr.write(spire.log));
});

describe('the sidecar and SPIRE (skipped where SPIRE is not built)', () => {
  it('answers every request while both SVIDs rotate every second and the agent is killed', async () => {
    const { sidecar, sidecarId, client, url } = await open('rotating');
    expect(await client.send({ url })).toMatchObject({ status: 200, body: 'done', peer: sidecarId });
    const failures: object[] = [];
    const over = new AbortController();
    let requests = 0;
    const traffic = (async () => {
      while (!over.signal.aborted) {
        requests += 1;
        // Every tenth with a handshake of its own.
        const answer = await client.send({ url, fresh: requests % 10 === 0 });
        if (answer.status !== 200) failures.push(answer);
      }
    })();
    await passes(2_000);
    await spire.agent.kill();
    await spire.agent.start();
    await passes(3_000);
    over.abort();
    await traffic;
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
    expect(sidecar.errors).toBe('');
  }, 60_000);

  it('stops when its entry is deleted, says so, and goes on when it has one again', async () => {
    const { sidecar, sidecarId, client, url, entryId } = await open('deleted');
    expect(await client.send({ url })).toMatchObject({ status: 200 });
    await spire.server.deleteEntry(entryId);
    const answer = () => client.send({ url, fresh: true });
    await until(answer, ({ error }) => error.endsWith('tls: handshake failure'));
    const unready = await sidecar.get('/readyz');
    expect(unready).toMatchObject({ status: 503, body: expect.stringContaining('Workload API withdrawn') });
    await createEntry(process.execPath, sidecarId);
    await until(answer, ({ status }) => status === 200);
    expect(await sidecar.get('/readyz')).toMatchObject({ status: 200 });
  }, 60_000);
});

interface Opened {
  readonly sidecar: SidecarProcess;
  readonly client: PeerClient;
  readonly url: string;
  readonly sidecarId: string;
  /** Of the sidecar. */
  readonly entryId: string;
}

/** A sidecar in front of a service that answers `done`, and a caller that may use it. */
async function open(name: string): Promise<Opened> {
  if (peer.kind === 'missing') throw new Error(peer.reason);
  const sidecarId = `spiffe://ai.example/registry/${name}`;
  const entryId = await createEntry(process.execPath, sidecarId);
  await createEntry(peer.path, `spiffe://ai.example/training/${name}`);
  const upstream = await ScriptedUpstream.start((_head, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone');
  });
  onTestFinished(() => upstream.close());
  const sidecar = await runSidecar(writeFiles(sidecarId, upstream.port), []);
  onTestFinished(() => sidecar.stop());
  const client = await startClient(peer.path, spire.agent.socket, sidecarId);
  onTestFinished(() => client.close());
  return { sidecar, sidecarId, client, url: `https://127.0.0.1:${sidecar.port}/models`, entryId };
}

async function createEntry(program: string, spiffeId: string): Promise<string> {
  const { server, agent } = spire;
  const entryId = await server.createEntry({ parentId: agent.spiffeId, spiffeId, selectors: selectorsOf(program) });
  onTestFinished(() => server.deleteEntry(entryId).catch(() => undefined));
  return entryId;
}

function writeFiles(sidecarId: string, upstreamPort: number): SidecarFiles {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-spire-sidecar-'));
  const path = (name: string): string => join(directory, name);
  writeFileSync(path('policy.yaml'), ARTICLE_POLICY);
  writeFileSync(
    path('sallyport.yaml'),
    `trustDomain: ai.example
identity: { workloadApi: { socket: "${spire.agent.socket}", spiffeId: "${sidecarId}" } }
policy: { path: policy.yaml }
listeners:
  - { name: registry, bind: "127.0.0.1:0", component: registry, upstream: "http://127.0.0.1:${upstreamPort}" }
admin: { bind: "127.0.0.1:0" }
`,
  );
  return {
    directory,
    path,
    write: (name, contents) => {
      writeFileSync(path(`${name}.new`), contents);
      renameSync(path(`${name}.new`), path(name));
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Asks again until the answer is like this; the test's own time is the limit. */
async function until<T>(ask: () => Promise<T>, isLike: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isLike(answer)) return answer;
  }
}
