// Workers under what they do not meet every day: a log that nobody reads, a signal while they start, an address that is taken meanwhile,
// changes faster than they can be told.

import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../../admin/http.ts';
import { ARTICLE_POLICY, connectPeer, OK, type RawPeer, ScriptedUpstream } from '../../support/proxy-fixture.ts';
import {
  runSidecar,
  type SidecarFiles,
  type SidecarProcess,
  writeSidecarFiles,
} from '../../support/sidecar-process.ts';
import { testAuthority } from '../../support/svid-fixtures.ts';
import { isRunning, peerOnEach, sumOf, workerPids } from '../../support/workers.ts';

const MAIN = resolve(import.meta.dirname, '../../../src/main.ts');
const ONLY_STORE = ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'allow: [feature-store]');
const PATIENCE = { timeout: 120_000 };

let upstream: ScriptedUpstream;
let waiting = 0;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((head, socket) => {
    if (head.includes('/slow')) waiting += 1;
    else socket.write(OK);
  });
});
afterAll(() => upstream.close());

/** What a test of its own is told when it is over. */
type OnFinished = (stop: () => Promise<void> | void) => void;

const filesWith = (extra: string, admin = '127.0.0.1:0'): SidecarFiles =>
  writeSidecarFiles({ upstreamPort: upstream.port, policy: ARTICLE_POLICY, extra, admin });

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

const peers = (sidecar: SidecarProcess): Promise<ReadonlyMap<number, RawPeer>> =>
  peerOnEach(sidecar, workerPids(sidecar).filter(isRunning), () => connect(sidecar));

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await delay(20);
}

const isReady = async (sidecar: SidecarProcess): Promise<boolean> => (await sidecar.get('/readyz')).status === 200;

const listens = (server: Server, port: number): Promise<boolean> =>
  new Promise((done) => {
    const onError = (): void => done(false);
    server.once('error', onError);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', onError);
      done(true);
    });
  });

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

describe('a log that nobody reads', () => {
  it(
    'costs lines, and neither the place of a worker that ends nor the end of the sidecar',
    PATIENCE,
    async ({ onTestFinished }) => {
      const sidecar = await start(filesWith('workers: 2\ndecisionLog: { allow: all }\n'), onTestFinished);
      const onEach = await peers(sidecar);
      sidecar.stopReading();
      const metric = async (name: string): Promise<number> => sumOf((await sidecar.get('/metrics')).body, name);
      const path = `/${'long/'.repeat(1_500)}`;
      const isLosing = async (): Promise<boolean> => (await metric('sallyport_decision_log_dropped_total')) > 0;
      while (!(await isLosing())) {
        const statuses = [...onEach.values()].map(async (peer) => {
          for (let at = 0; at < 100; at += 1) expect(await statusOf(peer, path)).toBe(200);
        });
        await Promise.all(statuses);
      }
      const [victim = 0] = onEach.keys();
      process.kill(victim, 'SIGKILL');
      await until(async () => (await metric('sallyport_worker_restarts_total')) >= 1);
      await until(() => isReady(sidecar));
      sidecar.signal('SIGTERM');
      await until(() => !isRunning(sidecar.pid));
      sidecar.resumeReading();
      expect(await sidecar.exited).toBe(0);
    },
  );
});

describe('a signal', () => {
  it('to all processes while workers come to life is an end in order', PATIENCE, async ({ onTestFinished }) => {
    const files = filesWith('workers: 2\n');
    const stall = "data:text/javascript,if(process.argv[2]==='worker')await new Promise(()=>setInterval(()=>{},1000))";
    const command = ['--import', stall, MAIN, 'run', '--config', files.path('sallyport.yaml')];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    onTestFinished(() => {
      child.kill('SIGKILL');
      files.remove();
    });
    const { pid = 0 } = child;
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
    const exited = new Promise((done) => child.once('close', done));
    await until(() => childrenOf(pid).length === 2 && output.includes('"loaded"'));
    process.kill(-pid, 'SIGTERM');
    expect(await exited, output).toBe(0);
    expect(output).toContain('signal received before the start was over');
  });

  it(
    'is obeyed by the others when one of them dies while it drains, and that is told',
    PATIENCE,
    async ({ onTestFinished }) => {
      const sidecar = await start(filesWith('workers: 2\n'), onTestFinished);
      const onEach = await peers(sidecar);
      const [[victimPid, victim], [, other]] = [...onEach] as [[number, RawPeer], [number, RawPeer]];
      waiting = 0;
      const sockets = upstream.sockets.length;
      for (const peer of onEach.values()) peer.request('GET', '/slow');
      await upstream.until(() => waiting === 2);
      sidecar.signal('SIGTERM');
      await sidecar.logged({ msg: 'draining' });
      process.kill(victimPid, 'SIGKILL');
      await victim.closed();
      await sidecar.logged({ msg: 'a worker has ended before it was done', workerPid: victimPid, signal: 'SIGKILL' });
      for (const socket of upstream.sockets.slice(sockets)) socket.write(OK);
      expect((await other.response()).status).toBe(200);
      expect(await sidecar.exited).toBe(0);
      expect(workerPids(sidecar)).toHaveLength(2);
    },
  );
});

describe('an address', () => {
  it(
    'that is taken while no worker is there is asked for again, and what is wrong is told',
    PATIENCE,
    async ({ onTestFinished }) => {
      const files = filesWith('workers: 2\n');
      const hold = files.path('hold');
      const wait = `data:text/javascript,import{existsSync}from'node:fs';if(process.argv[2]==='worker')while(existsSync('${hold}'))await new Promise((r)=>setTimeout(r,20))`;
      const sidecar = await start(files, onTestFinished, ['--import', wait]);
      files.write('hold', '');
      for (const pid of workerPids(sidecar)) process.kill(pid, 'SIGKILL');
      const other = createServer();
      // Their sockets are there for a little longer than they are.
      await until(() => listens(other, sidecar.port));
      rmSync(hold);
      const tells = (): boolean =>
        sidecar.log.some(({ problems }) => JSON.stringify(problems ?? '').includes('something else listens there'));
      await until(tells);
      expect(await isReady(sidecar)).toBe(false);
      await new Promise((done) => other.close(done));
      await until(() => isReady(sidecar));
      for (const peer of (await peers(sidecar)).values()) expect(await statusOf(peer, '/again')).toBe(200);
    },
  );

  it(
    'is another for each of two listeners that take any port, with more workers than processors and no admin',
    PATIENCE,
    async ({ onTestFinished }) => {
      const files = filesWith('workers: 5\nprobes: { bind: 127.0.0.1:0 }\n', 'none');
      const first = readFileSync(files.path('sallyport.yaml'), 'utf8');
      const second = `  - { name: second, bind: "127.0.0.1:0", component: registry, upstream: "http://127.0.0.1:${upstream.port}" }\n`;
      files.write('sallyport.yaml', first.replace('admin:', `${second}admin:`));
      const sidecar = await start(files, onTestFinished);
      const { port } = await sidecar.logged({ msg: 'listening', listener: 'second' });
      expect(Number(port)).not.toBe(sidecar.port);
      for (const at of [sidecar.port, Number(port)]) {
        const onEach = await peerOnEach({ port: at, log: sidecar.log }, workerPids(sidecar), () =>
          connect({ port: at }),
        );
        expect(onEach.size).toBe(5);
        for (const peer of onEach.values()) expect(await statusOf(peer, '/one')).toBe(200);
      }
      const { probes } = await sidecar.logged({ msg: 'ready' });
      const bind = { kind: 'tcp', host: '127.0.0.1', port: Number(String(probes).split(':').at(-1)) } as const;
      expect((await ask(bind, { path: '/readyz' })).body).toContain('5 of 5 ready');
      expect(sumOf((await ask(bind, { path: '/metrics' })).body, 'sallyport_decisions_total')).toBe(10);
    },
  );
});

describe('changes', () => {
  it(
    'of 10,000 rules, faster than they can be told, end with the last of them everywhere',
    PATIENCE,
    async ({ onTestFinished }) => {
      const files = filesWith('workers: 2\n');
      const sidecar = await start(files, onTestFinished);
      const onEach = await peers(sidecar);
      const many = Array.from({ length: 10_000 }, (_, at) => `      - { target: registry, paths: [/p/${at}/**] }\n`);
      const large = ARTICLE_POLICY.replace('      - registry: [read]\n', `      - registry: [read]\n${many.join('')}`);
      for (let round = 0; round < 20; round += 1) {
        files.write('policy.yaml', `${large}# ${round}\n`);
        for (const peer of onEach.values()) expect(await statusOf(peer, '/meanwhile')).toBe(200);
        await delay(50);
      }
      files.write('policy.yaml', ONLY_STORE);
      for (const peer of onEach.values()) await until(async () => (await statusOf(peer, '/after')) === 403);
      await until(() => isReady(sidecar));
      const { body } = await sidecar.get('/metrics');
      const { epoch } = sidecar.log.findLast(({ msg }) => msg === 'reloaded') ?? {};
      expect(sumOf(body, 'sallyport_policy_epoch')).toBe(epoch);
      expect(sumOf(body, 'sallyport_worker_restarts_total')).toBe(0);
    },
  );
});
