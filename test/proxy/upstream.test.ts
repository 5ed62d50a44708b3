import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OK, startProxy } from '../support/proxy-fixture.ts';
import { openSetting } from '../support/proxy-setting.ts';

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('the upstream pool', () => {
  it('answers 502 when nobody listens, and 503 for a while after several failures in a row', async () => {
    const proxy = await startProxy(await deadPort(), { pool: { failuresToEject: 3, ejectMs: 60_000 } });
    onTestFinished(() => proxy.close());
    const peer = await proxy.connect(proxy.authority.issue('/training/job'));
    const statuses: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      peer.request('GET', '/x');
      statuses.push((await peer.response()).status);
    }
    expect(statuses).toEqual([502, 502, 502, 503, 503]);
    expect(proxy.recorder.requests.map(({ refusal }) => refusal)).toEqual([
      'upstream-unreachable',
      'upstream-unreachable',
      'upstream-unreachable',
      'upstream-ejected',
      'upstream-ejected',
    ]);
  });

  it('reaches an upstream by its unix socket', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, 'registry.sock');
    const server = createServer((socket) => socket.on('data', () => socket.write(OK)));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const proxy = await startProxy({ kind: 'unix', path });
    onTestFinished(async () => {
      await proxy.close();
      server.close();
    });
    const peer = await proxy.connect(proxy.authority.issue('/training/job'));
    for (let i = 0; i < 2; i += 1) {
      peer.request('GET', '/x');
      expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
    }
  });

  it('comes back after the pause', async () => {
    const port = await deadPort();
    const proxy = await startProxy(port, { pool: { failuresToEject: 1, ejectMs: 50 } });
    onTestFinished(() => proxy.close());
    const peer = await proxy.connect(proxy.authority.issue('/training/job'));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(502);
    const server = createServer((socket) => socket.on('data', () => socket.write(OK)));
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    await new Promise((resolve) => setTimeout(resolve, 60));
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
    peer.socket.destroy();
  });

  it('tries an idempotent request again when a kept connection had died', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(OK));
    peer.request('GET', '/first');
    await peer.response();
    const [kept] = upstream.sockets;
    // Dies at the moment the next request arrives, before a byte comes back.
    kept?.removeAllListeners('data');
    kept?.on('data', () => kept.destroy());
    peer.request('GET', '/second');
    expect((await peer.response()).status).toBe(200);
    expect(upstream.sockets).toHaveLength(2);
  });

  it('does not try a POST again', async () => {
    const { upstream, proxy, peer } = await openSetting((_head, socket) => socket.write(OK));
    peer.request('GET', '/first');
    await peer.response();
    const [kept] = upstream.sockets;
    kept?.removeAllListeners('data');
    kept?.on('data', () => kept.destroy());
    peer.request('POST', '/second', 'content-length: 0\r\n');
    expect((await peer.response()).status).toBe(502);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-reset');
  });

  it('does not try again what failed on a new connection', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.destroy());
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(502);
    expect(upstream.sockets).toHaveLength(1);
  });

  it('answers 504 when the response does not come in time', async () => {
    const { proxy, peer } = await openSetting(() => undefined, { deadlines: { responseHeadTimeoutMs: 300 } });
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(504);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-timeout');
  });

  it('cuts a response that stands still', async () => {
    const { proxy, peer } = await openSetting(
      (_head, socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'),
      { deadlines: { bodyIdleTimeoutMs: 300 } },
    );
    peer.request('GET', '/x');
    expect(await peer.closed()).toMatch(/half$/);
    expect(proxy.recorder.requests.at(-1)?.refusal).toBe('upstream-timeout');
  });

  it('lets requests wait for a connection, and refuses those too many', async () => {
    const waiting: (() => void)[] = [];
    const { upstream, proxy } = await openSetting((_head, socket) => waiting.push(() => socket.write(OK)), {
      pool: { maxConnections: 1, maxPending: 1 },
    });
    const svid = proxy.authority.issue('/training/job');
    const peers = await Promise.all([proxy.connect(svid), proxy.connect(svid), proxy.connect(svid)]);
    const [first, second, third] = peers;
    first?.request('GET', '/first');
    await upstream.until(({ received }) => received.includes('/first'));
    second?.request('GET', '/second');
    await new Promise((resolve) => setTimeout(resolve, 50));
    third?.request('GET', '/third');
    expect((await third?.response())?.status).toBe(503);
    waiting.shift()?.();
    expect((await first?.response())?.status).toBe(200);
    await upstream.until(({ received }) => received.includes('/second'));
    waiting.shift()?.();
    expect((await second?.response())?.status).toBe(200);
    expect(upstream.sockets).toHaveLength(1);
  });

  it('closes a kept connection on which something arrives unasked', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(OK));
    peer.request('GET', '/x');
    await peer.response();
    const closed = new Promise<void>((resolve) => upstream.sockets[0]?.once('close', () => resolve()));
    upstream.sockets[0]?.write('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n');
    await closed;
    peer.request('GET', '/x');
    expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
  });
});
