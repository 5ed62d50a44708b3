// TCP listeners in front of programs that other people wrote.

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasRedis, RedisServer } from '../store/redis-server.ts';
import { compilePolicy, type ProxyFixture } from '../support/proxy-fixture.ts';
import { connectEnd, CONNECT_POLICY, type End, startTcp, TcpServer } from '../support/tcp-setting.ts';

const run = promisify(execFile);
const isInstalled = (program: string): boolean => spawnSync(program, ['-v']).status === 0;

const POLICY_WITHOUT = CONNECT_POLICY.replace('[{ registry: [connect] }]', '[]');

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-tcp-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function startRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.remove());
  return redis;
}

const asTraining = (proxy: ProxyFixture): Promise<End> => connectEnd(proxy, proxy.authority.issue('/training/job'));

describe.skipIf(!hasRedis)('redis behind a TCP listener (skipped where there is no redis-server)', () => {
  it('serves its own client over TLS', async () => {
    const redis = await startRedis();
    const proxy = await startTcp(redis.port);
    const directory = temporaryDirectory();
    const { certificatePem, privateKeyPem } = proxy.authority.issue('/training/job');
    writeFileSync(join(directory, 'peer.pem'), certificatePem);
    writeFileSync(join(directory, 'peer.key'), privateKeyPem, { mode: 0o600 });
    writeFileSync(join(directory, 'bundle.pem'), proxy.authority.certificatePem);
    const cli = async (...command: readonly string[]): Promise<string> => {
      const credentials = ['--tls', '--cert', 'peer.pem', '--key', 'peer.key', '--cacert', 'bundle.pem'];
      const place = ['-h', '127.0.0.1', '-p', String(proxy.port)];
      const { stdout } = await run('redis-cli', [...place, ...credentials, ...command], { cwd: directory });
      return stdout.trimEnd();
    };
    expect(await cli('set', 'feature:1', 'x'.repeat(100_000))).toBe('OK');
    expect(await cli('strlen', 'feature:1')).toBe('100000');
    expect(redis.cli('strlen', 'feature:1')).toBe('100000');
    await proxy.untilClosed();
    expect(proxy.recorder.requests.map(({ refusal, decision }) => [refusal, decision?.verb])).toEqual([
      [null, 'connect'],
      [null, 'connect'],
    ]);
  });

  it('keeps a subscription open that survives an unrelated change, and loses it within a second when policy turns', async () => {
    const redis = await startRedis();
    const proxy = await startTcp(redis.port);
    const subscriber = await asTraining(proxy);
    subscriber.socket.write('SUBSCRIBE events\r\n');
    await subscriber.has(':1\r\n');
    expect(redis.cli('publish', 'events', 'one')).toBe('1');
    await subscriber.has('one');
    proxy.policy.swap(compilePolicy(CONNECT_POLICY.replace('deny: [registry]', 'deny: [registry, training]')));
    expect(redis.cli('publish', 'events', 'two')).toBe('1');
    await subscriber.has('two');
    const start = performance.now();
    proxy.policy.swap(compilePolicy(POLICY_WITHOUT));
    await subscriber.ended();
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(redis.cli('publish', 'events', 'three')).toBe('0');
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'policy-changed' }]);
  });

  it('carries a pipeline of many commands whole', async () => {
    const redis = await startRedis();
    const proxy = await startTcp(redis.port);
    const peer = await asTraining(proxy);
    const count = 20_000;
    for (let at = 0; at < count; at += 1) peer.socket.write(`ECHO m${at}\r\n`);
    peer.socket.write('QUIT\r\n');
    await peer.ended();
    const expected = Array.from({ length: count }, (_, at) => `$${`m${at}`.length}\r\nm${at}\r\n`).join('');
    expect(peer.text).toBe(`${expected}+OK\r\n`);
  });
});

describe.skipIf(spawnSync('openssl', ['version']).status !== 0)('openssl as peer (skipped without)', () => {
  /** What it says of the end of a connection of `path`, which it keeps open until it is ended. */
  async function endOf(path: string, onOpen: (proxy: ProxyFixture) => void): Promise<string> {
    const server = await TcpServer.start((socket) => socket.write('hello'));
    const proxy = await startTcp(server.port);
    const directory = temporaryDirectory();
    const { certificatePem, privateKeyPem } = proxy.authority.issue(path);
    writeFileSync(join(directory, 'peer.pem'), certificatePem + privateKeyPem, { mode: 0o600 });
    writeFileSync(join(directory, 'bundle.pem'), proxy.authority.certificatePem);
    const credentials = ['-cert', 'peer.pem', '-key', 'peer.pem', '-CAfile', 'bundle.pem'];
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${proxy.port}`, '-quiet', ...credentials], {
      cwd: directory,
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => (said += String(bytes)));
    child.stdout.once('data', () => onOpen(proxy));
    await new Promise((resolve) => child.once('exit', resolve));
    return said;
  }

  it('can tell a connection that was cut from a whole one', async () => {
    const cut = await endOf('/training/job', ({ policy }) => policy.swap(compilePolicy(POLICY_WITHOUT)));
    expect(cut).toContain('unexpected eof while reading');
  });

  it('is told of a refusal in good order', async () => {
    expect(await endOf('/inference/server', () => undefined)).not.toContain('unexpected eof');
  });
});

/** Waits until somebody listens at a unix socket. */
async function reached(path: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}`);
    const socket = connectSocket(path);
    const isThere = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true));
      socket.on('error', () => resolve(false));
    });
    socket.destroy();
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts a program that listens at `upstream.sock`, and a listener in front of it that sends PROXY headers. */
async function behindHeader(
  program: string,
  configuration: (path: string, directory: string) => string,
  parameters: (file: string, directory: string) => readonly string[],
): Promise<ProxyFixture> {
  const directory = temporaryDirectory();
  const path = join(directory, 'upstream.sock');
  const file = join(directory, 'program.conf');
  writeFileSync(file, configuration(path, directory));
  const child = spawn(program, parameters(file, directory), { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] });
  onTestFinished(async () => {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    if (child.kill('SIGKILL')) await exited;
  });
  await reached(path, child);
  return startTcp({ kind: 'unix', path }, { tcp: { sendsProxyHeader: true } });
}

describe('the PROXY header, as others read it', () => {
  it.skipIf(!isInstalled('haproxy'))('HAProxy (skipped without): addresses, ports and the decision id', async () => {
    const proxy = await behindHeader(
      'haproxy',
      (path) => `defaults
  mode http
  timeout client 10s
  timeout connect 10s
  timeout server 10s
frontend told
  bind unix@${path} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port] %[fc_pp_unique_id]"
`,
      (file) => ['-q', '-db', '-f', file],
    );
    const peer = await asTraining(proxy);
    const { localAddress, localPort } = peer.socket;
    peer.socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    await peer.ended();
    peer.socket.end();
    await proxy.untilClosed();
    const [record] = proxy.recorder.requests;
    expect(peer.text).toMatch(/^HTTP\/1\.1 200 /);
    expect(peer.text.split('\r\n\r\n')[1]).toBe(
      `${localAddress} ${localPort} 127.0.0.1 ${proxy.port} ${record?.decisionId}`,
    );
  });

  it.skipIf(!isInstalled('nginx'))('nginx (skipped without): addresses and ports', async () => {
    const proxy = await behindHeader(
      'nginx',
      (path, directory) => `error_log stderr crit;
pid ${directory}/nginx.pid;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join('\n  ')}
  server {
    listen unix:${path} proxy_protocol;
    return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
  }
}
`,
      (file, directory) => ['-p', directory, '-e', 'stderr', '-c', file, '-g', 'daemon off; master_process off;'],
    );
    const peer = await asTraining(proxy);
    const { localAddress, localPort } = peer.socket;
    peer.socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    await peer.ended();
    expect(peer.text.split('\r\n\r\n')[1]).toBe(`${localAddress} ${localPort} 127.0.0.1 ${proxy.port}`);
  });
});
