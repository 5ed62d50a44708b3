import { connect as connectTcp } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { bundlesOf, OK } from '../support/proxy-fixture.ts';
import { connectTraining, openSetting } from '../support/proxy-setting.ts';

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
    expect(await waiting.closed()).toBe('');
    expect(upstream.received).not.toContain('/second');
    expect(proxy.recorder.requests.find(({ path }) => path === '/second')).toMatchObject({
      refusal: 'svid-expired',
      status: 0,
    });
    const next = await connectTraining(proxy);
    next.request('GET', '/third');
    expect((await next.response()).status).toBe(200);
    expect(upstream.sockets).toHaveLength(1);
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
