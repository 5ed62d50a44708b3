import { Socket } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { OK, type ScriptedUpstream } from '../support/proxy-fixture.ts';
import { openSetting, untilStill } from '../support/proxy-setting.ts';

const chunkedHead = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

describe('responses', () => {
  it('keeps the connection for the next request, at both ends', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(OK));
    for (let i = 0; i < 5; i += 1) {
      peer.request('GET', '/x');
      expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
    }
    expect(upstream.sockets).toHaveLength(1);
  });

  it('passes a chunked response on chunk by chunk, as it comes, and drops its trailers', async () => {
    let push: (text: string) => void = () => undefined;
    const { peer } = await openSetting((_head, socket) => {
      push = (text) => socket.write(text);
      push(`${chunkedHead}7\r\ndata: 1\r\n`);
    });
    peer.request('GET', '/stream');
    expect(await peer.until((text) => text.includes('data: 1'))).toContain('transfer-encoding: chunked');
    push('7\r\ndata: 2\r\n');
    await peer.until((text) => text.includes('data: 2'));
    push('0\r\nx-checksum: 1\r\n\r\n');
    const received = await peer.until((text) => text.endsWith('0\r\n\r\n'));
    expect(received).not.toContain('x-checksum');
    peer.received = '';
    peer.request('GET', '/stream');
    await peer.until((text) => text.includes('data: 1'));
  });

  it('frames a response that ends with the connection as chunks', async () => {
    const { peer } = await openSetting((_head, socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'));
    peer.request('GET', '/x');
    expect(await peer.until((text) => text.endsWith('0\r\n\r\n'))).toContain('d\r\nuntil the end\r\n');
    expect(peer.ended).toBe(false);
  });

  it('ends the connection after such a response for an HTTP/1.0 peer', async () => {
    const { peer } = await openSetting((_head, socket) => socket.write(`${chunkedHead}5\r\nhello\r\n0\r\n\r\n`));
    peer.send('GET /x HTTP/1.0\r\nhost: registry\r\n\r\n');
    const received = await peer.closed();
    expect(received).toMatch(/\r\n\r\nhello$/);
    expect(received).not.toContain('chunked');
  });

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n', 'content-length: 1000'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\netag: "a"\r\n\r\n', 'content-length: 1000'],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 204'],
  ])('passes on %s answered without a body', async (method, answer, expected) => {
    const { peer } = await openSetting((_head, socket) => socket.write(answer));
    peer.request(method, '/x');
    const received = await peer.until((text) => text.endsWith('\r\n\r\n'));
    expect(received).toContain(expected);
    peer.received = '';
    peer.request(method, '/x');
    expect(await peer.until((text) => text.endsWith('\r\n\r\n'))).toContain(expected);
  });

  it('passes on ranges and interim responses', async () => {
    const { upstream, peer } = await openSetting((_head, socket) =>
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-1/10\r\ncontent-length: 2\r\n\r\nab',
      ),
    );
    peer.request('GET', '/model', 'range: bytes=0-1\r\n');
    const received = await peer.until((text) => text.endsWith('ab'));
    expect(received).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a>\r\n\r\nHTTP\/1\.1 206 /);
    expect(received).toContain('content-range: bytes 0-1/10');
    expect(upstream.received).toContain('range: bytes=0-1');
  });

  it('H1-80 answers 502 to what is no response, and never uses that connection again', async () => {
    const answers = [
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n',
      'garbage\r\n\r\n',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000),
    ];
    let next = 0;
    const { upstream, proxy, peer } = await openSetting((_head, socket) => socket.write(answers[next++] ?? OK));
    for (let i = 0; i < answers.length; i += 1) {
      peer.request('GET', '/x');
      expect((await peer.response()).status).toBe(502);
    }
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
    expect(upstream.sockets).toHaveLength(answers.length + 1);
    expect(proxy.recorder.requests.slice(0, -1).map(({ refusal }) => refusal)).toEqual(
      answers.map(() => 'upstream-invalid-response'),
    );
  });

  it('H1-80 gives a second response to nobody', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(OK + OK.replace('ok', 'no')));
    for (let i = 0; i < 3; i += 1) {
      peer.request('GET', '/x');
      expect((await peer.response()).body).toBe('ok');
    }
    expect(upstream.sockets).toHaveLength(3);
  });

  it('H1-80 cuts a response that is shorter than it said, so that the peer can tell', async () => {
    const { proxy, peer } = await openSetting((_head, socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive.'),
    );
    peer.request('GET', '/x');
    expect(await peer.closed()).toMatch(/five\.$/);
    expect(proxy.recorder.terminations).toContain('upstream-failed');
  });

  it('holds the upstream back when the peer reads slowly', async () => {
    const total = 64 * 1024 * 1024;
    let written = 0;
    const { peer } = await openSetting((_head, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
      const block = Buffer.alloc(64 * 1024, 'x');
      const push = (): void => {
        while (written < total) {
          written += block.length;
          if (!socket.write(block)) {
            socket.once('drain', push);
            return;
          }
        }
      };
      push();
    });
    peer.socket.pause();
    peer.request('GET', '/model');
    await untilStill(() => written);
    expect(written).toBeLessThan(total / 2);
    peer.socket.removeAllListeners('data');
    let received = 0;
    await new Promise<void>((resolve) => {
      peer.socket.on('data', (bytes: Buffer) => {
        received += bytes.length;
        if (received >= total) resolve();
      });
      peer.socket.resume();
    });
    expect(written).toBe(total);
  });
});

describe('request bodies', () => {
  const bodyAfter = (upstream: ScriptedUpstream): string =>
    upstream.received.slice(upstream.received.indexOf('\r\n\r\n') + 4);

  it('passes a body on as it comes', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => {
      void upstream.until(({ received }) => received.endsWith('world')).then(() => socket.write(OK));
    });
    peer.send('PUT /x HTTP/1.1\r\nhost: registry\r\ncontent-length: 10\r\n\r\nhello');
    await upstream.until(() => bodyAfter(upstream) === 'hello');
    peer.send('world');
    expect((await peer.response()).status).toBe(200);
    expect(bodyAfter(upstream)).toBe('helloworld');
  });

  it('frames a chunked body anew', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => {
      void upstream.until(({ received }) => received.endsWith('0\r\n\r\n')).then(() => socket.write(OK));
    });
    peer.send('PUT /x HTTP/1.1\r\nhost: registry\r\ntransfer-encoding: chunked\r\n\r\n005\r\nhello\r\n0\r\n\r\n');
    expect((await peer.response()).status).toBe(200);
    expect(bodyAfter(upstream)).toBe('5\r\nhello\r\n0\r\n\r\n');
  });

  it('sends pieces of an octet each that came together in a few writes, and those that come later behind them', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => {
      void upstream.until(({ received }) => received.endsWith('0\r\n\r\n')).then(() => socket.write(OK));
    });
    peer.send('PUT /x HTTP/1.1\r\nhost: registry\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n');
    await upstream.until(({ received }) => received.endsWith('\r\nx\r\n'));
    const write = vi.spyOn(Socket.prototype, '_write');
    const writeAll = vi.spyOn(Socket.prototype, '_writev');
    onTestFinished(() => {
      write.mockRestore();
      writeAll.mockRestore();
    });
    peer.send('1\r\nx\r\n'.repeat(2_000));
    await upstream.until(({ received }) => received.endsWith('1\r\nx\r\n'.repeat(2_001)));
    // Two by the test, one for each record of TLS.
    expect(write.mock.calls.length + writeAll.mock.calls.length).toBeLessThan(20);
    peer.send(`400\r\n${'y'.repeat(1_024)}\r\n1\r\nz\r\n0\r\n\r\n`);
    expect((await peer.response()).status).toBe(200);
    expect(bodyAfter(upstream).endsWith(`1\r\nx\r\n400\r\n${'y'.repeat(1_024)}\r\n1\r\nz\r\n0\r\n\r\n`)).toBe(true);
  });

  it('keeps an announced length of nothing', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => socket.write(OK));
    peer.request('POST', '/x', 'content-length: 0\r\n');
    expect((await peer.response()).status).toBe(200);
    expect(upstream.received).toContain('content-length: 0');
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
  });

  it('H1-76 answers a denied request before its body and closes', async () => {
    const { upstream, proxy } = await openSetting((_head, socket) => socket.write(OK));
    const inference = await proxy.connect(proxy.authority.issue('/inference/server'));
    inference.request('PUT', '/model', 'expect: 100-continue\r\ncontent-length: 1000000000\r\n');
    const received = await inference.closed();
    expect(received).toMatch(/^HTTP\/1\.1 403 /);
    expect(received).not.toContain('100 Continue');
    expect(upstream.received).toBe('');
  });

  it('lets the upstream say 100 Continue', async () => {
    const { upstream, peer } = await openSetting((_head, socket) => {
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      void upstream.until(({ received }) => received.endsWith('body')).then(() => socket.write(OK));
    });
    peer.request('PUT', '/x', 'expect: 100-continue\r\ncontent-length: 4\r\n');
    await peer.until((text) => text.includes('100 Continue\r\n\r\n'));
    peer.send('body');
    expect(await peer.until((text) => text.endsWith('ok'))).toContain('HTTP/1.1 200 OK');
  });

  it('H1-79 discards the upstream connection when the response came before the body was done', async () => {
    const { upstream, proxy, peer } = await openSetting((_head, socket) => socket.write(OK));
    peer.send('PUT /x HTTP/1.1\r\nhost: registry\r\ncontent-length: 1000000\r\n\r\npart');
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 200 OK/);
    const next = await proxy.connect(proxy.authority.issue('/training/job'));
    next.request('GET', '/x');
    expect((await next.response()).status).toBe(200);
    expect(upstream.sockets).toHaveLength(2);
  });

  it('holds the peer back when the upstream reads slowly', async () => {
    const total = 64 * 1024 * 1024;
    const { upstream, peer } = await openSetting((_head, socket) => socket.pause());
    peer.send(`PUT /x HTTP/1.1\r\nhost: registry\r\ncontent-length: ${total}\r\n\r\n`);
    const block = Buffer.alloc(64 * 1024, 'x');
    let written = 0;
    const push = (): void => {
      while (written < total) {
        written += block.length;
        if (!peer.socket.write(block)) {
          peer.socket.once('drain', push);
          return;
        }
      }
    };
    push();
    await untilStill(() => written);
    expect(written).toBeLessThan(total / 2);
    upstream.sockets[0]?.resume();
    await upstream.until(({ receivedBytes }) => receivedBytes >= total);
    expect(written).toBe(total);
  });

  it('refuses a body over the configured size, announced or not', async () => {
    const { proxy, peer } = await openSetting(() => undefined, { limits: { maxBodyBytes: 10 } });
    peer.request('PUT', '/x', 'content-length: 11\r\n');
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 413 /);
    const chunked = await proxy.connect(proxy.authority.issue('/training/job'));
    chunked.send(
      'PUT /x HTTP/1.1\r\nhost: registry\r\ntransfer-encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n',
    );
    expect(await chunked.closed()).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('ends the upstream request when the peer goes away', async () => {
    const { upstream, proxy, peer } = await openSetting(() => undefined);
    peer.send('PUT /x HTTP/1.1\r\nhost: registry\r\ncontent-length: 100\r\n\r\npart');
    await upstream.until(({ received }) => received.endsWith('part'));
    const closed = new Promise<void>((resolve) => upstream.sockets[0]?.once('close', () => resolve()));
    peer.socket.destroy();
    await closed;
    expect(proxy.recorder.requests.at(-1)).toMatchObject({ refusal: 'peer-aborted', status: 499 });
  });
});

describe('limits of a connection', () => {
  it('stops at the configured number of pipelined requests', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(OK), {
      limits: { maxPipelinedRequests: 3 },
    });
    peer.send('GET /x HTTP/1.1\r\nhost: registry\r\n\r\n'.repeat(10));
    const received = await peer.closed();
    expect(received.match(/HTTP\/1\.1 200/g)).toHaveLength(3);
    expect(received.match(/HTTP\/1\.1 503/g)).toHaveLength(1);
    expect(proxy.recorder.terminations).toEqual(['limit']);
  });

  it('closes an idle connection', async () => {
    const { proxy, peer } = await openSetting((_head, socket) => socket.write(OK), { limits: { idleTimeoutMs: 300 } });
    peer.request('GET', '/x');
    await peer.response();
    expect(await peer.closed()).toBe('');
    expect(proxy.recorder.terminations).toEqual(['idle-timeout']);
  });

  it('says Connection: close once a connection is old enough', async () => {
    const { peer } = await openSetting((_head, socket) => socket.write(OK), { limits: { maxConnectionAgeMs: 100 } });
    await new Promise((resolve) => setTimeout(resolve, 110));
    peer.request('GET', '/x');
    const received = await peer.closed();
    expect(received === '' || received.includes('connection: close')).toBe(true);
  });
});
