import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { OK } from '../support/proxy-fixture.ts';
import { openSetting, untilStill } from '../support/proxy-setting.ts';

const MANY = 64;
const BODY = 'x'.repeat(200_000);
const RESPONSE = `HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;

describe('a peer that reads slowly', () => {
  it('is sent the whole of a response that is over, however the connection ends', async () => {
    let answered = 0;
    const { proxy, peer } = await openSetting(
      (_head, socket) => {
        answered += 1;
        socket.write(RESPONSE);
      },
      { limits: { maxPipelinedRequests: MANY } },
    );
    peer.socket.pause();
    peer.send('GET /x HTTP/1.1\r\nhost: registry\r\n\r\n'.repeat(MANY));
    await untilStill(() => answered);
    expect(answered).toBeLessThan(MANY);
    void proxy.listener.drain(20_000);
    // Longer than an idle connection is kept while draining and a peer is waited for after the last byte.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    peer.socket.resume();
    const received = await peer.closed();
    expect(received.split(BODY)).toHaveLength(answered + 1);
    expect(received.endsWith(BODY)).toBe(true);
  });

  it('is not waited for once it reads nothing at all', async () => {
    let answered = 0;
    const { proxy, peer } = await openSetting(
      (_head, socket) => {
        answered += 1;
        socket.write(RESPONSE);
      },
      { limits: { maxPipelinedRequests: MANY, idleTimeoutMs: 300 }, deadlines: { bodyIdleTimeoutMs: 300 } },
    );
    peer.socket.pause();
    peer.send('GET /x HTTP/1.1\r\nhost: registry\r\n\r\n'.repeat(MANY));
    await untilStill(() => answered);
    await proxy.untilClosed();
    expect(proxy.recorder.terminations).toEqual(['idle-timeout']);
  });

  it('is cut off in the middle of a response that it no longer takes, and the upstream with it', async () => {
    const { upstream, proxy, peer } = await openSetting(
      (_head, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${MANY * BODY.length}\r\n\r\n`);
        socket.write(BODY.repeat(MANY));
      },
      { deadlines: { bodyIdleTimeoutMs: 300 } },
    );
    peer.socket.pause();
    peer.request('GET', '/x');
    await upstream.until(({ received }) => received.includes('/x'));
    await proxy.untilClosed();
    expect(proxy.recorder.terminations).toEqual(['peer-stalled']);
    expect(proxy.recorder.requests).toMatchObject([{ status: 200, refusal: 'peer-stalled' }]);
    const [socket] = upstream.sockets;
    if (socket !== undefined && !socket.destroyed) await once(socket, 'close');
  });

  it('is gone when it has ended its side', async () => {
    const { upstream, proxy, peer } = await openSetting(() => undefined);
    peer.request('GET', '/x');
    await upstream.until(({ received }) => received.includes('/x'));
    peer.socket.end();
    await proxy.untilClosed();
    expect(proxy.recorder.terminations).toEqual([]);
    expect(proxy.recorder.requests).toMatchObject([{ status: 499, refusal: 'peer-aborted' }]);
    const [socket] = upstream.sockets;
    if (socket !== undefined && !socket.destroyed) await once(socket, 'close');
  });
});

describe('Expect: 100-continue', () => {
  it('is not the peer being slow while the upstream makes up its mind', async () => {
    const { upstream, peer } = await openSetting(
      (_head, socket) => {
        setTimeout(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 1_000);
        void upstream.until(({ received }) => received.endsWith('body')).then(() => socket.write(OK));
      },
      { limits: { minBodyBytesPerSecond: 1_000_000, bodyGraceMs: 300 } },
    );
    peer.request('PUT', '/x', 'expect: 100-continue\r\ncontent-length: 4\r\n');
    expect(await peer.until((text) => text.includes('\r\n\r\n'))).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    peer.send('body');
    expect(await peer.until((text) => text.endsWith('ok'))).toContain('HTTP/1.1 200 OK');
  });

  it('is answered with 504 when the upstream says nothing, with 408 when the peer does', async () => {
    const deadlines = { bodyIdleTimeoutMs: 300 };
    const silent = await openSetting(() => undefined, { deadlines });
    silent.peer.request('PUT', '/x', 'expect: 100-continue\r\ncontent-length: 4\r\n');
    expect(await silent.peer.closed()).toMatch(/^HTTP\/1\.1 504 /);
    const { peer } = await openSetting((_head, socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), {
      deadlines,
      limits: { minBodyBytesPerSecond: 1_000_000, bodyGraceMs: 300 },
    });
    peer.request('PUT', '/x', 'expect: 100-continue\r\ncontent-length: 4\r\n');
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 408 /);
  });
});

describe('an upstream', () => {
  it('is not given more time for a head that comes octet by octet', async () => {
    const { proxy, peer } = await openSetting(
      (_head, socket) => {
        const octets = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'.split('');
        const trickle = setInterval(() => socket.write(octets.shift() ?? ''), 100);
        socket.on('close', () => clearInterval(trickle));
      },
      { deadlines: { responseHeadTimeoutMs: 500 } },
    );
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(504);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'upstream-timeout' }]);
  });

  it('is given time for each part of a body', async () => {
    const { peer } = await openSetting(
      (_head, socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n');
        const octets = '0123456789'.split('');
        const trickle = setInterval(() => socket.write(octets.shift() ?? ''), 100);
        socket.on('close', () => clearInterval(trickle));
      },
      { deadlines: { bodyIdleTimeoutMs: 500 } },
    );
    peer.request('GET', '/x');
    expect(await peer.response()).toMatchObject({ status: 200, body: '0123456789' });
  });
});

describe('an upload', () => {
  it('is answered with 504 when the upstream stops reading it', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.pause(), {
      deadlines: { bodyIdleTimeoutMs: 500, responseHeadTimeoutMs: 60_000 },
    });
    peer.send(`PUT /x HTTP/1.1\r\nhost: registry\r\ncontent-length: ${64 * 1024 * 1024}\r\n\r\n`);
    peer.socket.write(Buffer.alloc(64 * 1024 * 1024));
    expect((await peer.response()).status).toBe(504);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'upstream-timeout' }]);
  });
});

describe('a connection that is ending', () => {
  it('is counted once, and left to deliver its last answer, when its SVID ends as well', async () => {
    const { proxy } = await openSetting((_head, socket) => socket.write(OK));
    const svid = proxy.authority.issue('/training/job', { notAfterMs: Date.now() + 1_500 });
    const peer = await proxy.connect(svid);
    peer.socket.allowHalfOpen = true;
    peer.request('GET', '/x');
    await peer.response();
    // The sweep may be faster; then there is an end without an answer, and still only one.
    for (let last = ''; last !== '401' && !peer.ended; ) {
      peer.received = '';
      peer.request('GET', '/x');
      last = (await peer.until((received) => /(?:ok|\}\n)$/.test(received))).slice(9, 12);
    }
    await proxy.untilClosed(1);
    expect(proxy.recorder.terminations).toEqual(['svid-expired']);
  });

  it('answers a head that is too large to a peer that goes on sending', async () => {
    const { peer } = await openSetting((_head, socket) => socket.write(OK));
    peer.socket.pause();
    peer.send(`GET /x HTTP/1.1\r\nhost: registry\r\na: ${'b'.repeat(4 * 1024 * 1024)}\r\n\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 500));
    peer.socket.resume();
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 431 /);
  });
});
