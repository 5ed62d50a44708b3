// Several workers as a user meets them: one address, one log, one set of figures, and a change that counts in all of them.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ARTICLE_POLICY, connectPeer, OK, type RawPeer, ScriptedUpstream } from '../../support/proxy-fixture.ts';
import {
  runSidecar,
  type SidecarFiles,
  type SidecarProcess,
  writeSidecarFiles,
} from '../../support/sidecar-process.ts';
import { testAuthority } from '../../support/svid-fixtures.ts';
import { peerOnEach, sumOf, workerOf, workerPids } from '../../support/workers.ts';

const WORKERS = 2;
const CONNECTIONS = 12;
const REQUESTS = 10;
const NOBODY_REVOKED = 'version: 1\nrevocations: []\n';

let upstream: ScriptedUpstream;
let files: SidecarFiles;
let sidecar: SidecarProcess;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((head, socket) => {
    // An answer that begins, and goes on for as long as it may.
    if (head.includes('/stream')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nfirst');
    else socket.write(OK);
  });
  files = writeSidecarFiles({
    upstreamPort: upstream.port,
    policy: ARTICLE_POLICY,
    extra: `workers: ${WORKERS}\nrevocation: { file: revocations.yaml }\ndecisionLog: { allow: all }\nprobes: { bind: 127.0.0.1:0 }\n`,
  });
  files.write('revocations.yaml', NOBODY_REVOKED);
  sidecar = await runSidecar(files, []);
});
afterAll(async () => {
  await sidecar.stop();
  upstream.close();
});

const connect = (path: string): Promise<RawPeer> =>
  connectPeer(sidecar.port, testAuthority().issue(path), { rejectUnauthorized: false });

async function statusOf(peer: RawPeer, path: string): Promise<number> {
  peer.request('GET', path);
  return (await peer.response()).status;
}

/** A peer on each worker whose answer has begun. */
async function streamOnEach(path: string): Promise<readonly RawPeer[]> {
  const peers = await peerOnEach(sidecar, workerPids(sidecar), () => connect(path));
  for (const peer of peers.values()) {
    peer.request('GET', '/stream');
    await peer.until((received) => received.includes('first'));
  }
  return [...peers.values()];
}

const metrics = async (): Promise<string> => (await sidecar.get('/metrics')).body;

describe('several workers', () => {
  it('are announced as one listener, and ready when all of them are', async () => {
    expect(sidecar.log.filter(({ msg }) => msg === 'listening')).toHaveLength(1);
    expect(new Set(workerPids(sidecar)).size).toBe(WORKERS);
    const { status, body } = await sidecar.get('/readyz');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      checks: expect.arrayContaining([{ name: 'workers', ok: true, detail: '2 of 2 ready' }]),
    });
    expect(JSON.parse((await sidecar.get('/config')).body)).toMatchObject({ workers: WORKERS });
  });

  it('share the connections, and count and log every request of theirs once', async () => {
    const before = await metrics();
    const peers: RawPeer[] = [];
    // Of fewer, all might be given to the same worker.
    const taken = new Set<number | null>();
    while (peers.length < CONNECTIONS || (taken.size < WORKERS && peers.length < 64)) {
      const peer = await connect('/training/job');
      peers.push(peer);
      taken.add(workerOf(sidecar, peer));
    }
    expect(taken.size).toBe(WORKERS);
    await Promise.all(
      peers.map(async (peer, at) => {
        for (let request = 0; request < REQUESTS; request += 1) {
          expect(await statusOf(peer, `/load/${at}/${request}`)).toBe(200);
        }
      }),
    );
    const sent = peers.length * REQUESTS;
    const after = await metrics();
    const grown = (name: string, labels?: string): number => sumOf(after, name, labels) - sumOf(before, name, labels);
    expect(grown('sallyport_decisions_total', 'effect="allow"')).toBe(sent);
    expect(grown('sallyport_responses_total', 'status="2xx"')).toBe(sent);
    expect(grown('sallyport_request_duration_seconds_count')).toBe(sent);
    expect(grown('sallyport_request_duration_seconds_bucket', 'le="+Inf"')).toBe(sent);
    expect(grown('sallyport_decision_cache_total')).toBe(sent);
    expect(grown('sallyport_handshakes_total', 'accepted')).toBe(peers.length);
    expect(grown('sallyport_connections_open')).toBe(peers.length);
    expect(sumOf(after, 'sallyport_workers')).toBe(WORKERS);
    expect(sumOf(after, 'sallyport_worker_restarts_total')).toBe(0);
    expect(sumOf(after, 'sallyport_policy_epoch')).toBe(1);
    expect(sumOf(after, 'sallyport_svid_seconds_left')).toBeLessThan(3_600);
    expect(after.match(/^# TYPE sallyport_decisions_total counter$/gm)).toHaveLength(1);

    for (const [at] of peers.entries()) {
      await sidecar.logged({ log: 'decision', path: `/load/${at}/${REQUESTS - 1}` });
    }
    // Every line was JSON: who reads them here throws for one that is not.
    const decided = sidecar.log.filter(({ path }) => String(path).startsWith('/load/'));
    expect(decided).toHaveLength(sent);
    expect(new Set(decided.map(({ decisionId }) => decisionId)).size).toBe(sent);
    for (const peer of peers) peer.socket.destroy();
  });

  it('are told the private key over a channel, and over nothing that others can read', () => {
    for (const pid of workerPids(sidecar)) {
      for (const what of ['cmdline', 'environ']) {
        expect(readFileSync(`/proc/${pid}/${what}`, 'utf8')).not.toMatch(/PRIVATE|registry\.key/);
      }
    }
  });

  it('CA-113 deny, and cut, in each of them what a new policy does not allow', async () => {
    const streams = await streamOnEach('/training/job');
    const asking = await peerOnEach(sidecar, workerPids(sidecar), () => connect('/training/job'));
    for (const peer of asking.values()) expect(await statusOf(peer, '/before')).toBe(200);
    files.write('policy.yaml', ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'allow: [feature-store]'));
    await Promise.all(streams.map((peer) => peer.closed()));
    for (const peer of asking.values()) expect(await statusOf(peer, '/after')).toBe(403);
    expect(sumOf(await metrics(), 'sallyport_policy_epoch')).toBe(2);
    expect(sumOf(await metrics(), 'sallyport_connections_terminated_total', 'policy-changed')).toBe(WORKERS);
    expect(sumOf(await metrics(), 'sallyport_reload_total', 'what="policy"')).toBe(1);
    for (const peer of asking.values()) peer.socket.destroy();

    files.write('policy.yaml', ARTICLE_POLICY);
    await sidecar.logged({ msg: 'reloaded', what: 'policy', epoch: 3 });
    const again = await peerOnEach(sidecar, workerPids(sidecar), () => connect('/training/job'));
    for (const peer of again.values()) {
      expect(await statusOf(peer, '/again')).toBe(200);
      peer.socket.destroy();
    }
  });

  it('CE-46 cut in each of them the streams of whom a list revokes, and nobody else', async () => {
    const victims = await streamOnEach('/training/lost');
    const witnesses = await streamOnEach('/training/kept');
    files.write(
      'revocations.yaml',
      'version: 1\nrevocations:\n  - { id: spiffe://ai.example/training/lost, reason: lost, at: 2026-11-21T12:00:00Z }\n',
    );
    await Promise.all(victims.map((peer) => peer.closed()));
    expect(witnesses.map(({ ended }) => ended)).toEqual([false, false]);
    expect(sumOf(await metrics(), 'sallyport_connections_terminated_total', 'reason="revoked"')).toBe(WORKERS);
    for (const peer of witnesses) peer.socket.destroy();
  });

  it('CE-47 cut in each of them the streams of a trust domain whose bundle is replaced', async () => {
    const streams = await streamOnEach('/training/job');
    const { certificatePem } = testAuthority('other.example');
    files.write('bundle.pem', certificatePem);
    await Promise.all(streams.map((peer) => peer.closed()));
    files.write('bundle.pem', testAuthority().certificatePem);
    await sidecar.logged({ msg: 'reloaded', what: 'trust-bundle', epoch: 4 });
  });

  it('PF-123 keep what was in force when a reload fails, and say so once', async () => {
    files.write('policy.yaml', 'version: 1\n');
    await sidecar.logged({ msg: 'reload failed, the last good state stays in force', what: 'policy' });
    const peers = await peerOnEach(sidecar, workerPids(sidecar), () => connect('/training/job'));
    for (const peer of peers.values()) {
      expect(await statusOf(peer, '/kept')).toBe(200);
      peer.socket.destroy();
    }
    expect(sidecar.log.filter(({ msg }) => String(msg).startsWith('reload failed'))).toHaveLength(1);
    expect(sumOf(await metrics(), 'sallyport_reload_failing', 'what="policy"')).toBe(1);
    expect((await sidecar.get('/readyz')).body).toContain('the last reload failed');
  });
});
