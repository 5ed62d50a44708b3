import { describe, expect, it } from 'vitest';
import { OK } from '../support/proxy-fixture.ts';
import { connectTraining, openSetting } from '../support/proxy-setting.ts';

/** More than a socket buffers, less than one read from the upstream brings: the peer is congested when the response ends. */
const CONGESTING = `HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n${'x'.repeat(200_000)}`;

describe('an upstream connection', () => {
  it('is read again after a response that ended while the peer was congested', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(CONGESTING), {
      deadlines: { responseHeadTimeoutMs: 2_000 },
    });
    for (let i = 0; i < 3; i += 1) {
      peer.request('GET', '/x');
      expect(await peer.response()).toMatchObject({ status: 200, body: 'x'.repeat(200_000) });
    }
    expect(upstream.sockets).toHaveLength(1);
  });

  it('is not used once something has arrived on it unasked, by whatever comes in the same turn', async () => {
    const { upstream, proxy, peer } = await openSetting((_head, socket) => socket.write(OK));
    for (let i = 0; i < 5; i += 1) {
      peer.request('GET', '/x');
      expect((await peer.response()).status).toBe(200);
      // Both become readable to the proxy before it looks again; a POST cannot be tried a second time.
      upstream.sockets.at(-1)?.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n');
      peer.request('POST', '/y', 'content-length: 0\r\n');
      expect((await peer.response()).status).toBe(200);
    }
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual(Array.from({ length: 10 }, () => null));
  });

  it('is not used once the upstream has ended it, by whatever comes in the same turn', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(OK));
    for (let i = 0; i < 5; i += 1) {
      peer.request('GET', '/x');
      expect((await peer.response()).status).toBe(200);
      upstream.sockets.at(-1)?.destroy();
      peer.request('POST', '/y', 'content-length: 0\r\n');
      expect((await peer.response()).status).toBe(200);
    }
  });
});

describe('idle connections', () => {
  it('are kept while load comes and goes, and given up when more are unused than is configured', async () => {
    const waiting: (() => void)[] = [];
    const { upstream, proxy } = await openSetting(
      (_head, socket) => {
        waiting.push(() => socket.write(OK));
        // All at the same time, so that each needs a connection of its own.
        if (waiting.length === 6) for (const answer of waiting.splice(0)) answer();
      },
      { pool: { maxIdleConnections: 2 } },
    );
    const peers = await Promise.all(Array.from({ length: 6 }, async () => connectTraining(proxy)));
    for (let round = 0; round < 10; round += 1) {
      for (const peer of peers) peer.request('GET', '/x');
      for (const peer of peers) expect((await peer.response()).status).toBe(200);
    }
    expect(upstream.sockets).toHaveLength(6);
    const open = (): number => upstream.sockets.filter(({ destroyed }) => !destroyed).length;
    while (open() > 2) await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(open()).toBe(2);
  });

  it('are not kept at all when none may be', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(OK), {
      pool: { maxIdleConnections: 0 },
    });
    for (let i = 0; i < 3; i += 1) {
      peer.request('GET', '/x');
      expect((await peer.response()).status).toBe(200);
    }
    expect(upstream.sockets).toHaveLength(3);
  });
});

describe('a request that waits for a connection', () => {
  it('is refused as soon as the upstream is given a rest', async () => {
    const { upstream, proxy, peer } = await openSetting(() => undefined, {
      pool: { maxConnections: 1, failuresToEject: 1, ejectMs: 60_000, connectTimeoutMs: 20_000 },
    });
    peer.request('GET', '/first');
    await upstream.until(({ received }) => received.includes('/first'));
    const second = await connectTraining(proxy);
    second.request('GET', '/second');
    const third = await connectTraining(proxy);
    third.request('GET', '/third');
    await proxy.untilDecided(3);
    upstream.close();
    expect((await peer.response()).status).toBe(502);
    const others = new Set([(await second.response()).status, (await third.response()).status]);
    expect(others).toEqual(new Set([502, 503]));
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual([
      'upstream-reset',
      'upstream-unreachable',
      'upstream-ejected',
    ]);
  });
});
