// The own program over TCP: out of one sidecar, into another, and to the service.

import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasRedis, RedisServer } from '../store/redis-server.ts';
import {
  bundlesOf,
  compilePolicy,
  identityOf,
  type ProxyFixture,
  type ProxyOptions,
  startProxy,
} from '../support/proxy-fixture.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';
import { CONNECT_POLICY, End, startTcp, TcpServer } from '../support/tcp-setting.ts';

const run = promisify(execFile);
const WITHOUT = CONNECT_POLICY.replace('[{ registry: [connect] }]', '[]');

interface Pair {
  readonly egress: ProxyFixture;
  readonly ingress: ProxyFixture;
  /** As the own program does it. */
  readonly connect: () => Promise<End>;
}

/** `spiffe://ai.example/training/job` → `spiffe://ai.example/registry/proxy` → the service. */
async function openPair(
  servicePort: number,
  ids: readonly string[] = ['/registry/*'],
  ofIngress: ProxyOptions = {},
): Promise<Pair> {
  const ingress = await startTcp(servicePort, ofIngress);
  const egress = await startProxy(ingress.port, {
    policy: CONNECT_POLICY,
    egress: 'anywhere',
    tcp: {},
    server: { ids },
  });
  onTestFinished(() => egress.close());
  return {
    egress,
    ingress,
    connect: async () => {
      const socket = connect({ host: '127.0.0.1', port: egress.port });
      onTestFinished(() => {
        socket.destroy();
      });
      await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      return new End(socket);
    },
  };
}

describe('a TCP egress listener', () => {
  it('carries what the own program sends, decided at both ends in the name of our SVID', async () => {
    const server = await TcpServer.start();
    const { egress, ingress, connect } = await openPair(server.port);
    const program = await connect();
    const much = Buffer.alloc(1_000_000, 'z');
    program.socket.end(much);
    const served = await server.accepted();
    await served.ended();
    served.socket.end(much);
    await program.closed();
    expect([program.received, served.received]).toEqual([much.length, much.length]);
    await Promise.all([egress.untilClosed(), ingress.untilClosed()]);
    for (const { recorder } of [egress, ingress]) {
      expect(recorder.requests).toMatchObject([
        {
          principal: 'spiffe://ai.example/training/job',
          decision: { verb: 'connect', effect: 'allow' },
          refusal: null,
          requestBytes: much.length,
          responseBytes: much.length,
        },
      ]);
    }
  });

  it('connects to nobody when policy says no', async () => {
    const server = await TcpServer.start();
    const { egress, ingress, connect } = await openPair(server.port);
    egress.policy.swap(compilePolicy(WITHOUT));
    const program = await connect();
    await program.ended();
    expect(program.text).toBe('');
    expect(ingress.recorder.handshakes).toEqual([]);
    expect(egress.recorder.requests).toMatchObject([{ refusal: 'denied', decision: { reason: 'not-granted' } }]);
  });

  it('sends nothing to another server than is expected', async () => {
    const server = await TcpServer.start();
    const { egress, connect } = await openPair(server.port, ['/inference/*']);
    const program = await connect();
    program.socket.write('secret');
    await program.ended();
    expect(server.ends).toEqual([]);
    expect(egress.recorder.requests).toMatchObject([{ refusal: 'upstream-untrusted' }]);
  });

  it.each<readonly [string, string, (egress: ProxyFixture) => void]>([
    ['policy turns', 'policy-changed', ({ policy }) => policy.swap(compilePolicy(WITHOUT))],
    ['our SVID is withdrawn', 'own-svid-withdrawn', ({ identity }) => identity.swap(null)],
    [
      'we are somebody else',
      'own-svid-withdrawn',
      ({ identity, authority }) => identity.swap(identityOf(authority, authority.issue('/training/other'))),
    ],
    [
      'nobody trusts the server any more',
      'upstream-untrusted',
      ({ trust }) => trust.swap(bundlesOf([createTestAuthority('ai.example')])),
    ],
  ])('is cut within a second when %s', async (_, reason, change) => {
    const server = await TcpServer.start();
    const { egress, connect } = await openPair(server.port);
    const program = await connect();
    program.socket.write('a');
    const served = await server.accepted();
    await served.has('a');
    const start = performance.now();
    change(egress);
    await Promise.all([program.ended(), served.ended()]);
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(egress.recorder.requests).toMatchObject([{ refusal: reason }]);
    expect(egress.recorder.terminations).toEqual([reason]);
  });

  it('ends with our SVID, unless that is rotated', async () => {
    const server = await TcpServer.start();
    // The other end would end it as well, for the same reason.
    const leases = { graceMs: 60_000, onLapse: { 'svid-expired': 'drain' } } as const;
    const { egress, connect } = await openPair(server.port, ['/registry/*'], { leases });
    const own = egress.authority.issue('/training/job', { notAfterMs: Date.now() + 3_000 });
    egress.identity.swap(identityOf(egress.authority, own));
    const program = await connect();
    program.socket.write('a');
    await (await server.accepted()).has('a');
    await program.ended();
    expect(egress.recorder.requests).toMatchObject([{ refusal: 'own-svid-withdrawn' }]);
  });

  it('survives a rotation of our SVID', async () => {
    const server = await TcpServer.start();
    const { egress, connect } = await openPair(server.port);
    const program = await connect();
    program.socket.write('a');
    const served = await server.accepted();
    await served.has('a');
    egress.identity.swap(identityOf(egress.authority, egress.authority.issue('/training/job')));
    egress.policy.swap(compilePolicy(CONNECT_POLICY.replace('deny: [registry]', 'deny: [registry, training]')));
    program.socket.write('b');
    await served.has('ab');
  });

  it('lets nobody out without an SVID, and records it', async () => {
    const server = await TcpServer.start();
    const { egress, connect } = await openPair(server.port);
    egress.identity.swap(null);
    const program = await connect();
    await program.ended();
    expect(egress.recorder.requests).toMatchObject([{ refusal: 'own-svid-withdrawn', principal: null, status: 0 }]);
  });
});

describe.skipIf(!hasRedis)('two sidecars before redis (skipped where there is no redis-server)', () => {
  it('serve a program that knows nothing of TLS, and cut it when policy turns at either', async () => {
    const redis = await RedisServer.start();
    onTestFinished(() => redis.remove());
    const { egress, ingress, connect } = await openPair(redis.port);
    const { stdout } = await run('redis-cli', ['-h', '127.0.0.1', '-p', String(egress.port), 'set', 'a', 'b']);
    expect(stdout).toBe('OK\n');
    const subscriber = await connect();
    subscriber.socket.write('SUBSCRIBE events\r\n');
    await subscriber.has(':1\r\n');
    expect(redis.cli('publish', 'events', 'one')).toBe('1');
    await subscriber.has('one');
    ingress.policy.swap(compilePolicy(WITHOUT));
    await subscriber.ended();
    expect(redis.cli('publish', 'events', 'two')).toBe('0');
  });
});
