import { describe, expect, it } from 'vitest';
import { connectFrames, type FramePeer } from '../support/http2-frame-peer.ts';
import { CODE, FLAG, FRAME, frame, type Frame, GET, headerBlock, POST } from '../support/http2-frames.ts';
import { connectHttp2, request } from '../support/http2-peer.ts';
import { OK } from '../support/proxy-fixture.ts';
import { openSetting, type ProxySetting } from '../support/proxy-setting.ts';

type Fields = readonly (readonly [string, string])[];

function without(name: string): Fields {
  return GET.filter(([other]) => other !== name);
}

function replaced(name: string, value: string): Fields {
  return GET.map(([other, before]) => [other, other === name ? value : before]);
}

const WEBSOCKET: Fields = [...replaced(':method', 'CONNECT'), [':protocol', 'websocket']];

async function openFrames(): Promise<ProxySetting & { readonly frames: FramePeer }> {
  const setting = await openSetting((_head, socket) => socket.write(OK));
  const frames = await connectFrames(setting.proxy);
  await frames.greet();
  return { ...setting, frames };
}

async function servesTheNext({ proxy, frames }: Awaited<ReturnType<typeof openFrames>>): Promise<void> {
  frames.headers(3, GET);
  // RFC 7541 §A: `:status: 200` is the eighth entry of the static table.
  const answer = await frames.until(({ type, streamId }) => type === FRAME.headers && streamId === 3);
  expect(answer?.payload[0]).toBe(0x88);
  expect(frames.ended).toBe(false);
  expect(proxy.recorder.requests.at(-1)).toMatchObject({ status: 200 });
}

// RFC 9113 §8.1.1 asks for the reset; whoever is refused can be told why, and the answer says by which decision.
describe('a malformed request over HTTP/2 is answered 400 and reset, and the next on its connection served', () => {
  it.each<readonly [name: string, fields: Fields]>([
    ['H2-83 :path without a slash', replaced(':path', 'x')],
    ['H2-83 an empty :path', replaced(':path', '')],
    ['H2-83 :path in absolute form', replaced(':path', 'http://other/x')],
    ['H2-83 no :path', without(':path')],
    ['H2-85 :path twice', [...GET, [':path', '/y']]],
    ['H2-85 :path after a field', [...without(':path'), ['x', 'y'], [':path', '/y']]],
    ['H2-85 an unknown pseudo-header field', [...GET, [':x', 'y']]],
    ['H2-85 one of responses', [...GET, [':status', '200']]],
    ['H2-85 a name in upper case', [...GET, ['X-Mine', 'y']]],
    ['H2-85 no :method', without(':method')],
    ['H2-85 no :scheme', without(':scheme')],
    ['H2-86 connection', [...GET, ['connection', 'x-spiffe-id']]],
    ['H2-86 transfer-encoding', [...GET, ['transfer-encoding', 'chunked']]],
    ['H2-86 te other than trailers', [...GET, ['te', 'gzip']]],
    ['H2-86 upgrade', [...GET, ['upgrade', 'websocket']]],
    ['H2-86 keep-alive', [...GET, ['keep-alive', 'timeout=5']]],
    ['H2-86 proxy-connection', [...GET, ['proxy-connection', 'close']]],
    ['H2-87 CR and LF in :path', replaced(':path', '/x HTTP/1.1\r\nx: y')],
    ['H2-87 CR and LF in :authority', replaced(':authority', 'registry\r\nx: y')],
    ['H2-87 CR and LF in :method', replaced(':method', 'GET / HTTP/1.1\r\nx: y')],
    ['H2-87 CR and LF in a value', [...GET, ['x-mine', 'a\r\nx-smuggled: b']]],
    ['H2-87 CR in a value', [...GET, ['x-mine', 'a\rb']]],
    ['H2-87 LF in a value', [...GET, ['x-mine', 'a\nx-smuggled: b']]],
    ['H2-87 NUL in a value', [...GET, ['x-mine', 'x-smuggled\0b']]],
    ['H2-87 a colon in a name', [...GET, ['x-mine: x-smuggled', 'b']]],
    ['H2-87 CR and LF in a name', [...GET, ['x-mine\r\nx-smuggled', 'b']]],
    ['H2-87 NUL in a name', [...GET, ['x-mine\0', 'b']]],
    ['HD-109 a space in a name', [...GET, ['x-spiffe-id ', 'b']]],
    ['H2-87 a value behind whitespace', [...GET, ['x-smuggled', ' b']]],
    ['H2-87 a value before whitespace', [...GET, ['x-smuggled', 'b\t']]],
    ['H2-87 a name of nothing', [...GET, ['', 'x-smuggled']]],
    ['H2-88 content-length and no DATA', [...GET, ['content-length', '5']]],
    ['H2-89 :protocol without CONNECT', [...GET, [':protocol', 'websocket']]],
    ['H2-89 :protocol twice', [...WEBSOCKET, [':protocol', 'websocket']]],
    ['H2-89 :protocol and no :path', WEBSOCKET.filter(([name]) => name !== ':path')],
  ])('%s', async (_name, fields) => {
    const setting = await openFrames();
    setting.frames.headers(1, fields);
    expect(await setting.frames.reset(1)).toBe(CODE.protocolError);
    const answer = setting.frames.frames.find(({ type, streamId }) => type === FRAME.headers && streamId === 1);
    expect(answer?.flags).toBe(FLAG.endHeaders);
    expect(setting.upstream.received).toBe('');
    expect(setting.proxy.recorder.requests).toMatchObject([{ refusal: 'ambiguous-request', status: 400 }]);
    await servesTheNext(setting);
  });

  it('H2-88 reset, and its upstream as well, when it brings more DATA than content-length', async () => {
    const { proxy, upstream } = await openSetting(() => undefined);
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, [...POST, ['content-length', '5']], 0);
    frames.send(frame(FRAME.data, 0, 1, 'hel'));
    await upstream.until(({ received }) => received.endsWith('hel'));
    const gone = new Promise((resolve) => upstream.sockets[0]?.once('close', resolve));
    frames.send(frame(FRAME.data, FLAG.endStream, 1, 'lo and more'));
    await gone;
    expect(upstream.received).not.toContain('more');
    expect(await frames.reset(1)).toBe(CODE.protocolError);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'ambiguous-request' }]);
  });

  it('H2-88 reset, and its upstream as well, when it ends before content-length', async () => {
    const { proxy, upstream } = await openSetting(() => undefined);
    const frames = await connectFrames(proxy);
    await frames.greet();
    frames.headers(1, [...POST, ['content-length', '5']], 0);
    frames.send(frame(FRAME.data, 0, 1, 'hel'));
    await upstream.until(({ received }) => received.endsWith('hel'));
    const gone = new Promise((resolve) => upstream.sockets[0]?.once('close', resolve));
    frames.send(frame(FRAME.data, FLAG.endStream, 1, ''));
    await gone;
    expect(await frames.reset(1)).toBe(CODE.protocolError);
    expect(proxy.recorder.requests).toMatchObject([{ refusal: 'ambiguous-request' }]);
  });
});

describe('an ambiguous request over HTTP/2 is answered as in HTTP/1.1', () => {
  it.each<readonly [name: string, fields: Fields, status: number, refusal: string]>([
    ['H2-84 :authority and host that differ', [...GET, ['host', 'other']], 400, 'ambiguous-request'],
    ['another scheme', replaced(':scheme', 'http'), 400, 'ambiguous-request'],
    ['H2-89 a WebSocket that ends with its fields', WEBSOCKET, 400, 'ambiguous-request'],
    ['H2-84 host twice', [...GET, ['host', 'registry'], ['host', 'registry']], 400, 'ambiguous-request'],
    ['H2-85 neither :authority nor host', without(':authority'), 400, 'ambiguous-request'],
    ['H2-87 a space in :path', replaced(':path', '/x y'), 400, 'ambiguous-request'],
    ['H2-87 a control in a value', [...GET, ['x', 'a\x01b']], 400, 'ambiguous-request'],
    [
      'H2-88 content-length twice',
      [...GET, ['content-length', '0'], ['content-length', '0']],
      400,
      'ambiguous-request',
    ],
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'registry'],
      ],
      501,
      'method-not-implemented',
    ],
    [
      'H2-89 another protocol',
      [...replaced(':method', 'CONNECT'), [':protocol', 'connect-udp']],
      501,
      'method-not-implemented',
    ],
    ['TRACE', replaced(':method', 'TRACE'), 501, 'method-not-implemented'],
    ['authorization twice', [...GET, ['authorization', 'a'], ['authorization', 'b']], 400, 'ambiguous-request'],
    ['a port that is none', replaced(':authority', 'registry:0'), 400, 'ambiguous-request'],
    ['H2-93 an empty segment', replaced(':path', '//Service/Method'), 400, 'ambiguous-request'],
    ['PA-95 a dot segment', replaced(':path', '/v1/../admin'), 400, 'ambiguous-request'],
    ['PA-95 an encoded slash', replaced(':path', '/v1%2fadmin'), 400, 'ambiguous-request'],
    ['PA-97 a path parameter', replaced(':path', '/v1;a=b/x'), 400, 'ambiguous-request'],
    ['PA-98 octets beyond ASCII', replaced(':path', '/\xc3\xa9'), 400, 'ambiguous-request'],
    ['PA-100 a fragment', replaced(':path', '/x#y'), 400, 'ambiguous-request'],
    [
      'H1-81 a head that is too large',
      [...GET, ['x', 'y'.repeat(16_000)], ['x', 'y'.repeat(1_000)]],
      431,
      'head-too-large',
    ],
    [
      'H1-81 too many fields',
      [...GET, ...Array.from({ length: 101 }, (): [string, string] => ['x', 'y'])],
      431,
      'head-too-large',
    ],
    [
      'H1-81 a head that is far too large',
      [...GET, ...Array.from({ length: 4 }, (): [string, string] => ['x', 'y'.repeat(7_000)])],
      431,
      'head-too-large',
    ],
    [
      'H1-81 far too many fields',
      [...GET, ...Array.from({ length: 500 }, (): [string, string] => ['x', 'y'])],
      431,
      'head-too-large',
    ],
    ['H1-81 a target that is too long', replaced(':path', `/${'x'.repeat(9_000)}`), 414, 'target-too-long'],
  ])('%s', async (_name, fields, status, refusal) => {
    const setting = await openFrames();
    const block = headerBlock(fields);
    const pieces = [block.subarray(0, 16_000), block.subarray(16_000)];
    setting.frames.send(
      frame(FRAME.headers, FLAG.endStream, 1, pieces[0]),
      frame(FRAME.continuation, FLAG.endHeaders, 1, pieces[1]),
    );
    const ofStream = (each: Frame): boolean => each.streamId === 1;
    await setting.frames.until((each) => ofStream(each) && (each.flags & FLAG.endStream) !== 0);
    expect(setting.upstream.received).toBe('');
    expect(setting.proxy.recorder.requests).toMatchObject([{ refusal, status }]);
    await servesTheNext(setting);
    expect(setting.frames.frames.filter(ofStream).map(({ type }) => type)).toEqual([FRAME.headers, FRAME.data]);
  });
});

describe('what an HTTP/2 request carries', () => {
  it('has its cookie in one piece, and octets beyond ASCII as they are', async () => {
    const { upstream, frames } = await openFrames();
    frames.headers(1, [...GET, ['cookie', 'a=b'], ['x-mine', '\xff\x80'], ['cookie', 'c=d'], ['te', 'trailers']]);
    await upstream.until(({ received }) => received.endsWith('\r\n\r\n'));
    expect(upstream.received).toContain('\r\ncookie: a=b; c=d\r\n');
    expect(upstream.received).toContain('\r\nx-mine: \xff\x80\r\n');
    expect(upstream.received).not.toMatch(/\r\nte:/);
  });

  it('H2-84 may have a host that agrees, or that alone', async () => {
    const { upstream, frames } = await openFrames();
    frames.headers(1, [...GET, ['host', 'REGISTRY']]);
    frames.headers(3, [...without(':authority'), ['host', 'registry']]);
    await frames.until(({ type, streamId }) => type === FRAME.headers && streamId === 3);
    expect(upstream.received.match(/\r\nhost: registry\r\n/g)).toHaveLength(2);
  });

  it('HD-108 HD-109 HD-110 loses whatever claims an identity, and has ours once', async () => {
    const { proxy, upstream } = await openSetting((_head, socket) => socket.write(OK));
    const session = await connectHttp2(proxy);
    await request(session, {
      'x-forwarded-client-cert': ['URI=spiffe://ai.example/forged', 'URI=spiffe://ai.example/forged'],
      'x-spiffe-id': 'spiffe://ai.example/forged',
      x_spiffe_id: 'spiffe://ai.example/forged',
      'x.spiffe.id': 'spiffe://ai.example/forged',
      'x-envoy-external-address': 'forged',
      'l5d-client-id': 'forged',
      forwarded: 'for=forged',
      'x-ssl-client-verify': 'forged',
      'x-http-method-override': 'DELETE',
    });
    expect(upstream.received).not.toMatch(/forged|DELETE/);
    expect(upstream.received.match(/\r\nx-spiffe-id: spiffe:\/\/ai\.example\/training\/job\r\n/g)).toHaveLength(1);
    expect(upstream.received.match(/\r\nx-forwarded-client-cert: /g)).toHaveLength(1);
  });

  it('HD-111 HD-112 may be named like what every object has', async () => {
    const { upstream, frames } = await openFrames();
    frames.headers(1, [...GET, ['__proto__', 'a'], ['constructor', 'b'], ['tostring', 'c;d,"e']]);
    await upstream.until(({ received }) => received.endsWith('\r\n\r\n'));
    expect(upstream.received).toContain('\r\n__proto__: a\r\nconstructor: b\r\ntostring: c;d,"e\r\n');
  });
});
