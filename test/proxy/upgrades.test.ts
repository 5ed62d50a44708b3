// Requests to upgrade over HTTP/1.1, octet for octet: when both sides switch, when they do not, and what becomes of their connections.

import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { ARTICLE_POLICY, compilePolicy, OK, type ProxyOptions, WEBSOCKET_POLICY } from '../support/proxy-fixture.ts';
import { connectTraining, openSetting, type ProxySetting, untilStill } from '../support/proxy-setting.ts';

const ASK =
  'connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const ACCEPT = 'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n';
const SWITCH = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n${ACCEPT}\r\n`;
/** Nothing in it is HTTP, and it would be 400 if it were read as such. */
const FRAME = '\x81\x05\0\xffhello';
const ODD = { policy: WEBSOCKET_POLICY } as const;

async function openTunnel(
  options: ProxyOptions = {},
  answer = SWITCH,
): Promise<ProxySetting & { readonly toPeer: (text: string) => void }> {
  const setting = await openSetting((_head, socket) => socket.write(answer, 'latin1'), { ...ODD, ...options });
  setting.peer.request('GET', '/socket', ASK);
  await setting.peer.until((text) => text.includes('\r\n\r\n'));
  return { ...setting, toPeer: (text) => setting.upstream.sockets[0]?.write(text, 'latin1') };
}

describe('an upgrade that is allowed', () => {
  it('is asked of the upstream, and what it answers is passed on', async () => {
    const { upstream, peer } = await openTunnel();
    expect(upstream.received).toMatch(
      /^GET \/socket HTTP\/1\.1\r\nhost: registry\r\n(?:(?!connection|upgrade|keep-alive).*\r\n)+connection: upgrade\r\nupgrade: websocket\r\n\r\n$/,
    );
    expect(upstream.received).toContain('\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n');
    expect(upstream.received).toContain('\r\nx-spiffe-id: spiffe://ai.example/training/job\r\n');
    expect(peer.received).toBe(
      `HTTP/1.1 101 Switching Protocols\r\n${ACCEPT}connection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    );
  });

  it('carries octets both ways as they are, and is recorded once when the upstream ends it', async () => {
    const { upstream, proxy, peer, toPeer } = await openTunnel();
    peer.send(FRAME);
    await upstream.until(({ received }) => received.endsWith(FRAME));
    toPeer(FRAME + FRAME);
    await peer.until((text) => text.endsWith(FRAME + FRAME));
    expect(proxy.recorder.requests).toEqual([]);
    upstream.sockets[0]?.end();
    expect((await peer.closed()).endsWith(`\r\n\r\n${FRAME}${FRAME}`)).toBe(true);
    expect(proxy.recorder.requests).toEqual([
      expect.objectContaining({
        status: 101,
        refusal: null,
        method: 'GET',
        upgrade: 'websocket',
        requestBytes: FRAME.length,
        responseBytes: 2 * FRAME.length,
      }),
    ]);
    await proxy.untilClosed();
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('loses nothing that came with the request, nor with the answer', async () => {
    const setting = await openSetting((_head, socket) => socket.write(SWITCH + FRAME, 'latin1'), ODD);
    setting.peer.send(`GET /socket HTTP/1.1\r\nhost: registry\r\n${ASK}\r\n${FRAME}`);
    await setting.upstream.until(({ received }) => received.endsWith(`\r\n\r\n${FRAME}`));
    expect((await setting.peer.until((text) => text.endsWith(FRAME))).split('\r\n\r\n')[1]).toBe(FRAME);
  });

  it('never reads as a request what follows it, whatever it looks like', async () => {
    const { upstream, proxy, peer } = await openTunnel();
    const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: registry\r\n\r\n';
    peer.send(smuggled);
    await upstream.until(({ received }) => received.endsWith(`upgrade: websocket\r\n\r\n${smuggled}`));
    expect(proxy.recorder.requests).toEqual([]);
  });

  it('has no use for the upstream connection when it is over', async () => {
    const { upstream, proxy, peer } = await openTunnel();
    peer.socket.destroy();
    await proxy.untilClosed();
    const next = await connectTraining(proxy);
    next.request('GET', '/next');
    await upstream.until(({ received }) => received.includes('/next'));
    expect(upstream.sockets).toHaveLength(2);
  });

  it('is ended towards the upstream when the peer goes away, and recorded', async () => {
    const { upstream, proxy, peer } = await openTunnel();
    const gone = new Promise((resolve) => upstream.sockets[0]?.once('close', resolve));
    peer.socket.destroy();
    await gone;
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toHaveLength(1);
    expect(proxy.recorder.requests[0]).toMatchObject({ status: 101 });
  });

  it('is ended towards the peer when the upstream breaks off', async () => {
    const { upstream, proxy, peer } = await openTunnel();
    upstream.sockets[0]?.resetAndDestroy();
    await peer.closed();
    await proxy.untilClosed();
    expect(proxy.recorder.requests.map(({ status, refusal }) => ({ status, refusal }))).toEqual([
      { status: 101, refusal: 'upstream-reset' },
    ]);
    expect(proxy.recorder.terminations).toEqual(['upstream-failed']);
  });

  it('goes on in one direction when the peer has ended the other', async () => {
    const { upstream, proxy, peer, toPeer } = await openTunnel();
    const [socket] = upstream.sockets;
    if (socket === undefined) throw new Error('no connection');
    socket.allowHalfOpen = true;
    peer.socket.allowHalfOpen = true;
    const ended = new Promise((resolve) => socket.once('end', resolve));
    peer.send(FRAME);
    peer.socket.end();
    await ended;
    expect(upstream.received.endsWith(FRAME)).toBe(true);
    toPeer('last words');
    await peer.until((text) => text.endsWith('last words'));
    socket.end();
    await peer.closed();
    await proxy.untilClosed();
    expect(proxy.recorder.requests.map(({ status, refusal }) => ({ status, refusal }))).toEqual([
      { status: 101, refusal: null },
    ]);
  });

  it('holds the peer back while the upstream takes nothing, and loses nothing', async () => {
    const { upstream, peer } = await openTunnel();
    const [socket] = upstream.sockets;
    socket?.pause();
    const total = 64 * 1024 * 1024;
    const before = upstream.receivedBytes;
    const piece = Buffer.alloc(1024 * 1024, 'x');
    for (let sent = 0; sent < total; sent += piece.length) peer.socket.write(piece);
    await untilStill(() => total - peer.socket.writableLength);
    expect(peer.socket.writableLength).toBeGreaterThan(total / 2);
    socket?.resume();
    await upstream.until(({ receivedBytes }) => receivedBytes - before === total);
  });

  it('holds the upstream back while the peer takes nothing, and loses nothing', async () => {
    const { upstream, proxy, peer } = await openTunnel();
    const [socket] = upstream.sockets;
    if (socket === undefined) throw new Error('no connection');
    peer.socket.pause();
    const total = 64 * 1024 * 1024;
    const piece = Buffer.alloc(1024 * 1024, 'x');
    for (let sent = 0; sent < total; sent += piece.length) socket.write(piece);
    await untilStill(() => total - socket.writableLength);
    expect(socket.writableLength).toBeGreaterThan(total / 2);
    let received = 0;
    peer.socket.removeAllListeners('data');
    peer.socket.on('data', (bytes: Buffer) => (received += bytes.length));
    socket.end();
    peer.socket.resume();
    await peer.closed();
    await proxy.untilClosed();
    expect(received).toBe(total);
    expect(proxy.recorder.requests[0]).toMatchObject({ responseBytes: total, refusal: null });
  });

  it('has no limit on what it carries, but as a request has', async () => {
    const { upstream, peer } = await openTunnel({ limits: { maxBodyBytes: 4 } });
    peer.send(FRAME);
    await upstream.until(({ received }) => received.endsWith(FRAME));
  });

  it('is taken for one when any other protocol is meant, version and all', async () => {
    const policy = WEBSOCKET_POLICY.replace('[websocket]', '[raft/2]');
    const answer = SWITCH.replace('WebSocket', 'RAFT/2');
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(answer), { policy });
    peer.request('GET', '/', 'connection: upgrade\r\nupgrade: Raft/2\r\n');
    await peer.until((text) => text.includes('\r\n\r\n'));
    expect(upstream.received).toContain('upgrade: raft/2\r\n');
    expect(peer.received).toMatch(/^HTTP\/1\.1 101 /);
  });
});

describe('an upgrade that the upstream does not take', () => {
  it.each([
    ['200', OK, 200],
    [
      '426',
      'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\ncontent-length: 2\r\n\r\nno',
      426,
    ],
    ['chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n', 200],
  ])('with %s is answered so, and neither connection is used again', async (_, answer, status) => {
    const { upstream, proxy, peer } = await openSetting((_head, socket) => socket.write(answer), ODD);
    peer.send(`GET /socket HTTP/1.1\r\nhost: registry\r\n${ASK}\r\nGET /smuggled HTTP/1.1\r\nhost: registry\r\n\r\n`);
    const received = await peer.closed();
    expect(received).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(received).toContain('connection: close\r\n');
    expect(received.split('\r\n\r\n')[0]).not.toMatch(/upgrade:/i);
    const next = await connectTraining(proxy);
    next.request('GET', '/next');
    await upstream.until(({ received: all }) => all.includes('/next'));
    expect(upstream.sockets).toHaveLength(2);
    expect(upstream.received).not.toContain('smuggled');
    expect(proxy.recorder.requests[0]).toMatchObject({ status, upgrade: 'websocket' });
  });

  it.each([
    ['another protocol', SWITCH.replace('WebSocket', 'tls/1.3')],
    ['several protocols', SWITCH.replace('WebSocket', 'websocket, tls/1.3')],
    ['none', SWITCH.replace('Upgrade: WebSocket\r\n', '')],
    ['one that Connection does not name', SWITCH.replace('Connection: Upgrade\r\n', '')],
    ['one with a length', SWITCH.replace(ACCEPT, 'content-length: 4\r\n')],
    ['one with chunks', SWITCH.replace(ACCEPT, 'transfer-encoding: chunked\r\n')],
  ])('but switches to %s is not believed', async (_, answer) => {
    const { upstream, proxy, peer } = await openSetting((_head, socket) => socket.write(answer + FRAME, 'latin1'), ODD);
    peer.send(`GET /socket HTTP/1.1\r\nhost: registry\r\n${ASK}\r\n${FRAME}`);
    const received = await peer.closed();
    expect(received).toMatch(/^HTTP\/1\.1 502 /);
    expect(received).not.toContain('hello');
    expect(upstream.received).not.toContain('hello');
    expect(proxy.recorder.requests[0]).toMatchObject({ status: 502, refusal: 'upstream-invalid-response' });
  });
});

describe('a 101 that nobody asked for', () => {
  it.each([
    ['to a plain request', ''],
    [
      'H1-74 to an upgrade to h2c',
      'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n',
    ],
    ['to an Upgrade that Connection does not name', 'upgrade: websocket\r\n'],
  ])('is not believed: %s', async (_, fields) => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(SWITCH + FRAME, 'latin1'), ODD);
    peer.request('GET', '/plain', fields);
    const { status } = await peer.response();
    expect(status).toBe(502);
    expect(upstream.received).not.toMatch(/\r\n(?:connection|upgrade|http2-settings):/i);
    peer.send(FRAME);
    expect(await peer.closed()).not.toContain('hello');
  });

  it('is not believed in HTTP/1.0, in which nobody can ask', async () => {
    const { peer, upstream } = await openSetting((_head, socket) => socket.write(SWITCH), ODD);
    peer.send(`GET / HTTP/1.0\r\nhost: registry\r\n${ASK}\r\n`);
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 502 /);
    expect(upstream.received).not.toMatch(/\r\nupgrade:/);
  });
});

describe('an upgrade that policy denies', () => {
  it('is 403 to whoever may only read, reaches no upstream, and ends the connection', async () => {
    const { upstream, proxy, peer } = await openSetting((_head, socket) => socket.write(SWITCH));
    peer.send(`GET /socket HTTP/1.1\r\nhost: registry\r\n${ASK}\r\nGET /smuggled HTTP/1.1\r\nhost: registry\r\n\r\n`);
    const received = await peer.closed();
    expect(received).toMatch(/^HTTP\/1\.1 403 /);
    expect(received).toContain('connection: close\r\n');
    expect(received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(upstream.sockets).toEqual([]);
    expect(proxy.recorder.requests).toEqual([
      expect.objectContaining({
        status: 403,
        upgrade: 'websocket',
        decision: expect.objectContaining({ reason: 'conditions-not-met' }),
      }),
    ]);
  });

  it('leaves a plain request on the same path alone, before it and on another connection', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(OK));
    peer.request('GET', '/socket');
    expect((await peer.response()).status).toBe(200);
    peer.request('GET', '/socket', ASK);
    expect((await peer.response()).status).toBe(403);
    const other = await connectTraining(proxy);
    other.request('GET', '/socket');
    expect((await other.response()).status).toBe(200);
  });

  it('is a 403 for the protocol that no rule names', async () => {
    const { peer, upstream } = await openSetting((_head, socket) => socket.write(SWITCH), ODD);
    peer.request('GET', '/socket', 'connection: upgrade\r\nupgrade: tls/1.3\r\n');
    expect((await peer.response()).status).toBe(403);
    expect(upstream.sockets).toEqual([]);
  });
});

describe('H1-75 an upgrade with a body', () => {
  it.each([
    ['a length', 'content-length: 5\r\n', 'hello'],
    ['chunks', 'transfer-encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'],
  ])('by %s reaches no upstream, nor does what follows it', async (_, framing, body) => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(OK), ODD);
    peer.send(
      `GET /socket HTTP/1.1\r\nhost: registry\r\n${ASK}${framing}\r\n${body}GET /second HTTP/1.1\r\nhost: registry\r\n\r\n`,
    );
    const received = await peer.closed();
    expect(received).toMatch(/^HTTP\/1\.1 400 /);
    expect(received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(upstream.sockets).toEqual([]);
  });

  it('that is announced as empty is forwarded, and the upstream connection not used again', async () => {
    const { upstream, proxy, peer } = await openSetting((_head, socket) => socket.write(OK), ODD);
    peer.send(
      `GET /socket HTTP/1.1\r\nhost: registry\r\n${ASK}content-length: 0\r\n\r\nGET /second HTTP/1.1\r\nhost: registry\r\n\r\n`,
    );
    expect((await peer.closed()).match(/HTTP\/1\.1 /g)).toHaveLength(1);
    const next = await connectTraining(proxy);
    next.request('GET', '/third');
    await next.response();
    expect(upstream.sockets).toHaveLength(2);
    expect(upstream.received).not.toContain('/second');
  });
});

describe('a tunnel', () => {
  it('holds for as long as its quiet is allowed to last, and not for a body’s', async () => {
    let nowMs = 1_000_000;
    const clock = { ...systemClock, monotonicMs: () => nowMs };
    const { proxy, peer, toPeer, upstream } = await openTunnel({
      clock,
      limits: { tunnelIdleTimeoutMs: 600_000, idleTimeoutMs: 1_000, maxConnectionAgeMs: 1e9 },
      deadlines: { bodyIdleTimeoutMs: 1_000, responseHeadTimeoutMs: 1_000 },
    });
    // The sweep that ends this one has looked at the tunnel as well.
    const idle = await connectTraining(proxy);
    idle.request('GET', '/refused-with-502');
    await idle.response();
    nowMs += 599_000;
    await idle.closed();
    toPeer(FRAME);
    await peer.until((text) => text.endsWith(FRAME));
    nowMs += 599_000;
    peer.send(FRAME);
    await upstream.until(({ received }) => received.endsWith(FRAME));
    expect(peer.ended).toBe(false);
    nowMs += 600_000;
    await peer.closed();
    await proxy.untilClosed();
    expect(proxy.recorder.terminations).toEqual(['idle-timeout', 'idle-timeout']);
    expect(proxy.recorder.requests[1]).toMatchObject({ status: 101, refusal: 'idle-timeout' });
  });

  it('is cut within a second when policy turns against it, and survives a change that does not', async () => {
    const { proxy, peer, upstream } = await openTunnel();
    proxy.policy.swap(compilePolicy(WEBSOCKET_POLICY.replace('registry: [read]', 'registry: [read, write]')));
    peer.send(FRAME);
    await upstream.until(({ received }) => received.endsWith(FRAME));
    const start = performance.now();
    // Plain requests are still allowed.
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    await peer.closed();
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: 'policy-changed' })]);
    expect(proxy.recorder.terminations).toEqual(['policy-changed']);
  });

  it('that is let drain is cut when the grace is over', async () => {
    const { proxy, peer, toPeer } = await openTunnel({
      leases: { graceMs: 300, onLapse: { 'policy-changed': 'drain' } },
    });
    proxy.policy.swap(compilePolicy(ARTICLE_POLICY));
    toPeer(FRAME);
    await peer.until((text) => text.endsWith(FRAME));
    await peer.closed();
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: 'policy-changed' })]);
  });

  it('is no older than connections may become', async () => {
    const { proxy, peer } = await openTunnel({ limits: { maxConnectionAgeMs: 300 }, leases: { graceMs: 0 } });
    await peer.closed();
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: 'maximum-age' })]);
  });

  it('is cut when a drain has lasted long enough', async () => {
    const { proxy, peer, toPeer } = await openTunnel();
    const drained = proxy.listener.drain(400);
    toPeer(FRAME);
    await peer.until((text) => text.endsWith(FRAME));
    await drained;
    await peer.closed();
    expect(proxy.recorder.requests).toEqual([expect.objectContaining({ status: 101, refusal: 'drain-deadline' })]);
  });
});
