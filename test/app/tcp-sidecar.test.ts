// A sidecar with a TCP listener, from its configuration to its logs and metrics.

import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';
import { createLocalPlane } from '../../src/app/plane.ts';
import { type Sidecar, startSidecar } from '../../src/app/sidecar.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { ask } from '../admin/http.ts';
import { connectPeer } from '../support/proxy-fixture.ts';
import { type SidecarFiles, writeSidecarFiles } from '../support/sidecar-process.ts';
import { testAuthority, type TestSvid } from '../support/svid-fixtures.ts';
import { CONNECT_POLICY, End, TcpServer } from '../support/tcp-setting.ts';
import { portOf } from '../support/port-of.ts';

interface Running {
  readonly files: SidecarFiles;
  readonly server: TcpServer;
  readonly sidecar: Sidecar;
  readonly connect: (path: string) => Promise<End>;
  /** Waits for a line of either log with this message. */
  readonly logged: (message: string) => Promise<Record<string, unknown>>;
}

interface Start {
  readonly policy?: string;
  readonly own?: TestSvid;
  /** The configuration as it is to be; without, a TCP listener in front of a server of the test. */
  readonly edit?: (config: string) => string;
}

const asTcp = (config: string): string =>
  config.replace('http://', 'tcp://').replace('component:', 'mode: tcp\n    component:');

async function start({ policy = CONNECT_POLICY, own, edit = asTcp }: Start = {}): Promise<Running> {
  const server = await TcpServer.start();
  const files = writeSidecarFiles({
    upstreamPort: server.port,
    policy,
    extra: '',
    admin: '127.0.0.1:0',
    ...(own === undefined ? {} : { own }),
  });
  onTestFinished(() => files.remove());
  const lines: Record<string, unknown>[] = [];
  const waiters: (() => void)[] = [];
  const destination = {
    write: (text: string | Buffer): void => {
      for (const line of String(text).trimEnd().split('\n')) lines.push(JSON.parse(line));
      for (const waiter of waiters.splice(0)) waiter();
    },
  };
  const file = files.path('sallyport.yaml');
  const text = edit(readFileSync(file, 'utf8'));
  const sidecar = await startSidecar({
    config: parseConfig(Buffer.from(`${text}decisionLog: { allow: all }\n`), file),
    log: createLogger({ level: 'info', destination }),
    decisionLog: destination,
    logWriteFailures: () => 0,
    createPlane: createLocalPlane,
    onRequest: null,
    endpointSocket: null,
    signal: new AbortController().signal,
  });
  onTestFinished(() => sidecar.close());
  return {
    files,
    server,
    sidecar,
    connect: async (path) => {
      const port = portOf(sidecar.listeners.get('registry'));
      const { socket } = await connectPeer(port, testAuthority().issue(path), { ca: testAuthority().certificatePem });
      onTestFinished(() => {
        socket.destroy();
      });
      return new End(socket);
    },
    logged: async (message) => {
      for (;;) {
        const line = lines.find(({ msg }) => msg === message);
        if (line !== undefined) return line;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
  };
}

const WITH_PATHS = CONNECT_POLICY.replace(
  'allow: [{ registry: [connect] }]',
  'allow: [{ registry: [connect] }, { target: registry, verbs: [read], paths: [/x] }]',
);

describe('a sidecar with a TCP listener', () => {
  it('does not start with a policy whose rules it could hold nobody to, and says where they are', async () => {
    await expect(start({ policy: WITH_PATHS })).rejects.toThrow(
      /policy\.yaml:10:\d+: `registry` is served over TCP, .*write `registry: \[connect\]`/,
    );
  });

  it('keeps its policy when it is given such a one later, loudly, and cuts when policy really turns', async () => {
    const { files, server, connect, logged } = await start();
    const peer = await connect('/training/job');
    const served = await server.accepted();
    peer.socket.write('a');
    await served.has('a');
    files.write('policy.yaml', WITH_PATHS);
    const failure = JSON.stringify(await logged('reload failed, the last good state stays in force'));
    expect(failure).toContain('request-rule-on-tcp');
    peer.socket.write('b');
    await served.has('ab');
    files.write('policy.yaml', CONNECT_POLICY.replace('[{ registry: [connect] }]', '[]'));
    await Promise.all([peer.ended(), served.closed()]);
    expect(await logged('request denied')).toMatchObject({
      reason: 'not-granted',
      refusal: 'policy-changed',
      requestBytes: 2,
    });
  });

  it('writes one line for each connection and counts it', async () => {
    const { sidecar, server, connect, logged } = await start();
    const denied = await connect('/inference/server');
    await denied.ended();
    expect(await logged('request denied')).toMatchObject({
      principal: 'spiffe://ai.example/inference/server',
      component: 'inference',
      target: 'registry',
      verb: 'connect',
      reason: 'denied-by-rule',
      method: '',
      path: '',
      status: 0,
    });
    const peer = await connect('/training/job');
    const served = await server.accepted();
    peer.socket.end('four');
    await served.ended();
    served.socket.end('three');
    await peer.closed();
    expect(await logged('request allowed')).toMatchObject({
      verb: 'connect',
      requestBytes: 4,
      responseBytes: 5,
      refusal: null,
    });
    const { admin } = sidecar;
    if (admin?.kind !== 'tcp') throw new Error('no admin');
    const { body } = await ask(admin, { path: '/metrics' });
    const labels =
      'listener="registry",source="training",target="registry",verb="connect",effect="allow",reason="allowed-by-rule"';
    expect(body).toContain(`sallyport_decisions_total{${labels}} 1\n`);
    expect(body).toContain('sallyport_refusals_total{listener="registry",reason="denied"} 1\n');
    expect(body).toMatch(/sallyport_bytes_total\{listener="registry",direction="upstream"\} 4\n/);
  });

  it('lets the own program out to the TCP listener of another, with everything from files', async () => {
    const far = await start();
    const farPort = portOf(far.sidecar.listeners.get('registry'));
    const near = await start({
      own: testAuthority().issue('/training/job'),
      edit: (config) =>
        config
          .replace('component:', 'mode: tcp-egress\n    serverId: /registry/*\n    component:')
          .replace(/http:\/\/127\.0\.0\.1:\d+/, `tls://127.0.0.1:${farPort}`),
    });
    const socket = connectSocket({ host: '127.0.0.1', port: portOf(near.sidecar.listeners.get('registry')) });
    onTestFinished(() => {
      socket.destroy();
    });
    const program = new End(socket);
    socket.end('ping');
    const served = await far.server.accepted();
    await served.ended();
    served.socket.end('pong');
    await program.closed();
    expect([served.text, program.text]).toEqual(['ping', 'pong']);
    for (const { logged } of [near, far]) {
      expect(await logged('request allowed')).toMatchObject({
        principal: 'spiffe://ai.example/training/job',
        target: 'registry',
        verb: 'connect',
      });
    }
  });
});
