// How the real process ends: in order, in time, at once, or because something broke.

import { connect as connectPlain, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../admin/http.ts';
import { ARTICLE_POLICY, connectPeer, OK, type RawPeer, ScriptedUpstream } from '../support/proxy-fixture.ts';
import { runSidecar, type SidecarFiles, type SidecarProcess, writeSidecarFiles } from '../support/sidecar-process.ts';
import { createTestAuthority, testAuthority } from '../support/svid-fixtures.ts';

// Outside of every promise and every handler of ours.
const THROW_WHEN_TOLD =
  'data:text/javascript,process.on("SIGUSR2",()=>setImmediate(()=>{throw new Error("thrown on purpose")}))';

// What a defect of ours, or of Node, could do to a rotation that was found sound.
const REFUSE_CONTEXTS_WHEN_TOLD = `data:text/javascript,
import { Server } from 'node:tls';
process.on('SIGUSR2', () => {
  Server.prototype.setSecureContext = () => { throw new Error('refused by TLS'); };
  process.stdout.write('{"msg":"told"}\\n');
});`;

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

const filesWith = (extra: string, admin = '127.0.0.1:0'): SidecarFiles =>
  writeSidecarFiles({ upstreamPort: upstream.port, policy: ARTICLE_POLICY, extra, admin });

/** What a test of its own is told when it is over. */
type OnFinished = (stop: () => Promise<void>) => void;

async function start(
  files: SidecarFiles,
  onTestFinished: OnFinished,
  nodeOptions: readonly string[] = [],
): Promise<SidecarProcess> {
  const sidecar = await runSidecar(files, nodeOptions);
  onTestFinished(() => sidecar.stop());
  return sidecar;
}

const connect = ({ port }: SidecarProcess): Promise<RawPeer> =>
  connectPeer(port, testAuthority().issue('/training/job'), { ca: testAuthority().certificatePem });

/** A peer whose request the upstream has, and does not answer. */
async function askSlowly(sidecar: SidecarProcess, path: string): Promise<RawPeer> {
  const peer = await connect(sidecar);
  peer.request('GET', path);
  await upstream.until(() => waiting.has(path));
  return peer;
}

const isRefused = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connectPlain(port, '127.0.0.1');
    socket.once('connect', () => done(false));
    socket.once('error', () => done(true));
  });

describe.concurrent('a signal', () => {
  it('lets requests finish, says 503 to probes meanwhile, and ends with 0', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith('probes: { bind: 127.0.0.1:0 }\n'), onTestFinished);
    const { probes } = await sidecar.logged({ msg: 'ready' });
    const probesAt = { kind: 'tcp', host: '127.0.0.1', port: Number(String(probes).split(':')[1]) } as const;
    expect((await ask(probesAt, { path: '/readyz' })).status).toBe(200);
    const peer = await askSlowly(sidecar, '/slow/in-order');
    sidecar.signal('SIGTERM');
    await sidecar.logged({ msg: 'draining' });
    for (const at of [probesAt, { ...probesAt, port: sidecar.adminPort }]) {
      const { status, body } = await ask(at, { path: '/readyz' });
      expect(status).toBe(503);
      expect(body).toContain('{"name":"accepting","ok":false,"detail":"draining"}');
      expect((await ask(at, { path: '/healthz' })).status).toBe(200);
    }
    expect(await isRefused(sidecar.port)).toBe(true);
    waiting.get('/slow/in-order')?.write(OK);
    const { status, head } = await peer.response();
    expect(status).toBe(200);
    expect(head).toContain('\r\nconnection: close\r\n');
    expect(await sidecar.exited).toBe(0);
    expect(sidecar.log.at(-1)).toMatchObject({ msg: 'drained' });
    expect(sidecar.log.filter(({ path }) => path === '/slow/in-order')).toHaveLength(1);
    expect(sidecar.errors).toBe('');
  });

  it('cuts at the deadline what has not finished, and still ends with 0', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith('drain: { timeout: 300ms }\n'), onTestFinished);
    const peer = await askSlowly(sidecar, '/slow/deadline');
    sidecar.signal('SIGINT');
    await peer.closed();
    expect(await sidecar.exited).toBe(0);
    await sidecar.logged({ path: '/slow/deadline', refusal: 'drain-deadline' });
  });

  it('that comes a second time ends at once, with the log whole', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith('decisionLog: { allow: all }\n'), onTestFinished);
    const peer = await askSlowly(sidecar, '/slow/twice');
    const other = await connect(sidecar);
    sidecar.signal('SIGTERM');
    await sidecar.logged({ msg: 'draining' });
    other.request('GET', '/quick');
    await other.response();
    sidecar.signal('SIGINT');
    expect(await sidecar.exited).toBe(130);
    await peer.closed();
    await sidecar.logged({ msg: 'another signal received, ending at once', signal: 'SIGINT' });
    await sidecar.logged({ log: 'decision', path: '/quick' });
  });

  it('is not held up by a peer that never finishes its handshake', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith(''), onTestFinished);
    const silent = connectPlain(sidecar.port, '127.0.0.1');
    await new Promise<void>((done) => silent.once('connect', () => done()));
    // Accepted after the silent one, so that one was accepted as well.
    await connect(sidecar);
    const beganMs = performance.now();
    sidecar.signal('SIGTERM');
    expect(await sidecar.exited).toBe(0);
    // Handshakes may take ten seconds.
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    silent.destroy();
  });
});

describe('an uncaught error', () => {
  it('ends the process with 1, a log line and the decisions made before it', async ({ onTestFinished }) => {
    const sidecar = await start(filesWith('decisionLog: { allow: all }\n'), onTestFinished, [
      '--import',
      THROW_WHEN_TOLD,
    ]);
    const peer = await connect(sidecar);
    peer.request('GET', '/before');
    await peer.response();
    sidecar.signal('SIGUSR2');
    expect(await sidecar.exited).toBe(1);
    const fatal = await sidecar.logged({ level: 'fatal', msg: 'uncaught error, ending' });
    expect(fatal['err']).toMatchObject({ type: 'Error', message: 'thrown on purpose' });
    await sidecar.logged({ log: 'decision', path: '/before' });
    await peer.closed();
  });
});

describe('a reload that is found sound and cannot be put in force', () => {
  it('ends the process: half of it is in force, and nobody could say which', async ({ onTestFinished }) => {
    const files = filesWith('');
    const sidecar = await start(files, onTestFinished, ['--import', REFUSE_CONTEXTS_WHEN_TOLD]);
    sidecar.signal('SIGUSR2');
    await sidecar.logged({ msg: 'told' });
    files.write('bundle.pem', testAuthority().certificatePem + createTestAuthority('ai.example').certificatePem);
    expect(await sidecar.exited).toBe(1);
    const fatal = await sidecar.logged({ level: 'fatal', msg: 'uncaught error, ending' });
    expect(fatal['err']).toMatchObject({ message: 'refused by TLS' });
    expect(sidecar.log.filter(({ msg }) => msg === 'reloaded')).toEqual([]);
  });
});

describe('a kill', () => {
  it('EX-173 in the middle of a storm of reloads leaves nothing that stops the next start', async ({
    onTestFinished,
  }) => {
    const files = filesWith('', 'unix:admin.sock');
    const killed = await runSidecar(files, []);
    const written = new Set<string>();
    for (let version = 1; version <= 40; version += 1) {
      files.write('policy.yaml', `${ARTICLE_POLICY}# ${version}\n`);
      const own = testAuthority().issue('/registry/proxy', { ips: ['127.0.0.1'] });
      files.write('registry.pem', own.certificatePem);
      files.write('registry.key', own.privateKeyPem);
      written.add(own.leafSha256);
      await new Promise((done) => setImmediate(done));
    }
    await killed.logged({ msg: 'reloaded', what: 'identity' });
    killed.signal('SIGKILL');
    expect(await killed.exited).toBeNull();

    const sidecar = await start(files, onTestFinished);
    const admin = { kind: 'unix', path: files.path('admin.sock') } as const;
    expect((await ask(admin, { path: '/readyz' })).status).toBe(200);
    const { digest } = await sidecar.logged({ msg: 'loaded', what: 'identity' });
    expect(written).toContain(digest);
    const peer = await connect(sidecar);
    peer.request('GET', '/after');
    expect((await peer.response()).status).toBe(200);
  });
});
