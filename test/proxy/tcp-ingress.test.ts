import { randomBytes } from 'node:crypto';
import { connect, Socket } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { untilStill } from '../support/proxy-setting.ts';
import { createTestAuthority, expired } from '../support/svid-fixtures.ts';
import { connectEnd, openTcp, startTcp, TcpServer } from '../support/tcp-setting.ts';

describe('a TCP connection', () => {
  it('carries bytes both ways, decided once and recorded once, at its end', async () => {
    const { proxy, open } = await openTcp();
    const { peer, served } = await open();
    peer.socket.write('ping');
    await served.has('ping');
    served.socket.write('pong!');
    await peer.has('pong!');
    expect(proxy.recorder.requests).toEqual([]);
    peer.socket.end();
    await served.ended();
    served.socket.end();
    await peer.closed();
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toHaveLength(1);
    expect(proxy.recorder.requests[0]).toMatchObject({
      listener: 'registry',
      principal: 'spiffe://ai.example/training/job',
      target: 'registry',
      decision: {
        effect: 'allow',
        reason: 'allowed-by-rule',
        component: 'training',
        target: 'registry',
        verb: 'connect',
      },
      refusal: null,
      method: '',
      path: '',
      status: 0,
      requestBytes: 5,
      responseBytes: 5,
    });
    expect(proxy.recorder.terminations).toEqual([]);
  });

  it('carries what the upstream says first', async () => {
    const { open } = await openTcp({}, (socket) => socket.write('220 ready\r\n'));
    const { peer } = await open();
    await peer.has('220 ready\r\n');
  });

  it('has an upstream connection of its own, never used again', async () => {
    const { server, open } = await openTcp();
    for (const turn of [1, 2, 3]) {
      const { peer, served } = await open();
      peer.socket.end('bye');
      await served.ended();
      served.socket.end();
      await peer.closed();
      expect(server.ends).toHaveLength(turn);
    }
  });

  it('TL 62 takes no PROXY header from a peer: it is bytes like any others', async () => {
    const { open, proxy } = await openTcp();
    const { peer, served } = await open();
    peer.socket.write('PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nhello');
    await served.has('PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nhello');
    peer.socket.end();
    served.socket.end();
    await proxy.untilClosed();
    expect(proxy.recorder.requests[0]?.principal).toBe('spiffe://ai.example/training/job');
  });

  it('brings any bytes, however they are cut, whole and in order in both directions', async () => {
    const { open } = await openTcp();
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 70_000 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(pieces, pieces, async (up, down) => {
        const { peer, served } = await open();
        for (const [index] of (up.length > down.length ? up : down).entries()) {
          const [sent, answered] = [up[index], down[index]];
          if (sent !== undefined) peer.socket.write(sent);
          if (answered !== undefined) served.socket.write(answered);
        }
        peer.socket.end();
        served.socket.end();
        await Promise.all([peer.closed(), served.closed()]);
        expect(served.bytes.subarray(1).equals(Buffer.concat(up))).toBe(true);
        expect(peer.bytes.equals(Buffer.concat(down))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe('the end of one direction', () => {
  it('by the peer leaves the other open', async () => {
    const { proxy, open } = await openTcp();
    const { peer, served } = await open();
    peer.socket.end('question');
    await served.ended();
    expect(served.text).toBe('!question');
    served.socket.write('a');
    await peer.has('a');
    served.socket.end('nswer');
    await peer.closed();
    expect(peer.text).toBe('answer');
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: null, requestBytes: 9, responseBytes: 6 }]);
  });

  it('by the upstream leaves the other open', async () => {
    const { proxy, open } = await openTcp();
    const { peer, served } = await open();
    served.socket.end('greeting');
    await peer.ended();
    expect(peer.text).toBe('greeting');
    peer.socket.write('still ');
    await served.has('still ');
    peer.socket.end('here');
    await served.closed();
    expect(served.text).toBe('!still here');
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: null, requestBytes: 11, responseBytes: 8 }]);
  });

  it('brings what was sent before it, however much that is', async () => {
    const { open } = await openTcp();
    const { peer, served } = await open();
    const much = Buffer.alloc(3_000_000, 'x');
    peer.socket.end(much);
    await served.ended();
    expect(served.received).toBe(1 + much.length);
    served.socket.end(much);
    await peer.closed();
    expect(peer.received).toBe(much.length);
  });
});

describe('a side that reads slowly', () => {
  const CHUNK = randomBytes(1000);
  /** What the kernel and TLS may hold besides, with room to spare. */
  const BOUND = 24 * 1024 * 1024;

  it.each(['peer', 'upstream'] as const)('being the %s, holds up the other, in bounded memory', async (slow) => {
    const { open } = await openTcp();
    const { peer, served } = await open();
    const [reader, writer] = slow === 'peer' ? [peer.socket, served.socket] : [served.socket, peer.socket];
    reader.pause();
    let written = 0;
    const push = (): void => {
      while (written < 4 * BOUND) {
        written += CHUNK.length;
        if (!writer.write(CHUNK)) break;
      }
    };
    writer.on('drain', push);
    const before = process.memoryUsage();
    push();
    await untilStill(() => written);
    const after = process.memoryUsage();
    expect(written).toBeLessThan(BOUND);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(BOUND);
    writer.off('drain', push);
    writer.end();
    reader.resume();
    const end = slow === 'peer' ? peer : served;
    const earlier = slow === 'peer' ? 0 : 1;
    await end.ended();
    expect(end.received).toBe(earlier + written);
    const expected = Buffer.alloc(written, CHUNK);
    expect(end.bytes.subarray(earlier).equals(expected)).toBe(true);
  });
});

describe('small pieces for a peer that reads nothing for a while', () => {
  it('come whole and in order, each held until it has been sent', async () => {
    const { open } = await openTcp();
    const { peer, served } = await open();
    peer.socket.pause();
    const pieces: Buffer[] = [];
    for (let at = 0; at < 20_000 && served.socket.writableLength === 0; at += 1) {
      const piece = randomBytes(4_000);
      pieces.push(piece);
      served.socket.write(piece);
      // One read of the proxy for each, so that several wait at once where the peer is full.
      await new Promise((resolve) => setImmediate(resolve));
    }
    served.socket.end();
    peer.socket.resume();
    await peer.ended();
    expect(peer.bytes.equals(Buffer.concat(pieces))).toBe(true);
  });
});

describe('a peer that may not connect', () => {
  it('is told nothing: the connection is closed in good order and recorded', async () => {
    const { server, proxy, connect } = await openTcp({}, (socket) => socket.write('secret'));
    const peer = await connect(proxy.authority.issue('/inference/server'));
    peer.socket.write('let me in');
    await peer.ended();
    expect(peer).toMatchObject({ text: '', error: null });
    expect(server.ends).toEqual([]);
    expect(proxy.recorder.requests).toMatchObject([
      {
        principal: 'spiffe://ai.example/inference/server',
        refusal: 'denied',
        decision: { effect: 'deny', reason: 'denied-by-rule', verb: 'connect' },
        requestBytes: 0,
        responseBytes: 0,
      },
    ]);
    peer.socket.end();
    await proxy.untilClosed();
  });

  it.each<readonly [string, string, string]>([
    ['is of no component', '/stranger/x', 'unknown-principal'],
    ['is granted nothing', '/registry/other', 'not-granted'],
  ])('since it %s, is closed', async (_, path, reason) => {
    const { proxy, connect } = await openTcp();
    const peer = await connect(proxy.authority.issue(path));
    await peer.ended();
    expect(peer.text).toBe('');
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'denied', decision: { reason } }]);
  });

  it.each<readonly [string, string, (proxy: Awaited<ReturnType<typeof startTcp>>) => Parameters<typeof connectEnd>[1]]>(
    [
      ['no certificate', 'no-certificate', () => null],
      [
        'a certificate of a trust domain that is not trusted',
        'unknown-trust-domain',
        () => createTestAuthority('other.example').issue('/training/job'),
      ],
      ['an expired certificate', 'expired', ({ authority }) => authority.issue('/training/job', expired())],
    ],
  )('since it has %s, is closed without a byte and recorded', async (_, reason, svidOf) => {
    const { server, proxy, connect } = await openTcp({}, (socket) => socket.write('secret'));
    const peer = await connect(svidOf(proxy));
    peer.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await peer.ended();
    expect(peer.text).toBe('');
    expect(server.ends).toEqual([]);
    expect(proxy.anonymous).toEqual([reason]);
    expect(proxy.recorder.requests).toMatchObject([
      { refusal: 'no-identity', principal: null, decision: null, status: 0 },
    ]);
    expect(proxy.recorder.terminations).toEqual(['no-identity']);
  });

  it('since it has as many connections as it may, is closed and recorded', async () => {
    const { proxy, open, connect } = await openTcp({ limits: { maxConnectionsPerPrincipal: 1 } });
    const { peer, served } = await open();
    const second = await connect(proxy.authority.issue('/training/job'));
    await second.ended();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'principal-connection-limit' }]);
    peer.socket.write('on');
    await served.has('on');
  });

  it('lingers no longer than two seconds over its end', async () => {
    const { proxy, connect } = await openTcp();
    const peer = await connect(proxy.authority.issue('/inference/server'));
    await peer.ended();
    // It never ends its own side.
    await proxy.untilClosed();
    expect(peer.state).toBe('ended');
  });
});

describe('an upstream', () => {
  it('that refuses ends the connection, and is named', async () => {
    const server = await TcpServer.start();
    const proxy = await startTcp(1);
    const peer = await connectEnd(proxy, proxy.authority.issue('/training/job'));
    await peer.ended();
    expect(peer.text).toBe('');
    expect(server.ends).toEqual([]);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'upstream-unreachable', decision: { effect: 'allow' } }]);
  });

  it('that cannot be reached in time ends it too', async () => {
    const dialled = new Socket();
    const proxy = await startTcp(1, { tcp: { connectTimeoutMs: 300, dial: () => dialled } });
    const peer = await connectEnd(proxy, proxy.authority.issue('/training/job'));
    await peer.ended();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'upstream-connect-timeout' }]);
    expect(dialled.destroyed).toBe(true);
  });

  it('that has as many connections as it may gets no more', async () => {
    const { proxy, open, connect } = await openTcp({ tcp: { maxConnections: 1 } });
    const { peer, served } = await open();
    const second = await connect(proxy.authority.issue('/training/job'));
    await second.ended();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'upstream-saturated' }]);
    peer.socket.end();
    served.socket.end();
    await proxy.untilClosed(0);
    const { peer: third, served: serving } = await open();
    third.socket.write('again');
    await serving.has('again');
  });

  it('that resets takes the peer with it', async () => {
    const { proxy, open } = await openTcp();
    const { peer, served } = await open();
    served.socket.resetAndDestroy();
    await peer.ended();
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'upstream-reset' }]);
    expect(proxy.recorder.terminations).toEqual(['upstream-failed']);
  });

  it('is reset by a peer that goes away in the middle', async () => {
    const { proxy, server } = await openTcp();
    const transport = connect({ host: '127.0.0.1', port: proxy.port });
    const { socket } = await proxy.connect(proxy.authority.issue('/training/job'), { socket: transport });
    const served = await server.accepted();
    socket.write('half a');
    await served.has('half a');
    transport.resetAndDestroy();
    await served.closed();
    expect(served.error).toBe('ECONNRESET');
    await proxy.untilClosed();
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'peer-aborted', requestBytes: 6 }]);
  });
});
