import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type AgentSetting, idOf, openAgentSetting } from '../support/agent-setting.ts';
import { ARTICLE_POLICY, connectPeer, type RawPeer } from '../support/proxy-fixture.ts';
import { runSidecar, runToEnd, writeSidecarFiles } from '../support/sidecar-process.ts';
import { testAuthority } from '../support/svid-fixtures.ts';
import { isRunning, peerOnEach, workerOf, workerPids } from '../support/workers.ts';
import { issueSvid } from '../../src/devca/svid.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';

// What workers do when something hangs, or is taken from all of them at once; each of it takes seconds.

/** Past the silence that a worker bears. */
const SILENCE_MS = 5_500;
const ROTATIONS = 5;
const STORE_ONLY = ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'allow: [feature-store]');

let upstream: Server;
let upstreamPort: number;

beforeAll(async () => {
  upstream = createServer((incoming, response) => {
    const timer = setInterval(() => response.write('tick\n'), 50);
    response.on('close', () => clearInterval(timer));
    if (incoming.url !== '/stream') response.end('ok');
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
  const files = writeSidecarFiles({ upstreamPort, policy: ARTICLE_POLICY, extra: 'workers: 2\n' });
  const sidecar = await runSidecar(files, []);
  onTestFinished(() => sidecar.stop());
  return { ...sidecar, log: sidecar.log, write: (name: string, contents: string) => files.write(name, contents) };
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
    sidecar.signal('SIGSTOP');
    // How soon is not for a loaded machine to say; that it is after silence, and not for another reason, their log does.
    for (const peer of peers.values()) await peer.closed();
    // Their parent cannot bury them while it stands still.
    await until(() => pids.every((pid) => !isRunning(pid)));
    sidecar.signal('SIGCONT');
    await sidecar.logged({ msg: 'the process that says what is in force is silent, ending' });
    await until(async () => (await sidecar.get('/readyz')).status === 200);
    expect(workerPids(sidecar)).toHaveLength(4);
  });

  it('CA-113 that stood still for longer do not answer by what was in force before', async () => {
    const sidecar = await start();
    const pids = workerPids(sidecar);
    const peers = await peerOnEach(sidecar, pids, () =>
      connectPeer(sidecar.port, testAuthority().issue('/training/job'), { rejectUnauthorized: false }),
    );
    for (const peer of peers.values()) {
      peer.request('GET', '/before');
      expect((await peer.response()).status).toBe(200);
    }
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    // In their sockets before anything else: the first that they find when they go on.
    for (const peer of peers.values()) peer.request('GET', '/stale');
    sidecar.write('policy.yaml', STORE_ONLY);
    await sidecar.logged({ msg: 'reloaded', what: 'policy', epoch: 2 });
    await delay(SILENCE_MS);
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    for (const peer of peers.values()) {
      await peer.until((received) => received !== '' || peer.ended);
      expect(peer.received).not.toContain('HTTP/1.1 200');
    }
    await until(async () => (await sidecar.get('/readyz')).status === 200);
  });

  it('that wait long for the agent are still there when their start is over', async () => {
    const files = writeSidecarFiles({ upstreamPort, policy: ARTICLE_POLICY, extra: 'workers: 2\n' });
    onTestFinished(() => files.remove());
    const text = readFileSync(files.path('sallyport.yaml'), 'utf8');
    const socket = `unix://${files.path('nobody.sock')}`;
    const workloadApi = `identity:\n  workloadApi: { socket: "${socket}", startTimeout: 12s }\npolicy:`;
    files.write('sallyport.yaml', text.replace(/identity:[^]*?\npolicy:/, workloadApi));
    const { exitCode, errors, log } = await runToEnd(files);
    expect(exitCode).toBe(1);
    expect(errors).toContain('waited 12 s');
    expect(log.filter(({ msg }) => String(msg).includes('silent'))).toEqual([]);
  });

  it('all take a new SVID of ours every other second, and no request fails of it', async () => {
    const setting = await openAgentSetting({
      upstreamPort,
      policy: ARTICLE_POLICY,
      ids: ['/training/job'],
      ttlMs: 4_000,
      extra: 'workers: 2\n',
    });
    onTestFinished(() => setting.close());
    const { sidecar, authority } = setting;
    const id = parseSpiffeId('spiffe://ai.example/training/job');
    const request = { id, ttlMs: 600_000, keyType: 'p256' as const, dnsNames: [], ipAddresses: [] };
    const svid = await issueSvid(authority, request, { nowMs: Date.now(), crypto: webcrypto });
    const rotations = (): number => sidecar.log.filter(({ msg }) => msg === 'own SVID received').length;
    const served = new Set<number | null>();
    const load = async (): Promise<void> => {
      while (rotations() < ROTATIONS) {
        const peer = await connectPeer(sidecar.port, svid, { rejectUnauthorized: false });
        served.add(workerOf(sidecar, peer));
        for (let at = 0; at < 50; at += 1) {
          peer.request('GET', '/load');
          expect((await peer.response()).status).toBe(200);
        }
        peer.socket.destroy();
      }
    };
    await Promise.all(Array.from({ length: 4 }, load));
    const pids = workerPids(sidecar);
    expect(pids).toHaveLength(2);
    expect(served).toEqual(new Set(pids));
  });

  it('that hang make the sidecar not ready, are ended and replaced', async () => {
    const sidecar = await start();
    const [hanging] = workerPids(sidecar);
    // 0 would be everybody in this process group.
    if (hanging === undefined) throw new Error('no worker is known');
    process.kill(hanging, 'SIGSTOP');
    await until(async () => /worker [12] does not answer/.test((await sidecar.get('/readyz')).body));
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
    const connect = (): Promise<RawPeer> => connectPeer(sidecar.port, svid, { rejectUnauthorized: false });
    const streamOnEach = (): Promise<ReadonlyMap<number, RawPeer>> =>
      peerOnEach(sidecar, workerPids(sidecar), async () => stream(await connect()));

    const streams = await streamOnEach();
    await agent.removeEntry(own.id);
    await Promise.all([...streams.values()].map((peer) => peer.closed()));
    expect((await sidecar.get('/readyz')).body).toContain('Workload API withdrawn');
    for (let at = 0; at < 8; at += 1) await expect(connect()).rejects.toThrow();
    await agent.addEntry(own);
    await sidecar.logged({ msg: 'the Workload API is back' });
    for (const peer of (await streamOnEach()).values()) peer.socket.destroy();
  });
});
