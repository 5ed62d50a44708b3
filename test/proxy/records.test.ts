import { describe, expect, it } from 'vitest';
import { OK } from '../support/proxy-fixture.ts';
import { openSetting } from '../support/proxy-setting.ts';

describe('the record of a request', () => {
  it('counts as overhead neither the upstream nor the request before it', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => void setTimeout(() => socket.write(OK), 200));
    peer.send('GET /x HTTP/1.1\r\nhost: registry\r\n\r\n'.repeat(3));
    for (let i = 0; i < 3; i += 1) await peer.response();
    for (const record of proxy.recorder.requests) {
      expect(record.overheadSeconds).toBeLessThan(0.1);
      expect(record.upstreamSeconds).toBeGreaterThan(0.15);
      expect(record.durationSeconds).toBeGreaterThan(0.15);
      expect(record.durationSeconds).toBeLessThan(0.35);
    }
  });

  it('counts as overhead no waiting for a connection', async () => {
    const { upstream, proxy, peer } = await openSetting(
      (_head, socket) => void setTimeout(() => socket.write(OK), 200),
      {
        pool: { maxConnections: 1 },
      },
    );
    const second = await proxy.connect(proxy.authority.issue('/training/job'));
    peer.request('GET', '/first');
    await upstream.until(({ received }) => received.includes('/first'));
    second.request('GET', '/second');
    await second.response();
    expect(proxy.recorder.requests.at(-1)?.path).toBe('/second');
    expect(proxy.recorder.requests.at(-1)?.overheadSeconds).toBeLessThan(0.1);
  });

  it('says how long an upstream was waited for that never answered', async () => {
    const { proxy, peer } = await openSetting(() => undefined, { deadlines: { responseHeadTimeoutMs: 300 } });
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(504);
    expect(proxy.recorder.requests.at(-1)?.upstreamSeconds).toBeGreaterThanOrEqual(0.3);
  });

  it('says nothing of an upstream that was not asked, or that a peer kept waiting', async () => {
    const { proxy, peer } = await openSetting(() => undefined, {
      limits: { minBodyBytesPerSecond: 1_000_000, bodyGraceMs: 100 },
    });
    const inference = await proxy.connect(proxy.authority.issue('/inference/server'));
    inference.request('PUT', '/denied');
    expect((await inference.response()).status).toBe(403);
    peer.send('PUT /x HTTP/1.1\r\nhost: registry\r\ncontent-length: 100\r\n\r\npart');
    expect((await peer.response()).status).toBe(408);
    expect(proxy.recorder.requests.map(({ upstreamSeconds }) => upstreamSeconds)).toEqual([Number.NaN, Number.NaN]);
  });

  it('blames the peer for an upload that turns out malformed after the answer has begun', async () => {
    const { proxy, peer } = await openSetting((_head, socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'),
    );
    peer.send('PUT /x HTTP/1.1\r\nhost: registry\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n');
    await peer.until((received) => received.endsWith('half'));
    peer.send('what?');
    await peer.closed();
    expect(proxy.recorder.terminations).toEqual(['protocol-error']);
    expect(proxy.recorder.requests).toMatchObject([{ status: 200, refusal: 'ambiguous-request' }]);
  });
});
