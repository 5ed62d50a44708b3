import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OK, type ProxyFixture, type RawPeer, ScriptedUpstream, startProxy } from '../support/proxy-fixture.ts';

let upstream: ScriptedUpstream;
let proxy: ProxyFixture;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((_head, socket) => socket.write(OK));
  proxy = await startProxy(upstream.port);
});

afterAll(async () => {
  await proxy.close();
  upstream.close();
});

const training = (): Promise<RawPeer> => proxy.connect(proxy.authority.issue('/training/job'));

function message(startLine: string, ...fields: readonly string[]): string {
  return `${[startLine, ...fields].join('\r\n')}\r\n\r\n`;
}

const post = (...fields: readonly string[]): string => message('POST /x HTTP/1.1', 'host: registry', ...fields);
const get = (target: string, ...fields: readonly string[]): string =>
  message(`GET ${target} HTTP/1.1`, 'host: registry', ...fields);

// Each is sent whole on a connection of its own; the bytes must get this status, reach no upstream and close the connection.
const REFUSED: readonly (readonly [name: string, bytes: string, status: number])[] = [
  [
    'H1-65 rejects Content-Length with Transfer-Encoding',
    post('content-length: 5', 'transfer-encoding: chunked') + '0\r\n\r\n',
    400,
  ],
  ['H1-66 rejects two equal Content-Length', `${post('content-length: 5', 'content-length: 5')}hello`, 400],
  ['H1-66 rejects two different Content-Length', `${post('content-length: 5', 'content-length: 6')}hello`, 400],
  ['H1-66 rejects a signed Content-Length', `${post('content-length: +5')}hello`, 400],
  ['H1-66 rejects a list in Content-Length', `${post('content-length: 5,5')}hello`, 400],
  ['H1-66 rejects a hexadecimal Content-Length', `${post('content-length: 0x5')}hello`, 400],
  ['H1-66 rejects a Content-Length beyond 2^53', post('content-length: 9007199254740993'), 400],
  ['H1-67 rejects chunked followed by identity', post('transfer-encoding: chunked, identity'), 400],
  ['H1-67 rejects an unknown transfer coding', post('transfer-encoding: xchunked'), 400],
  ['H1-67 rejects two Transfer-Encoding', post('transfer-encoding: chunked', 'transfer-encoding: chunked'), 400],
  ['H1-67 rejects a folded Transfer-Encoding', post('transfer-encoding:\r\n chunked'), 400],
  ['H1-67 rejects a vertical tab before chunked', post('transfer-encoding: \u000bchunked'), 400],
  ['H1-68 rejects a bare LF after the request line', 'GET /x HTTP/1.1\nhost: registry\r\n\r\n', 400],
  ['H1-68 rejects a bare CR in a value', get('/x', 'a: b\rc'), 400],
  ['H1-68 rejects bare LF line endings', 'GET /x HTTP/1.1\nhost: registry\n\n\r\n\r\n', 400],
  ['H1-69 rejects a space before the colon', get('/x', 'content-length : 5'), 400],
  ['H1-69 rejects a NUL in a name', get('/x', 'a\u0000b: c'), 400],
  ['H1-69 rejects a tab in a name', get('/x', 'a\tb: c'), 400],
  ['H1-71 rejects two Host', get('/x', 'host: other'), 400],
  ['H1-71 rejects a request without Host', 'GET /x HTTP/1.1\r\na: b\r\n\r\n', 400],
  ['H1-71 rejects an absolute target that is not the Host', get('http://other/x'), 400],
  ['H1-72 rejects an absolute target', get('http://registry/x'), 400],
  ['H1-72 rejects CONNECT', message('CONNECT other:443 HTTP/1.1', 'host: other:443'), 501],
  ['H1-72 rejects OPTIONS *', message('OPTIONS * HTTP/1.1', 'host: registry'), 400],
  ['H1-72 rejects TRACE', message('TRACE /x HTTP/1.1', 'host: registry'), 501],
  ['H1-73 rejects HTTP/0.9', 'GET /x\r\n\r\n', 400],
  [
    'H1-73 rejects HTTP/1.0 with Transfer-Encoding',
    message('POST /x HTTP/1.0', 'host: registry', 'transfer-encoding: chunked'),
    400,
  ],
  ['H1-73 rejects HTTP/3.0', message('GET /x HTTP/3.0', 'host: registry'), 505],
  ['H1-73 rejects the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['H1-81 rejects a head over 16 KiB', get('/x', `a: ${'b'.repeat(17_000)}`), 431],
  ['H1-81 rejects 2,000 fields', get('/x', ...Array.from({ length: 2000 }, (_, i) => `a${i}: b`)), 431],
  ['PA-95 rejects dot segments', get('/v1/../admin'), 400],
  ['PA-95 rejects encoded dot segments', get('/v1/%2e%2e/admin'), 400],
  ['PA-95 rejects half-encoded dot segments', get('/v1/.%2e/admin'), 400],
  ['PA-95 rejects an encoded slash after dots', get('/v1/..%2fadmin'), 400],
  ['PA-95 rejects an encoded backslash', get('/v1/..%5cadmin'), 400],
  ['PA-95 rejects a backslash', get('/v1/..\\admin'), 400],
  ['PA-95 rejects double encoding', get('/v1/%252e%252e/admin'), 400],
  ['PA-96 rejects a leading double slash', get('//admin/x'), 400],
  ['PA-96 rejects an encoded slash', get('/%2F/'), 400],
  ['PA-96 rejects an inner double slash', get('/v1//models'), 400],
  ['PA-97 rejects path parameters', get('/v1/models;a=b/../admin'), 400],
  ['PA-97 rejects `..;`', get('/..;/admin'), 400],
  ['PA-98 rejects an encoded NUL', get('/v1/models%00.json'), 400],
  ['PA-98 rejects encoded CR LF', get('/v1/%0d%0aset-cookie'), 400],
  ['PA-98 rejects an overlong encoding', get('/v1/%c0%af'), 400],
  ['PA-98 rejects a lone surrogate', get('/v1/%ed%a0%80'), 400],
  ['PA-98 rejects raw UTF-8', get('/v1/\u00c3\u00a9'), 400],
  ['PA-100 rejects a fragment', get('/v1/models?x=/../admin#f'), 400],
];

describe('ambiguous requests', () => {
  it.each(REFUSED)('%s', async (_name, bytes, status) => {
    const seen = upstream.received;
    const peer = await training();
    peer.send(bytes);
    const received = await peer.closed();
    expect(received).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(received).toContain('connection: close');
    expect(received.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(upstream.received).toBe(seen);
    const record = proxy.recorder.requests.at(-1);
    expect(record).toMatchObject({ status, decision: null });
    expect(record?.refusal).not.toBeNull();
  });

  it('serves the next request on another connection after every refusal', async () => {
    const peer = await training();
    peer.request('GET', '/x');
    expect((await peer.response()).status).toBe(200);
  });

  it.each([
    ['H1-70 rejects a chunk extension', '5;a\r\nhello\r\n0\r\n\r\n'],
    ['H1-70 rejects a bare LF in a chunk size line', '5\nhello\r\n0\r\n\r\n'],
    ['H1-70 rejects a chunk size that is no number', 'g\r\nhello\r\n0\r\n\r\n'],
    ['H1-70 rejects a chunk longer than it says', '5\r\nhello!\r\n0\r\n\r\n'],
    ['H1-70 rejects an overflowing chunk size', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
  ])('%s', async (_name, body) => {
    const peer = await training();
    peer.send(post('transfer-encoding: chunked') + body);
    const received = await peer.closed();
    expect(received).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('H1-70 drops trailers, whatever they claim', async () => {
    const seen = upstream.received.length;
    const peer = await training();
    peer.send(`${post('transfer-encoding: chunked')}5\r\nhello\r\n0\r\nx-checksum: 1\r\n\r\n`);
    expect((await peer.response()).status).toBe(200);
    expect(upstream.received.slice(seen)).toMatch(/5\r\nhello\r\n0\r\n\r\n$/);
  });

  it('H1-74 strips an upgrade to h2c', async () => {
    const seen = upstream.received.length;
    const peer = await training();
    peer.request(
      'GET',
      '/x',
      'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n',
    );
    const received = await peer.until((text) => text.includes('\r\n\r\n'));
    expect(received).not.toContain('101');
    expect(upstream.received.slice(seen).toLowerCase()).not.toMatch(/upgrade|http2-settings/);
  });

  it('H1-77 decides pipelined requests one by one and answers in order', async () => {
    const peer = await proxy.connect(proxy.authority.issue('/inference/server'));
    peer.send(get('/allowed') + message('DELETE /denied HTTP/1.1', 'host: registry') + get('/allowed'));
    const statuses = [await peer.response(), await peer.response(), await peer.response()].map(({ status }) => status);
    expect(statuses).toEqual([200, 403, 200]);
  });

  it('H1-82 takes the method exactly as it is written', async () => {
    const seen = upstream.received.length;
    const inference = await proxy.connect(proxy.authority.issue('/inference/server'));
    inference.request('GeT', '/x');
    expect((await inference.response()).status).toBe(403);
    inference.request('PROPFIND', '/x');
    expect((await inference.response()).status).toBe(403);
    inference.request('GET', '/x', 'x-http-method-override: DELETE\r\nx_http_method: DELETE\r\n');
    expect((await inference.response()).status).toBe(200);
    expect(upstream.received.slice(seen).toLowerCase()).not.toContain('delete');
  });

  it('PA-99 and PA-101 compare paths exactly', async () => {
    const strict = await startProxy(upstream.port, {
      policy: `
version: 1
trustDomain: ai.example
components: { training: {}, registry: {} }
access:
  training:
    allow:
      - { target: registry, paths: [/v1/models] }
`,
    });
    const peer = await strict.connect(strict.authority.issue('/training/job'));
    const statuses: number[] = [];
    for (const path of [
      '/v1/models',
      '/V1/Models',
      '/v1/models/',
      '/v1/models.',
      '/v1/models%20',
      '/v1/models?x=/admin',
    ]) {
      peer.request('GET', path);
      statuses.push((await peer.response()).status);
    }
    expect(statuses).toEqual([200, 403, 403, 403, 403, 200]);
    await strict.close();
  });

  it('H1-81 answers a head that never ends with 408', async () => {
    const impatient = await startProxy(upstream.port, { limits: { headTimeoutMs: 300 } });
    const peer = await impatient.connect(impatient.authority.issue('/training/job'));
    peer.send('GET /x HTTP/1.1\r\nhost: reg');
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 408 /);
    expect(impatient.recorder.terminations).toEqual(['head-timeout']);
    await impatient.close();
  });

  it('H1-81 answers a body that trickles with 408', async () => {
    const patient = await ScriptedUpstream.start(() => undefined);
    const impatient = await startProxy(patient.port, {
      limits: { minBodyBytesPerSecond: 1_000_000, bodyGraceMs: 300 },
    });
    const peer = await impatient.connect(impatient.authority.issue('/training/job'));
    peer.send(`${post('content-length: 1000000')}x`);
    expect(await peer.closed()).toMatch(/^HTTP\/1\.1 408 /);
    expect(impatient.recorder.requests.at(-1)?.refusal).toBe('body-timeout');
    await impatient.close();
    patient.close();
  });
});
