import { once } from 'node:events';
import { type IncomingHttpHeaders, sensitiveHeaders } from 'node:http2';
import { expect, it, onTestFinished } from 'vitest';
import { H2cUpstream } from '../support/h2c-upstream.ts';
import { connectHttp2 } from '../support/http2-peer.ts';
import { startProxy } from '../support/proxy-fixture.ts';

/** Names of literals that no table may hold, as nghttp2 has read them. */
function neverIndexed(headers: IncomingHttpHeaders): unknown {
  return Reflect.get(headers, sensitiveHeaders);
}

it('what a sender wants in no table (RFC 7541 §6.2.3) is in none on the next hop either, head or trailers, both ways', async () => {
  const received: unknown[] = [];
  const upstream = await H2cUpstream.start((stream, headers) => {
    received.push(neverIndexed(headers));
    stream.on('trailers', (trailers) => received.push(neverIndexed(trailers)));
    stream.resume().on('end', () => {
      stream.additionalHeaders({ ':status': 103, link: '<a>', 'x-c': '1', [sensitiveHeaders]: ['link'] });
      stream.respond(
        { ':status': 200, 'x-a': '1', 'x-b': '1', [sensitiveHeaders]: ['x-b'] },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': '1', 'x-u': '1', [sensitiveHeaders]: ['x-u'] }));
      stream.end('ok');
    });
  });
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
  onTestFinished(() => proxy.close());
  const session = await connectHttp2(proxy);
  // The same again and again: what is in a table would be named by its index, and be no literal at all.
  for (let times = 0; times < 4; times += 1) {
    const stream = session.request(
      { ':method': 'POST', ':path': '/x', 'x-a': 's', 'x-b': 's', [sensitiveHeaders]: ['x-a', ':path'] },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': 's', 'x-u': 's', [sensitiveHeaders]: ['x-t'] }));
    stream.end('body');
    const answered: unknown[] = [];
    stream.on('headers', (headers) => answered.push(neverIndexed(headers)));
    stream.on('response', (headers) => answered.push(neverIndexed(headers)));
    stream.on('trailers', (headers) => answered.push(neverIndexed(headers)));
    stream.resume();
    await once(stream, 'close');
    expect(answered).toEqual([['link'], ['x-b'], ['x-u']]);
    expect(received.splice(0)).toEqual([[':path', 'x-a'], ['x-t']]);
  }
});

it('nothing is marked that comes over HTTP/1.1, where there are no tables', async () => {
  const received: unknown[] = [];
  const upstream = await H2cUpstream.start((stream, headers) => {
    received.push(neverIndexed(headers));
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  onTestFinished(() => upstream.close());
  const proxy = await startProxy(upstream.port, { speaks: 'http/2' });
  onTestFinished(() => proxy.close());
  const peer = await proxy.connect(proxy.authority.issue('/training/job'));
  peer.request('GET', '/x');
  expect((await peer.response()).status).toBe(200);
  expect(received).toEqual([[]]);
});
