// How long one turn of the event loop may take, however many connections there are and whatever peers send.

import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import type { UpstreamStream, UpstreamWaiter } from '../../src/proxy/upstream.ts';
import { plainDial } from '../../src/proxy/upstream-dial.ts';
import { UpstreamPool } from '../../src/proxy/upstream-pool.ts';
import { JwtSvidError } from '../../src/spiffe/jwt-svid-error.ts';
import { bundlesOf, OK, ScriptedUpstream, startProxy } from '../support/proxy-fixture.ts';
import { openSetting } from '../support/proxy-setting.ts';

/** Once slowed down, every look at it takes as long as a verification. */
function slowClock(): Clock & { readonly slowDown: () => void } {
  let lookMs = 0;
  let passedMs = 0;
  return {
    wallMs: () => systemClock.wallMs(),
    monotonicMs: () => {
      passedMs += lookMs;
      return passedMs;
    },
    slowDown: () => {
      lookMs = 0.5;
    },
  };
}

describe('a change of trust under many connections', () => {
  it('verifies no more of them in one turn because a sweep falls into it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const upstream = await ScriptedUpstream.start(() => undefined);
    onTestFinished(() => upstream.close());
    const clock = slowClock();
    const proxy = await startProxy(upstream.port, { clock });
    onTestFinished(() => proxy.close());
    const svid = proxy.authority.issue('/training/job');
    const peers = await Promise.all(Array.from({ length: 50 }, async () => proxy.connect(svid)));
    await proxy.recorder.open.until((open) => open === peers.length);
    clock.slowDown();
    proxy.trust.swap(bundlesOf([]));
    const inFirstTurn = proxy.recorder.terminations.length;
    expect(inFirstTurn).toBeGreaterThan(0);
    expect(inFirstTurn).toBeLessThan(15);
    vi.advanceTimersByTime(250);
    vi.advanceTimersByTime(250);
    expect(proxy.recorder.terminations.length).toBeLessThanOrEqual(2 * inFirstTurn);
    await Promise.all(peers.map(async (peer) => peer.closed()));
    expect(proxy.recorder.terminations).toEqual(peers.map(() => 'trust-changed'));
  });
});

describe('a change of trust under many connections of which few are used', () => {
  it('comes to those first: the others ask for themselves when they are', async () => {
    const clock = slowClock();
    const { proxy, peer, upstream } = await openSetting(() => undefined, { clock });
    const idle = await Promise.all(
      Array.from({ length: 50 }, async () => proxy.connect(proxy.authority.issue('/training/idle'))),
    );
    const last = await proxy.connect(proxy.authority.issue('/training/last'));
    await proxy.recorder.open.until((open) => open === idle.length + 2);
    peer.request('GET', '/first');
    last.request('GET', '/last');
    await upstream.until(({ received }) => received.includes('/first') && received.includes('/last'));
    clock.slowDown();
    proxy.trust.swap(bundlesOf([]));
    expect(proxy.recorder.requests.map(({ path, refusal }) => [path, refusal])).toEqual([
      ['/first', 'trust-changed'],
      ['/last', 'trust-changed'],
    ]);
    await Promise.all(idle.map(async (each) => each.closed()));
  });
});

describe('requests behind one another', () => {
  it('that bring tokens nobody signed are no more than other requests may be', async () => {
    let verified = 0;
    const verify = (): never => {
      verified += 1;
      throw new JwtSvidError('signature-invalid', 'the signature is not right');
    };
    const { proxy, peer, upstream } = await openSetting((_head, socket) => socket.write(OK), {
      limits: { maxPipelinedRequests: 16 },
      authentication: { x509: true, tokens: { verifier: { verify }, mayCarry: () => false } },
    });
    peer.send('GET /x HTTP/1.1\r\nhost: registry\r\nauthorization: Bearer a.b.c\r\n\r\n'.repeat(50));
    await peer.closed();
    expect(verified).toBe(16);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('pipeline-limit');
    expect(proxy.recorder.requests).toHaveLength(17);
    expect(upstream.received).toBe('');
  });
});

describe('many that wait for a connection and may not have it any more', () => {
  it('are passed over one after the other, however many there are', async () => {
    const upstream = await ScriptedUpstream.start(() => undefined);
    onTestFinished(() => upstream.close());
    const pool = new UpstreamPool(
      plainDial({ kind: 'tcp', host: '127.0.0.1', port: upstream.port }),
      {
        connectTimeoutMs: 60_000,
        idleTimeoutMs: 60_000,
        maxConnections: 1,
        maxIdleConnections: 1,
        maxPending: 100_000,
        failuresToEject: 1,
        ejectMs: 1,
      },
      systemClock,
    );
    onTestFinished(() => pool.close());
    const { promise, resolve } = Promise.withResolvers<UpstreamStream>();
    const waiter = (wants: (stream: UpstreamStream) => boolean): UpstreamWaiter => ({
      upstreamReady: wants,
      upstreamRefused: () => undefined,
    });
    pool.acquire(
      waiter((ready) => {
        resolve(ready);
        return true;
      }),
    );
    const stream = await promise;
    let passed = 0;
    for (let at = 0; at < 20_000; at += 1) {
      pool.acquire(
        waiter(() => {
          passed += 1;
          return false;
        }),
      );
    }
    stream.release(0);
    expect(passed).toBe(20_000);
    expect(pool.takeIdle()).toBe(stream);
  });
});
