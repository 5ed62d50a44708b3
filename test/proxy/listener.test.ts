import { connect as connectTcp } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { ARTICLE_POLICY, bundlesOf, compilePolicy, OK } from '../support/proxy-fixture.ts';
import { connectTraining, openSetting } from '../support/proxy-setting.ts';
import { createTestAuthority } from '../support/svid-fixtures.ts';

const OWN = 'spiffe://ai.example/training/**';
const OTHERS = 'spiffe://other.example/training/**';

describe('a change of trust', () => {
  it('survives connections that are going away at that moment', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    const svid = proxy.authority.issue('/training/job');
    for (let round = 0; round < 50; round += 1) {
      const peer = await proxy.connect(svid);
      peer.request('GET', '/x');
      await peer.response();
      let swapping = true;
      // Between what sockets bring and the end of those that were closed by it.
      const swap = (): void => {
        proxy.trust.swap(bundlesOf([proxy.authority]));
        if (swapping) setImmediate(swap);
      };
      swap();
      peer.socket.destroy();
      await proxy.untilClosed(1);
      swapping = false;
    }
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('CA-122 does not give an SVID back the time that a clock was set back by', async () => {
    let offsetMs = 0;
    const clock = { wallMs: () => Date.now() + offsetMs, monotonicMs: () => systemClock.monotonicMs() };
    const { proxy } = await openSetting((_head, socket) => socket.write(OK), { clock });
    const peer = await proxy.connect(proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 2_000 }));
    // The handshake is over for the peer before the listener has looked at its certificate.
    peer.request('GET', '/x');
    await peer.response();
    offsetMs = -120_000;
    proxy.trust.swap(bundlesOf([proxy.authority]));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['svid-expired']);
  });
});

describe('a request that waits for a connection', () => {
  it('is not forwarded once the identity it was permitted for has ended', async () => {
    let offsetMs = 0;
    const clock = { wallMs: () => Date.now() + offsetMs, monotonicMs: () => systemClock.monotonicMs() };
    const { upstream, proxy, peer } = await openSetting(
      (_head, socket) => {
        offsetMs = 120_000;
        socket.write(OK);
      },
      { clock, pool: { maxConnections: 1 } },
    );
    const waiting = await proxy.connect(proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 60_000 }));
    peer.request('GET', '/first');
    waiting.request('GET', '/second');
    await proxy.untilDecided(2);
    expect((await peer.response()).status).toBe(200);
    expect((await waiting.response()).status).toBe(401);
    await waiting.closed();
    expect(upstream.received).not.toContain('/second');
    expect(proxy.recorder.requests.find(({ path }) => path === '/second')).toMatchObject({
      refusal: 'svid-expired',
      status: 401,
    });
    const next = await connectTraining(proxy);
    next.request('GET', '/third');
    expect((await next.response()).status).toBe(200);
    expect(upstream.sockets).toHaveLength(1);
  });

  it.each([
    ['policy', 403],
    ['trust', 401],
  ] as const)('is not forwarded once %s has changed against it', async (what, status) => {
    const answers: (() => void)[] = [];
    const other = createTestAuthority('other.example');
    const authority = createTestAuthority('ai.example');
    const bothTrain = ARTICLE_POLICY.replace('training: {}', `training: { ids: [${OWN}, ${OTHERS}] }`);
    const { upstream, proxy, peer } = await openSetting((_head, socket) => answers.push(() => socket.write(OK)), {
      authority,
      bundles: [authority, other],
      policy: bothTrain,
      pool: { maxConnections: 1 },
    });
    peer.request('GET', '/first');
    await upstream.until(({ received }) => received.includes('/first'));
    const allowed = await connectTraining(proxy);
    const denied = await Promise.all(
      Array.from({ length: 5 }, async () => proxy.connect(other.issue('/training/job'))),
    );
    for (const [at, waiting] of denied.entries()) waiting.request('GET', `/denied-${at}`);
    allowed.request('GET', '/allowed');
    await proxy.untilDecided(7);
    if (what === 'policy') proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    else proxy.trust.swap(bundlesOf([authority]));
    answers.shift()?.();
    await upstream.until(({ received }) => received.includes('/allowed'));
    answers.shift()?.();
    expect((await peer.response()).status).toBe(200);
    expect((await allowed.response()).status).toBe(200);
    for (const waiting of denied) {
      expect((await waiting.response()).status).toBe(status);
    }
    expect(upstream.received).not.toContain('/denied');
    const statuses = proxy.recorder.requests.filter(({ path }) => path.startsWith('/denied')).map((r) => r.status);
    expect(statuses).toEqual(Array.from({ length: 5 }, () => status));
  });
});

describe('a listener that has been drained', () => {
  it('has ended the handshakes under way as well', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(OK));
    const silent = connectTcp(proxy.port, '127.0.0.1');
    silent.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => silent.once('close', () => resolve()));
    await new Promise<void>((resolve) => silent.once('connect', resolve));
    // Accepted after it, and served: so it has been accepted as well.
    const other = await connectTraining(proxy);
    other.request('GET', '/x');
    await other.response();
    peer.socket.destroy();
    other.socket.destroy();
    const start = performance.now();
    await proxy.listener.drain(10_000);
    await closed;
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it('has not waited for peers that it would not serve', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(OK));
    const anonymous = await proxy.connect(null);
    // Looked at after it.
    const other = await connectTraining(proxy);
    other.request('GET', '/x');
    await other.response();
    peer.socket.destroy();
    other.socket.destroy();
    const start = performance.now();
    await proxy.listener.drain(10_000);
    expect(await anonymous.closed()).toBe('');
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});
