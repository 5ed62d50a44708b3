// Requests that must be understood, with what they mean, and requests that must be refused, with why.

import { describe, expect, it } from 'vitest';
import { HTTP1_ERROR_CODES, type Http1ErrorCode } from '../../src/http1/http1-error.ts';
import { RequestDecoder } from '../../src/http1/request-decoder.ts';
import type { RequestHead } from '../../src/http1/request-head.ts';
import { decodeRequests, type Expected, latin1, LIMITS, type Message, splitIntoOctets } from './decode.ts';
import { REFUSED_REQUESTS } from './refused-requests.ts';
import { REFUSED_RESPONSES } from './refused-responses.ts';

const PLAIN: Expected<RequestHead> = {
  method: 'GET',
  authority: 'a.example',
  host: 'a.example',
  path: '/',
  query: null,
  fields: [],
  body: { kind: 'none' },
  persistent: true,
  expectsContinue: false,
  upgrade: null,
  version: '1.1',
  neverIndexed: [],
};

/** The one request in `text`, which must be accepted whole and in single octets alike. */
function accept(text: string): Message<RequestHead> {
  const whole = decodeRequests([latin1(text)]);
  expect(whole.refusal).toBeNull();
  expect(whole.messages).toHaveLength(1);
  expect(decodeRequests(splitIntoOctets(latin1(text)))).toEqual(whole);
  const [message] = whole.messages;
  if (message === undefined) throw new Error('no message');
  expect(message.isComplete).toBe(true);
  return message;
}

const HOST = 'Host: a.example\r\n';
const CHUNKED = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;

describe('accepted requests', () => {
  const heads: readonly [name: string, text: string, expected: Partial<Expected<RequestHead>>][] = [
    ['the smallest request', `GET / HTTP/1.1\r\n${HOST}\r\n`, {}],
    ['a path and a query', `GET /v1/models?a=b&c HTTP/1.1\r\n${HOST}\r\n`, { path: '/v1/models', query: 'a=b&c' }],
    ['PA-100 an empty query', `GET /x? HTTP/1.1\r\n${HOST}\r\n`, { path: '/x', query: '' }],
    ['PA-100 two question marks', `GET /x?a?b HTTP/1.1\r\n${HOST}\r\n`, { path: '/x', query: 'a?b' }],
    [
      'PA-100 dots and slashes in a query',
      `GET /x?y=/../z//;a HTTP/1.1\r\n${HOST}\r\n`,
      { path: '/x', query: 'y=/../z//;a' },
    ],
    ['PA-99 the case of a path', `GET /V1/Models HTTP/1.1\r\n${HOST}\r\n`, { path: '/V1/Models' }],
    ['H1-82 the case of a method', `GeT / HTTP/1.1\r\n${HOST}\r\n`, { method: 'GeT' }],
    ['H1-82 a method of WebDAV', `PROPFIND / HTTP/1.1\r\n${HOST}\r\n`, { method: 'PROPFIND' }],
    ['H1-82 a method nobody knows', `X!-1 / HTTP/1.1\r\n${HOST}\r\n`, { method: 'X!-1' }],
    [
      "H1-82 an override, which is the proxy's to strip",
      `GET / HTTP/1.1\r\n${HOST}X-HTTP-Method-Override: DELETE\r\n\r\n`,
      { fields: ['x-http-method-override', 'DELETE'] },
    ],
    ['a port', 'GET / HTTP/1.1\r\nHost: A.Example:8443\r\n\r\n', { authority: 'a.example:8443', host: 'a.example' }],
    ['an IPv6 host', 'GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n', { authority: '[::1]:8443', host: '[::1]' }],
    [
      'names in any case and no space after the colon',
      'GET / HTTP/1.1\r\nhOST:a.example\r\nX-A:b\r\n\r\n',
      { fields: ['x-a', 'b'] },
    ],
    [
      'spaces and tabs around a value',
      `GET / HTTP/1.1\r\n${HOST}X-A: \t b c\td \t\r\n\r\n`,
      { fields: ['x-a', 'b c\td'] },
    ],
    ['an empty value', `GET / HTTP/1.1\r\n${HOST}X-A:\r\nX-B: \r\n\r\n`, { fields: ['x-a', '', 'x-b', ''] }],
    ['colons in a value', `GET / HTTP/1.1\r\n${HOST}X-A: b:c: d\r\n\r\n`, { fields: ['x-a', 'b:c: d'] }],
    [
      'obs-text in a value, byte-exact',
      `GET / HTTP/1.1\r\n${HOST}X-A: \x80\xc3\xa9\xff\r\n\r\n`,
      { fields: ['x-a', '\x80\xc3\xa9\xff'] },
    ],
    [
      'every kind of token character in a name',
      `GET / HTTP/1.1\r\n${HOST}!#$%&'*+-.^_\`|~0Az: 1\r\n\r\n`,
      { fields: ["!#$%&'*+-.^_`|~0az", '1'] },
    ],
    [
      "HD-109 names with other separators, which are the proxy's to strip",
      `GET / HTTP/1.1\r\n${HOST}X_Spiffe_Id: a\r\nX.Spiffe.Id: b\r\n\r\n`,
      { fields: ['x_spiffe_id', 'a', 'x.spiffe.id', 'b'] },
    ],
    [
      'HD-110 the same field twice, in order',
      `GET / HTTP/1.1\r\n${HOST}X-A: 1\r\nCookie: c\r\nx-a: 2\r\n\r\n`,
      { fields: ['x-a', '1', 'cookie', 'c', 'x-a', '2'] },
    ],
    [
      'HD-112 names of the object prototype',
      `GET / HTTP/1.1\r\n${HOST}__proto__: a\r\nConstructor: b\r\ntoString: c\r\nhasOwnProperty: d\r\n\r\n`,
      { fields: ['__proto__', 'a', 'constructor', 'b', 'tostring', 'c', 'hasownproperty', 'd'] },
    ],
    [
      'HD-112 the prototype as an option of Connection',
      `GET / HTTP/1.1\r\n${HOST}Connection: __proto__\r\n__proto__: a\r\nx: b\r\n\r\n`,
      { fields: ['x', 'b'] },
    ],
    [
      'hop-by-hop fields, which are taken out',
      `GET / HTTP/1.1\r\n${HOST}TE: trailers\r\nTrailer: X\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\nProxy-Anything: x\r\nX: y\r\n\r\n`,
      { fields: ['x', 'y'] },
    ],
    [
      'H1-78 nominated fields, which are taken out',
      `GET / HTTP/1.1\r\n${HOST}X-Spiffe-Id: spoofed\r\nConnection: x-spiffe-id, X-Forwarded-Client-Cert\r\nX-Forwarded-Client-Cert: spoofed\r\nX: y\r\n\r\n`,
      { fields: ['x', 'y'] },
    ],
    [
      'options of Connection in two lines',
      `GET / HTTP/1.1\r\n${HOST}Connection: x-a \t,\tx-b\r\nX-A: 1\r\nX-B: 2\r\nConnection: Close\r\nX-C: 3\r\n\r\n`,
      { fields: ['x-c', '3'], persistent: false },
    ],
    ['Connection: keep-alive', `GET / HTTP/1.1\r\n${HOST}Connection: Keep-Alive\r\n\r\n`, { persistent: true }],
    ['Connection: close', `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, { persistent: false }],
    [
      'Connection: close and keep-alive',
      `GET / HTTP/1.1\r\n${HOST}Connection: keep-alive, close\r\n\r\n`,
      { persistent: false },
    ],
    ['HTTP/1.0', `GET / HTTP/1.0\r\n${HOST}\r\n`, { version: '1.0', persistent: false }],
    [
      'HTTP/1.0 with keep-alive, which a proxy does not honour',
      `GET / HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`,
      { version: '1.0', persistent: false },
    ],
    [
      'H1-74 an upgrade to h2c, which is taken out',
      `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nX: y\r\n\r\n`,
      { upgrade: null, persistent: false, fields: ['x', 'y'] },
    ],
    [
      'H1-74 an upgrade to h2c in any case',
      `GET / HTTP/1.1\r\n${HOST}Connection: upgrade\r\nUpgrade: H2C\r\n\r\n`,
      { upgrade: null, persistent: false },
    ],
    [
      'an upgrade to websocket',
      `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      { upgrade: 'websocket', persistent: false, fields: ['sec-websocket-version', '13'] },
    ],
    [
      'an upgrade with a version',
      `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: foo/2\r\n\r\n`,
      { upgrade: 'foo/2', persistent: false },
    ],
    [
      'an Upgrade that Connection does not name',
      `GET / HTTP/1.1\r\n${HOST}Upgrade: websocket\r\n\r\n`,
      { upgrade: null },
    ],
    [
      'an Upgrade in HTTP/1.0',
      `GET / HTTP/1.0\r\n${HOST}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`,
      { upgrade: null, version: '1.0', persistent: false },
    ],
    [
      'an expectation without a body',
      `GET / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n\r\n`,
      { expectsContinue: false },
    ],
    [
      'Content-Length: 0, which is not the same as none',
      `POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`,
      { method: 'POST', body: { kind: 'length', bytes: 0 } },
    ],
  ];
  it.each(heads)('%s', (_name, text, expected) => {
    expect(accept(text)).toEqual({ head: { ...PLAIN, ...expected }, body: '', isComplete: true });
  });

  const bodies: readonly [name: string, text: string, body: string][] = [
    ['a body of a length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`, 'hello'],
    ['H1-66 a length after many spaces', `POST / HTTP/1.1\r\n${HOST}Content-Length:  \t 5\r\n\r\nhello`, 'hello'],
    [
      'a body that looks like a request',
      `POST / HTTP/1.1\r\n${HOST}Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
      'GET / HTTP/1.1\r\n\r\n',
    ],
    ['a body of a GET', `GET / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`, 'hello'],
    ['no chunk but the last', `${CHUNKED}0\r\n\r\n`, ''],
    ['chunks', `${CHUNKED}5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n`, 'hello, world'],
    [
      'H1-67 chunked with spaces around it',
      `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: \t chunked \t\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
      'x',
    ],
    [
      'hex digits in either case',
      `${CHUNKED}a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n`,
      '01234567890123456789a',
    ],
    ['padded chunk sizes', `${CHUNKED}0000000000000005\r\nhello\r\n000\r\n\r\n`, 'hello'],
    ['chunk framing inside a chunk', `${CHUNKED}a\r\n0\r\n\r\nhello\r\n0\r\n\r\n`, '0\r\n\r\nhello'],
    [
      'H1-70 trailers, which are dropped',
      `${CHUNKED}5\r\nhello\r\n0\r\nAuthorization: x\r\nX-Forwarded-Client-Cert: y\r\nGrpc-Status: 0\r\n\r\n`,
      'hello',
    ],
  ];
  it.each(bodies)('%s', (_name, text, body) => {
    const message = accept(text);
    expect(message.body).toBe(body);
    expect(message.head.fields).toEqual([]);
  });

  it('H1-76 tells that a peer waits for 100 (Continue) before its body has come', () => {
    const head = latin1(`PUT / HTTP/1.1\r\n${HOST}Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n`);
    const { messages } = decodeRequests([head]);
    expect(messages[0]).toMatchObject({ isComplete: false, head: { expectsContinue: true, fields: [] } });
  });

  it('H1-76 ignores the expectation of an HTTP/1.0 peer', () => {
    const request = `PUT / HTTP/1.0\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`;
    expect(accept(request).head.expectsContinue).toBe(false);
  });

  it('knows the longest length and chunk that a number holds exactly', () => {
    const length = decodeRequests([latin1(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 999999999999999\r\n\r\nx`)]);
    expect(length.messages[0]).toMatchObject({
      body: 'x',
      head: { body: { kind: 'length', bytes: 999_999_999_999_999 } },
    });
    const chunk = decodeRequests([latin1(`${CHUNKED}1fffffffffffff\r\nx`)]);
    expect(chunk).toMatchObject({ refusal: null, messages: [{ body: 'x', isComplete: false }] });
  });

  it('H1-81 accepts a head and a field count at the limit', () => {
    const start = `GET / HTTP/1.1\r\n${HOST}`;
    const padding = LIMITS.maxHeadBytes - start.length - 'X: \r\n\r\n'.length;
    expect(accept(`${start}X: ${'a'.repeat(padding)}\r\n\r\n`).head.fields[1]).toHaveLength(padding);
    expect(accept(`${start}${'a: b\r\n'.repeat(99)}\r\n`).head.fields).toHaveLength(198);
    const longer = `${start}X: ${'a'.repeat(padding + 1)}\r\n\r\n`;
    expect(decodeRequests([latin1(longer)]).refusal?.code).toBe('head-too-large');
    expect(decodeRequests(splitIntoOctets(latin1(longer))).refusal?.code).toBe('head-too-large');
  });

  it('accepts a target of 8 KiB', () => {
    const path = `/${'a'.repeat(8191)}`;
    expect(accept(`GET ${path} HTTP/1.1\r\n${HOST}\r\n`).head.path).toBe(path);
  });
});

describe('refused requests', () => {
  it.each(REFUSED_REQUESTS)('%s', (_name, text, code, status) => {
    const bytes = latin1(text);
    const whole = decodeRequests([bytes]);
    expect(whole.refusal).toEqual({ code, status });
    expect(whole.messages.every((message) => !message.isComplete)).toBe(true);
    expect(decodeRequests(splitIntoOctets(bytes)).refusal).toEqual({ code, status });
  });

  it('refuses the second of two requests after the first was understood', () => {
    const { messages, refusal } = decodeRequests([latin1(`GET /a HTTP/1.1\r\n${HOST}\r\nGET /b HTTP/1.1\r\n\r\n`)]);
    expect(messages.map((message) => message.head.path)).toEqual(['/a']);
    expect(refusal?.code).toBe('missing-host');
  });

  it('has a case for every code there is', () => {
    const sent: Http1ErrorCode[] = ['unencodable-start-line', 'unencodable-field'];
    const seen = new Set([
      ...sent,
      ...REFUSED_REQUESTS.map((row) => row[2]),
      ...REFUSED_RESPONSES.map((row) => row[2]),
    ]);
    expect(HTTP1_ERROR_CODES.filter((code) => !seen.has(code))).toEqual([]);
  });

  it('never quotes the input', () => {
    const decoder = new RequestDecoder(LIMITS);
    decoder.push(latin1(`GET / HTTP/1.1\r\n${HOST}Authorization: secret\r\nAuthorization: secret\r\n\r\n`));
    expect(() => decoder.next()).toThrow(/^a field that may occur once occurs twice \(RFC 9110 §5\.3\)$/);
  });
});

describe('a connection', () => {
  it('H1-77 keeps pipelined requests apart and in order', () => {
    const requests = [
      `POST /1 HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`,
      `GET /2 HTTP/1.1\r\n${HOST}\r\n`,
      `POST /3 HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\nX: y\r\n\r\n`,
      `GET /4 HTTP/1.1\r\n${HOST}\r\n`,
    ];
    const bytes = latin1(requests.join(''));
    const { messages, refusal } = decodeRequests([bytes]);
    expect(refusal).toBeNull();
    expect(messages.map(({ head, body }) => [head.path, body])).toEqual([
      ['/1', 'abc'],
      ['/2', ''],
      ['/3', 'def'],
      ['/4', ''],
    ]);
    expect(decodeRequests(splitIntoOctets(bytes)).messages).toEqual(messages);
  });

  it('carries nothing of one head over to the next', () => {
    const plain = `GET / HTTP/1.1\r\n${HOST}\r\n`;
    const others = [
      `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n`,
      `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nUpgrade: websocket\r\n\r\nx`,
      `GET / HTTP/1.1\r\n${HOST}Connection: upgrade, keep-alive, x-a\r\nAuthorization: x\r\n\r\n`,
      `GET / HTTP/1.1\r\n${HOST}X-A: b\r\nAuthorization: x\r\n\r\n`,
    ];
    const { messages, refusal } = decodeRequests([latin1(others.join(plain) + plain)]);
    expect(refusal).toBeNull();
    expect(messages).toHaveLength(7 + 1);
    for (const message of [1, 3, 5, 7].map((index) => messages[index])) expect(message?.head).toEqual(PLAIN);
    expect(messages[6]?.head).toEqual({ ...PLAIN, fields: ['x-a', 'b', 'authorization', 'x'] });
    expect(messages[2]?.head.expectsContinue).toBe(false);
    // A field that only the second announces: Upgrade without the option in this head, the option without the field.
    const upgrades = `${others[2]}GET / HTTP/1.1\r\n${HOST}Upgrade: websocket\r\n\r\n${others[2]}`;
    expect(decodeRequests([latin1(upgrades)]).messages.map(({ head }) => head.upgrade)).toEqual([null, null, null]);
  });

  it('tells names apart that begin like a known one', () => {
    const letters = Array.from('abcdefghijklmnopqrstuvwxyz');
    const names = ['te', 'host', 'expect', 'cookie', 'content-length'].flatMap((known) =>
      letters.flatMap((first) => letters.map((second) => known + first + second)),
    );
    for (let at = 0; at < names.length; at += 50) {
      const fields = names.slice(at, at + 50).flatMap((name) => [name, 'x']);
      const lines = names.slice(at, at + 50).map((name) => `${name}: x\r\n`);
      expect(accept(`GET / HTTP/1.1\r\n${HOST}${lines.join('')}\r\n`).head.fields).toEqual(fields);
    }
  });

  it('discards what follows a request that closes the connection', () => {
    const last = `GET /1 HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
    const { messages, refusal } = decodeRequests([latin1(`${last}GET /2 HTTP/1.1\r\n${HOST}\r\n`), latin1('\0\0\0')]);
    expect(refusal).toBeNull();
    expect(messages.map((message) => message.head.path)).toEqual(['/1']);
  });

  it('lets a slow consumer stop: nothing is decoded, copied or lost until it pulls again', () => {
    const decoder = new RequestDecoder(LIMITS);
    decoder.push(latin1(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 6\r\n\r\nabc`));
    decoder.push(latin1('def'));
    const request = latin1(`GET /next HTTP/1.1\r\n${HOST}\r\n`);
    decoder.push(request);
    expect(decoder.next()).toBe('head');
    expect(decoder.bufferedBytes).toBe(6 + request.length);
    expect([decoder.next(), decoder.data.toString()]).toEqual(['data', 'abc']);
    expect([decoder.next(), decoder.data.toString()]).toEqual(['data', 'def']);
    expect(decoder.bufferedBytes).toBe(request.length);
    expect(decoder.next()).toBe('end');
    expect([decoder.next(), decoder.head.path]).toEqual(['head', '/next']);
    expect([decoder.next(), decoder.next()]).toEqual(['end', 'need-more']);
    expect(decoder.bufferedBytes).toBe(0);
  });

  it('hands out body octets without copying them', () => {
    const decoder = new RequestDecoder(LIMITS);
    const head = `PUT / HTTP/1.1\r\n${HOST}Content-Length: 6\r\n\r\n`;
    const first = latin1(`${head}abc`);
    const second = latin1('def');
    decoder.push(first);
    decoder.next();
    decoder.next();
    expect(decoder.data.buffer).toBe(first.buffer);
    expect(decoder.data.byteOffset).toBe(first.byteOffset + head.length);
    decoder.push(second);
    decoder.next();
    expect(decoder.data).toBe(second);
  });

  it('tells where it is between messages', () => {
    const decoder = new RequestDecoder(LIMITS);
    const state = (): unknown => [decoder.atMessageBoundary, decoder.receivingHead, decoder.bufferedBytes];
    expect(state()).toEqual([true, false, 0]);
    decoder.push(latin1('PUT / HT'));
    expect(state()).toEqual([false, true, 8]);
    expect(decoder.next()).toBe('need-more');
    expect(state()).toEqual([false, true, 8]);
    decoder.push(latin1(`TP/1.1\r\n${HOST}Content-Length: 1\r\n\r\n`));
    expect(decoder.next()).toBe('head');
    expect(state()).toEqual([false, false, 0]);
    expect(decoder.next()).toBe('need-more');
    decoder.push(latin1('xG'));
    expect([decoder.next(), decoder.next()]).toEqual(['data', 'end']);
    expect(state()).toEqual([false, true, 1]);
  });

  it('has no head before the first', () => {
    expect(() => new RequestDecoder(LIMITS).head).toThrow(TypeError);
  });
});
