import type { OutgoingHttpHeaders, ServerOptions } from 'node:http2';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type H2cAnswer, H2cUpstream } from '../support/h2c-upstream.ts';
import { answerOf, connectHttp2 } from '../support/http2-peer.ts';
import { type ProxyFixture, type ProxyOptions, type RawPeer, startProxy } from '../support/proxy-fixture.ts';
import { connectTraining } from '../support/proxy-setting.ts';

interface H2cSetting {
  readonly upstream: H2cUpstream;
  readonly proxy: ProxyFixture;
  readonly peer: RawPeer;
}

async function openH2c(
  answer: H2cAnswer,
  options: ProxyOptions = {},
  serverOptions: ServerOptions = {},
): Promise<H2cSetting> {
  const upstream = await H2cUpstream.start(answer, serverOptions);
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, { ...options, speaks: 'http/2' });
  onTestFinished(() => proxy.close());
  return { upstream, proxy, peer: await connectTraining(proxy) };
}

const OK: H2cAnswer = (stream) => {
  stream.respond({ ':status': 200, 'content-length': 2 });
  stream.end('ok');
};

/** Without the pseudo-header fields and what we say of ourselves. */
function passedOn(raw: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    if (!/^:|^x-(?:sallyport|forwarded|spiffe)-|^(?:traceparent|via)$/.test(name)) kept.push(`${name}: ${value}`);
  }
  return kept;
}

describe('a peer of HTTP/1.1 before an upstream of HTTP/2', () => {
  it('gets an answer with a Content-Length as it is', async () => {
    const { peer } = await openH2c(OK);
    for (let i = 0; i < 3; i += 1) {
      peer.request('GET', '/x?y=1');
      expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
    }
  });

  it('gets an answer without one in chunks', async () => {
    const { peer } = await openH2c((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('a');
      stream.end('bc');
    });
    peer.request('GET', '/x');
    const received = await peer.until((text) => text.endsWith('\r\n0\r\n\r\n'));
    expect(received).toMatch(/^HTTP\/1\.1 200 \r\n/);
    expect(received).toContain('transfer-encoding: chunked\r\n');
    expect(received.replaceAll(/\r\n|[0-9]/g, '')).toMatch(/abc$/);
  });

  it('is told that nothing follows an answer that ended with its head', async () => {
    const { peer } = await openH2c((stream) => stream.respond({ ':status': 200 }, { endStream: true }));
    peer.request('GET', '/x');
    expect((await peer.response()).head).toContain('content-length: 0\r\n');
  });

  it.each([
    ['HEAD', 200, 'content-length: 7\r\n'],
    ['GET', 304, 'content-length: 7\r\n'],
    ['GET', 204, ''],
  ])('reads the answer to %s with status %i, which has no body', async (method, status, announced) => {
    const { peer } = await openH2c((stream) => {
      stream.respond(
        { ':status': status, etag: '"a"', ...(announced === '' ? {} : { 'content-length': 7 }) },
        { endStream: true },
      );
    });
    for (let i = 0; i < 2; i += 1) {
      peer.request(method, '/x');
      const received = await peer.until((text) => text.endsWith('\r\n\r\n'));
      expect(received).toContain(`HTTP/1.1 ${status} \r\n`);
      expect(received).not.toContain('chunked');
      expect(/content-length: .*\r\n/.exec(received)?.[0] ?? '').toBe(announced);
      peer.received = '';
    }
  });

  it.each(['content-length: 6\r\n', 'transfer-encoding: chunked\r\n'])('sends a body with %j', async (framing) => {
    let sent: readonly string[] = [];
    const { peer } = await openH2c((stream, _headers, raw) => {
      sent = passedOn(raw);
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    peer.request('POST', '/x', framing);
    peer.send(framing.startsWith('content') ? 'abcdef' : '3\r\nabc\r\n3\r\ndef\r\n0\r\nx-trailer: no\r\n\r\n');
    const received = await peer.until((text) => text.endsWith('0\r\n\r\n'));
    expect(received.split('\r\n\r\n')[1]?.replaceAll(/\r\n|\d/g, '')).toBe('abcdef');
    expect(sent).toEqual(framing.startsWith('content') ? ['content-length: 6'] : []);
  });

  it('sends an announced body of no octets as such', async () => {
    let sent: readonly string[] = [];
    const { peer } = await openH2c((stream, headers, raw) => {
      sent = passedOn(raw);
      OK(stream, headers, raw);
    });
    peer.request('POST', '/x', 'content-length: 0\r\n');
    expect((await peer.response()).status).toBe(200);
    expect(sent).toEqual(['content-length: 0']);
  });

  it('keeps repeated fields apart and in order, and every octet of their values', async () => {
    let sent: readonly string[] = [];
    const { peer } = await openH2c((stream, headers, raw) => {
      sent = passedOn(raw);
      OK(stream, headers, raw);
    });
    const fields = ['user-agent: a', 'cookie: a=1', 'user-agent: b', 'cookie: b=2', 'x-text: \xe9\xff\x80', 'x-none: '];
    peer.request('GET', '/x', fields.map((line) => `${line}\r\n`).join(''));
    expect((await peer.response()).status).toBe(200);
    expect(sent).toEqual(fields);
  });

  it('sends the pseudo-header fields that the request line and Host come to', async () => {
    let sent: readonly string[] = [];
    const { peer } = await openH2c((stream, headers, raw) => {
      sent = raw.slice(0, 8);
      OK(stream, headers, raw);
    });
    peer.request('GET', '/a%20b?c=d%26', '');
    await peer.response();
    expect(sent).toEqual([':method', 'GET', ':scheme', 'http', ':authority', 'registry', ':path', '/a%20b?c=d%26']);
  });

  it('does not see trailers, alternative services and what only the proxy says', async () => {
    const { peer } = await openH2c((stream) => {
      stream.respond(
        { ':status': 200, 'alt-svc': 'h3=":1"', 'x-sallyport-decision-id': 'forged' },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-trailer': 'yes' }));
      stream.end('a');
    });
    peer.request('GET', '/x');
    const received = await peer.until((text) => text.endsWith('0\r\n\r\n'));
    expect(received).not.toMatch(/alt-svc|x-sallyport|x-trailer/);
  });

  it('sees interim answers, and the 100 that it waits for', async () => {
    const { peer } = await openH2c((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.additionalHeaders({ ':status': 100 });
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    peer.request('PUT', '/x', 'content-length: 2\r\nexpect: 100-continue\r\n');
    expect(await peer.until((text) => text.includes(' 100 '))).toMatch(
      /^HTTP\/1\.1 103 \r\nlink: <\/a>\r\n\r\nHTTP\/1\.1 100 /,
    );
    peer.send('ok');
    expect(await peer.until((text) => text.endsWith('0\r\n\r\n'))).toContain('2\r\nok\r\n');
  });

  it('shares one connection with all others', async () => {
    const { upstream, proxy } = await openH2c(OK);
    const svid = proxy.authority.issue('/training/job');
    const peers = await Promise.all(Array.from({ length: 20 }, () => proxy.connect(svid)));
    for (const peer of peers) peer.request('GET', '/x');
    const statuses = await Promise.all(peers.map(async (peer) => (await peer.response()).status));
    expect(statuses).toEqual(peers.map(() => 200));
    expect(upstream.sessions).toHaveLength(1);
  });

  it('reaches an upstream by its unix socket', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
    const path = join(directory, 'app.sock');
    const server = createServer();
    server.on('stream', (stream) => OK(stream, {}, []));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const proxy = await startProxy({ kind: 'unix', path }, { speaks: 'http/2' });
    onTestFinished(async () => {
      await proxy.close();
      server.close();
      rmSync(directory, { recursive: true, force: true });
    });
    const peer = await connectTraining(proxy);
    peer.request('GET', '/x');
    expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
  });
});

describe('trailers of a request over HTTP/2', () => {
  async function sendTrailers(trailers: OutgoingHttpHeaders): Promise<{ status: number; seen: readonly string[] }> {
    let seen: readonly string[] = [];
    const { proxy } = await openH2c((stream) => {
      stream.on('trailers', (_fields: unknown, _flags: number, raw: string[]) => {
        seen = raw;
      });
      stream.resume();
      // Node ends the body of a stream that is reset.
      stream.on('end', () => {
        if (!stream.destroyed) OK(stream, {}, []);
      });
    });
    const session = await connectHttp2(proxy);
    const stream = session.request({ ':method': 'POST', ':authority': 'registry' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end('body');
    const { status } = await answerOf(stream);
    return { status, seen };
  }

  it('reach the upstream, without those that have no place there', async () => {
    const { status, seen } = await sendTrailers({
      'x-a': ['1', '2'],
      __proto__x: 'b',
      'x-spiffe-id': 'spiffe://ai.example/forged',
      authorization: 'Bearer forged',
      'x-forwarded-for': '1.2.3.4',
    });
    expect(status).toBe(200);
    expect(seen).toEqual(['x-a', '1', 'x-a', '2', '__proto__x', 'b']);
  });

  it('are refused where they change routing', async () => {
    const { status, seen } = await sendTrailers({ host: 'other' });
    expect(status).toBe(400);
    expect(seen).toEqual([]);
  });
});
