import { describe, expect, it } from 'vitest';
import { CODE, connectFrames, FLAG, FRAME, frame, GET, headerBlock, POST, uint32 } from '../support/http2-frames.ts';
import { OK } from '../support/proxy-fixture.ts';
import { openSetting } from '../support/proxy-setting.ts';

type Fields = readonly (readonly [string, string])[];

function without(name: string): Fields {
  return GET.filter(([other]) => other !== name);
}

function replaced(name: string, value: string): Fields {
  return GET.map(([other, before]) => [other, other === name ? value : before]);
}

async function outcomeOf(fields: Fields): Promise<string> {
  const { proxy, upstream } = await openSetting((_head, socket) => socket.write(OK));
  const peer = await connectFrames(proxy);
  await peer.greet();
  peer.headers(1, fields);
  const got = await Promise.race([
    peer.reset(1).then((code) => `reset ${code}`),
    peer.goaway().then((code) => `goaway ${code}`),
    peer
      .until(({ type, streamId }) => type === FRAME.headers && streamId === 1)
      .then((f) => `answered ${f?.payload.subarray(0, 5).toString('hex')}`),
  ]);
  return `${got} | ${JSON.stringify(upstream.received.slice(0, 200))} | ${JSON.stringify(proxy.recorder.requests.map((r) => r.refusal))}`;
}

describe('explore', () => {
  it.each<[string, Fields]>([
    ['H2-83 :path without /', replaced(':path', 'x')],
    ['H2-83 empty path', replaced(':path', '')],
    ['asterisk', replaced(':path', '*')],
    ['path abs', replaced(':path', 'http://b/x')],
    ['path space', replaced(':path', '/a b')],
    ['H2-84', [...GET, ['host', 'other']]],
    ['H2-84 same', [...GET, ['host', 'registry']]],
    ['H2-84 twice', [...GET, ['host', 'registry'], ['host', 'registry']]],
    ['H2-85 dup', [...GET, [':path', '/y']]],
    ['H2-85 late', [...without(':path'), ['x', 'y'], [':path', '/y']]],
    ['H2-85 unknown', [...GET, [':foo', '/y']]],
    ['H2-85 :status', [...GET, [':status', '200']]],
    ['H2-85 :protocol', [...GET, [':protocol', 'websocket']]],
    ['H2-85 upper', [...GET, ['X-Mine', 'y']]],
    ['H2-86 connection', [...GET, ['connection', 'close']]],
    ['H2-86 te', [...GET, ['transfer-encoding', 'chunked']]],
    ['H2-86 te gzip', [...GET, ['te', 'gzip']]],
    ['H2-86 te trailers', [...GET, ['te', 'trailers']]],
    ['H2-86 upgrade', [...GET, ['upgrade', 'h2c']]],
    ['H2-86 keep-alive', [...GET, ['keep-alive', 'h2c']]],
    ['H2-86 proxy-connection', [...GET, ['proxy-connection', 'h2c']]],
    ['H2-87 CR', [...GET, ['x', 'a\r\nb: c']]],
    ['H2-87 NUL', [...GET, ['x', 'a\0b']]],
    ['H2-87 name colon', [...GET, ['x:y', 'a']]],
    ['H2-87 name crlf', [...GET, ['x\r\ny', 'a']]],
    ['H2-87 name space', [...GET, ['x y', 'a']]],
    ['H2-87 empty name', [...GET, ['', 'a']]],
    ['value space', [...GET, ['x', ' a']]],
    ['value ctl', [...GET, ['x', '\x01a']]],
    ['authority crlf', replaced(':authority', 'registry\r\nx: y')],
    ['authority userinfo', replaced(':authority', 'a@registry')],
    ['path crlf', replaced(':path', '/x\r\nx: y')],
    ['method crlf', replaced(':method', 'GET / HTTP/1.1\r\nx: y')],
    ['scheme http', replaced(':scheme', 'http')],
    ['no method', without(':method')],
    ['no path', without(':path')],
    ['no authority', without(':authority')],
    ['no authority but host', [...without(':authority'), ['host', 'registry']]],
    [
      'connect',
      [
        [':method', 'CONNECT'],
        [':authority', 'registry'],
      ],
    ],
    ['trace', replaced(':method', 'TRACE')],
    ['clen', [...GET, ['content-length', '5']]],
    ['clen dup', [...GET, ['content-length', '0'], ['content-length', '0']]],
    ['cookie', [...GET, ['cookie', 'a=b'], ['cookie', 'c=d']]],
    ['obs', [...GET, ['x', '\xff\x80']]],
    ['dup auth', [...GET, ['authorization', 'a'], ['authorization', 'b']]],
  ])('%s', async (name, fields) => {
    console.log(name, '=>', await outcomeOf(fields));
  });
});
