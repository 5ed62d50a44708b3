import { webcrypto } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type AgentSetting, idOf, openAgentSetting } from '../support/agent-setting.ts';
import { ARTICLE_POLICY, connectPeer, type RawPeer } from '../support/proxy-fixture.ts';
import { startSidecarProcess } from '../support/sidecar-process.ts';
import { testAuthority } from '../support/svid-fixtures.ts';
import { isRunning, peerOnEach, workerPids } from '../support/workers.ts';
import { issueSvid } from '../../src/devca/svid.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';

// What workers do when something hangs, or is taken from all of them at once; each of it takes seconds.

/** Past the silence that a worker bears, and for a look after it. */
const SILENCE_MS = 8_000;

let upstream: Server;
let upstreamPort: number;

beforeAll(async () => {
  upstream = createServer((_incoming, response) => {
    const timer = setInterval(() => response.write('tick\n'), 50);
    response.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const address = upstream.address();
  upstreamPort = typeof address === 'object' && address !== null ? address.port : 0;
});

afterAll(() => {
  upstream.closeAllConnections();
  upstream.close();
});

const start = async () => {
  const sidecar = await startSidecarProcess({ upstreamPort, policy: ARTICLE_POLICY, extra: 'workers: 2\n' });
  onTestFinished(() => sidecar.stop());
  return sidecar;
};

async function stream(peer: RawPeer): Promise<RawPeer> {
  peer.request('GET', '/stream');
  await peer.until((received) => received.includes('tick'));
  return peer;
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await delay(50);
}

describe('workers', () => {
  it('end, and every stream with them, when the first process hangs: nobody says any more what is revoked', async () => {
    const sidecar = await start();
    const pids = workerPids(sidecar);
    const peers = await peerOnEach(sidecar, pids, async () =>
      stream(await connectPeer(sidecar.port, testAuthority().issue('/training/job'), { rejectUnauthorized: false })),
    );
    const beganMs = performance.now();
    sidecar.signal('SIGSTOP');
    for (const peer of peers.values()) await peer.closed();
    expect(performance.now() - beganMs).toBeLessThan(SILENCE_MS);
    // Their parent cannot bury them while it stands still.
    await until(() => pids.every((pid) => !isRunning(pid)));
    sidecar.signal('SIGCONT');
    await sidecar.logged({ msg: 'the process that says what is in force is silent, ending' });
    await until(async () => (await sidecar.get('/readyz')).status === 200);
    expect(workerPids(sidecar)).toHaveLength(4);
  });

  it('that hang make the sidecar not ready, are ended and replaced', async () => {
    const sidecar = await start();
    const [hanging = 0] = workerPids(sidecar);
    process.kill(hanging, 'SIGSTOP');
    await until(async () => (await sidecar.get('/readyz')).body.includes('worker 1 does not answer'));
    expect((await sidecar.get('/readyz')).status).toBe(503);
    await until(() => sidecar.log.some(({ msg }) => msg === 'a worker does not answer, it is ended'));
    await until(async () => (await sidecar.get('/readyz')).status === 200);
    expect(isRunning(hanging)).toBe(false);
  });

  it('all cut what they serve when our own SVID is withdrawn, and serve again when there is one', async () => {
    const setting: AgentSetting = await openAgentSetting({
      upstreamPort,
      policy: ARTICLE_POLICY,
      ids: ['/training/job'],
      ttlMs: 60_000,
      extra: 'workers: 2\n',
    });
    onTestFinished(() => setting.close());
    const { sidecar, agent, authority } = setting;
    const own = agent.entries.find(({ id }) => id === idOf('/registry/sidecar'));
    if (own === undefined) throw new Error('no entry');
    const id = parseSpiffeId('spiffe://ai.example/training/job');
    const request = { id, ttlMs: 60_000, keyType: 'p256' as const, dnsNames: [], ipAddresses: [] };
    const svid = await issueSvid(authority, request, { nowMs: Date.now(), crypto: webcrypto });
    const connect = (): Promise<RawPeer> =>
      connectPeer(sidecar.port, { ...svid, leafSha256: '' }, { rejectUnauthorized: false });
    const streamOnEach = (): Promise<ReadonlyMap<number, RawPeer>> =>
      peerOnEach(sidecar, workerPids(sidecar), async () => stream(await connect()));

    const streams = await streamOnEach();
    const takenMs = performance.now();
    await agent.removeEntry(own.id);
    await Promise.all([...streams.values()].map((peer) => peer.closed()));
    expect(performance.now() - takenMs).toBeLessThan(1_000);
    expect((await sidecar.get('/readyz')).body).toContain('Workload API withdrawn');
    for (let at = 0; at < 8; at += 1) await expect(connect()).rejects.toThrow();
    await agent.addEntry(own);
    await sidecar.logged({ msg: 'the Workload API is back' });
    for (const peer of (await streamOnEach()).values()) peer.socket.destroy();
  });
});
