// How workers end, in order and out of it: what becomes of what they serve, and of the process above them.

import { rmSync } from 'node:fs';
import { connect as connectPlain, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ARTICLE_POLICY, connectPeer, OK, type RawPeer, ScriptedUpstream } from '../../support/proxy-fixture.ts';
import {
  runSidecar,
  runToEnd,
  type SidecarFiles,
  type SidecarProcess,
  writeSidecarFiles,
} from '../../support/sidecar-process.ts';
import { testAuthority } from '../../support/svid-fixtures.ts';
import { isRunning, peerOnEach, sumOf, workerPids } from '../../support/workers.ts';

let upstream: ScriptedUpstream;
/** Where requests wait for their answers, by path. */
const waiting = new Map<string, Socket>();

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((head, socket) => {
    const path = head.split(' ')[1] ?? '';
    if (path.startsWith('/slow')) waiting.set(path, socket);
    else socket.write(OK);
  });
});
afterAll(() => upstream.close());

/** What a test of its own is told when it is over. */
type OnFinished = (stop: () => Promise<void>) => void;

const filesWith = (extra: string, bind = '127.0.0.1:0'): SidecarFiles =>
  writeSidecarFiles({ upstreamPort: upstream.port, policy: ARTICLE_POLICY, extra: `workers: 2\n${extra}`, bind });

async function start(
  files: SidecarFiles,
  onTestFinished: OnFinished,
  nodeOptions: readonly string[] = [],
): Promise<SidecarProcess> {
  const sidecar = await runSidecar(files, nodeOptions);
  onTestFinished(() => sidecar.stop());
  return sidecar;
}

const connect = ({ port }: Pick<SidecarProcess, 'port'>): Promise<RawPeer> =>
  connectPeer(port, testAuthority().issue('/training/job'), { ca: testAuthority().certificatePem });

async function statusOf(peer: RawPeer, path: string): Promise<number> {
  peer.request('GET', path);
  return (await peer.response()).status;
}

/** A peer on each worker, by its process id. */
const peers = (sidecar: SidecarProcess): Promise<ReadonlyMap<number, RawPeer>> =>
  peerOnEach(sidecar, workerPids(sidecar).filter(isRunning), () => connect(sidecar));

async function askSlowly(peer: RawPeer, path: string): Promise<void> {
  peer.request('GET', path);
  await upstream.until(() => waiting.has(path));
}

/** Looks every now and then; the runner ends what never comes. */
async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await delay(20);
}

const isRefused = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connectPlain(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(false);
    });
    socket.once('error', () => done(true));
  });

const isReady = async (sidecar: SidecarProcess): Promise<boolean> => (await sidecar.get('/readyz')).status === 200;

describe('a signal to the first process', () => {
  it('lets the requests of every worker finish, and ends with 0 and without them', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith(''), onTestFinished);
    const pids = workerPids(sidecar);
    const onEach = await peers(sidecar);
    for (const [pid, peer] of onEach) await askSlowly(peer, `/slow/${pid}`);
    // As a terminal or a service manager does; when to end is not theirs to say.
    for (const pid of pids) process.kill(pid, 'SIGTERM');
    sidecar.signal('SIGTERM');
    await sidecar.logged({ msg: 'draining' });
    await until(() => isRefused(sidecar.port));
    expect(await isReady(sidecar)).toBe(false);
    for (const [pid, peer] of onEach) {
      waiting.get(`/slow/${pid}`)?.write(OK);
      const { status, head } = await peer.response();
      expect(status).toBe(200);
      expect(head).toContain('\r\nconnection: close\r\n');
    }
    expect(await sidecar.exited).toBe(0);
    expect(pids.filter(isRunning)).toEqual([]);
    expect(sidecar.log.filter(({ path }) => String(path).startsWith('/slow/'))).toHaveLength(2);
    expect(sidecar.log.at(-1)).toMatchObject({ msg: 'drained' });
    expect(sidecar.errors).toBe('');
  });

  it('cuts in every worker at the deadline what has not finished', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith('drain: { timeout: 300ms }\n'), onTestFinished);
    const onEach = await peers(sidecar);
    for (const [pid, peer] of onEach) await askSlowly(peer, `/slow/deadline/${pid}`);
    sidecar.signal('SIGINT');
    for (const peer of onEach.values()) await peer.closed();
    expect(await sidecar.exited).toBe(0);
    for (const pid of onEach.keys()) {
      await sidecar.logged({ path: `/slow/deadline/${pid}`, refusal: 'drain-deadline' });
    }
  });

  it('that comes a second time ends all of them at once, with the log whole', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith('decisionLog: { allow: all }\n'), onTestFinished);
    const pids = workerPids(sidecar);
    const slow = await peers(sidecar);
    const quick = await peers(sidecar);
    for (const [pid, peer] of slow) await askSlowly(peer, `/slow/twice/${pid}`);
    sidecar.signal('SIGTERM');
    await sidecar.logged({ msg: 'draining' });
    for (const [pid, peer] of quick) peer.request('GET', `/quick/${pid}`);
    for (const peer of quick.values()) await peer.until((received) => received !== '');
    sidecar.signal('SIGINT');
    expect(await sidecar.exited).toBe(130);
    expect(pids.filter(isRunning)).toEqual([]);
    for (const peer of slow.values()) await peer.closed();
    for (const pid of quick.keys()) await sidecar.logged({ log: 'decision', path: `/quick/${pid}` });
  });
});

describe('a worker that is killed', () => {
  it('takes its own connections with it and nothing else, and is replaced and counted', async ({ onTestFinished }) => {
    const files = filesWith('');
    // While there is a file of that name, no new worker comes to life.
    const hold = files.path('hold');
    const refuseWorkers = `data:text/javascript,import{existsSync}from'node:fs';if(process.argv[2]==='worker'&&existsSync('${hold}'))process.exit(7)`;
    const sidecar = await start(files, onTestFinished, ['--import', refuseWorkers]);
    const onEach = await peers(sidecar);
    const [[victimPid, victim], [, other]] = [...onEach] as [[number, RawPeer], [number, RawPeer]];
    for (const peer of onEach.values()) expect(await statusOf(peer, '/before')).toBe(200);
    const decisions = async (): Promise<number> =>
      sumOf((await sidecar.get('/metrics')).body, 'sallyport_decisions_total');
    expect(await decisions()).toBe(2);
    victim.request('GET', '/slow/killed');
    await upstream.until(() => waiting.has('/slow/killed'));

    files.write('hold', '');
    process.kill(victimPid, 'SIGKILL');
    await victim.closed();
    await sidecar.logged({
      msg: 'a worker has ended, another takes its place',
      workerPid: victimPid,
      signal: 'SIGKILL',
    });
    expect(victim.received).toBe('');
    expect(await isReady(sidecar)).toBe(false);
    expect((await sidecar.get('/readyz')).body).toContain('1 of 2 ready; worker ');
    expect(sumOf((await sidecar.get('/metrics')).body, 'sallyport_workers')).toBe(1);
    // Every new connection goes to the one that is left.
    for (let at = 0; at < 8; at += 1) {
      const peer = await connect(sidecar);
      expect(await statusOf(peer, `/meanwhile/${at}`)).toBe(200);
      peer.socket.destroy();
    }
    expect(await statusOf(other, '/other')).toBe(200);
    // What the dead one had counted stays: a counter that shrinks is taken for one that began anew.
    expect(await decisions()).toBe(11);

    await sidecar.logged({ msg: 'a worker keeps ending, this sidecar is not ready' });
    expect((await sidecar.get('/readyz')).body).toContain('keeps ending');
    rmSync(hold);
    await until(() => isReady(sidecar));
    const { body } = await sidecar.get('/metrics');
    expect(sumOf(body, 'sallyport_workers')).toBe(2);
    expect(sumOf(body, 'sallyport_worker_restarts_total')).toBeGreaterThanOrEqual(5);
    for (const peer of (await peers(sidecar)).values()) expect(await statusOf(peer, '/again')).toBe(200);
  }, 60_000);

  it('is replaced by one that begins with what is in force by then', async ({ onTestFinished }) => {
    const files = filesWith('');
    const sidecar = await start(files, onTestFinished);
    files.write('policy.yaml', ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'allow: [feature-store]'));
    await sidecar.logged({ msg: 'reloaded', what: 'policy', epoch: 2 });
    for (const pid of workerPids(sidecar)) process.kill(pid, 'SIGKILL');
    await until(async () => workerPids(sidecar).length === 4 && (await isReady(sidecar)));
    for (const peer of (await peers(sidecar)).values()) expect(await statusOf(peer, '/denied')).toBe(403);
  });
});

describe('the first process, killed', () => {
  it('EX-173 takes every worker with it, and their address is free', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith(''), onTestFinished);
    const pids = workerPids(sidecar);
    const onEach = await peers(sidecar);
    sidecar.signal('SIGKILL');
    for (const peer of onEach.values()) await peer.closed();
    await until(() => pids.filter(isRunning).length === 0);
    // A process has no command line any more a moment before its sockets are closed.
    await until(() => isRefused(sidecar.port));
    const next = createServer();
    await new Promise<void>((resolve, reject) => {
      next.once('error', reject);
      next.listen(sidecar.port, '127.0.0.1', resolve);
    });
    next.close();
  });
});

describe('a start', () => {
  it('on an address of which another sidecar has workers fails, and says where it is written', async ({
    onTestFinished,
  }) => {
    const sidecar = await start(filesWith(''), onTestFinished);
    const files = filesWith('', `127.0.0.1:${sidecar.port}`);
    onTestFinished(() => {
      files.remove();
      return Promise.resolve();
    });
    const { exitCode, errors } = await runToEnd(files);
    expect(exitCode).toBe(1);
    expect(errors).toMatch(/sallyport\.yaml:\d+:\d+: .*something else listens there already/);
    expect(await isReady(sidecar)).toBe(true);
  });

  it('whose workers cannot come to life fails, and leaves none behind', async ({ onTestFinished }) => {
    const files = filesWith('');
    onTestFinished(() => {
      files.remove();
      return Promise.resolve();
    });
    files.write(
      'refuse.mjs',
      "if (process.argv[2] === 'worker') { process.stderr.write('no worker today\\n'); process.exit(7); }\n",
    );
    const { exitCode, errors } = await runToEnd(files, ['--import', files.path('refuse.mjs')]);
    expect(exitCode).toBe(1);
    expect(errors).toContain('no worker today');
    expect(errors).toMatch(/worker [12] ended before it/);
  });
});
