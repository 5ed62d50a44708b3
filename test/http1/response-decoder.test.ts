// Responses that must be understood, with what they mean, and responses that must be refused, with why.

import { describe, expect, it } from 'vitest';
import { ResponseDecoder } from '../../src/http1/response-decoder.ts';
import type { ResponseHead } from '../../src/http1/response-head.ts';
import { decodeResponses, type Expected, latin1, LIMITS, splitIntoOctets } from './decode.ts';
import { REFUSED_RESPONSES } from './refused-responses.ts';

const PLAIN: Expected<ResponseHead> = {
  status: 200,
  reason: 'OK',
  fields: [],
  body: { kind: 'length', bytes: 0 },
  declaredLength: 0,
  persistent: true,
  upgrade: null,
  neverIndexed: [],
};

const NONE: ResponseHead['body'] = { kind: 'none' };
const UNTIL_CLOSE: ResponseHead['body'] = { kind: 'until-close' };

interface Accepted {
  readonly text: string;
  readonly head?: Partial<Expected<ResponseHead>>;
  readonly body?: string;
  readonly method?: string;
}

describe('accepted responses', () => {
  const responses: readonly [name: string, accepted: Accepted][] = [
    ['the smallest framed response', { text: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' }],
    [
      'a body of a length',
      {
        text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n\r\nhello',
        head: { body: { kind: 'length', bytes: 5 }, declaredLength: 5, fields: ['etag', '"x"'] },
        body: 'hello',
      },
    ],
    [
      'a chunked body',
      {
        text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
        head: { body: { kind: 'chunked' }, declaredLength: null },
        body: 'hello',
      },
    ],
    [
      'H1-70 trailers, which are dropped',
      {
        text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n',
        head: { body: { kind: 'chunked' }, declaredLength: null },
        body: 'hello',
      },
    ],
    [
      'a body that ends with the connection',
      {
        text: 'HTTP/1.1 200 OK\r\n\r\nhello',
        head: { body: UNTIL_CLOSE, declaredLength: null, persistent: false },
        body: 'hello',
      },
    ],
    [
      'an empty body that ends with the connection',
      { text: 'HTTP/1.1 200 OK\r\n\r\n', head: { body: UNTIL_CLOSE, declaredLength: null, persistent: false } },
    ],
    ['an empty reason', { text: 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', head: { reason: '' } }],
    [
      'a reason without the space before it',
      { text: 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', head: { reason: '' } },
    ],
    [
      'a reason in latin1',
      { text: 'HTTP/1.1 200 Tr\xe8s bien\tOK\r\nContent-Length: 0\r\n\r\n', head: { reason: 'Tr\xe8s bien\tOK' } },
    ],
    [
      'a status nobody knows',
      { text: 'HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n', head: { status: 599, reason: 'X' } },
    ],
    [
      'Connection: close',
      { text: 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', head: { persistent: false } },
    ],
    ['HTTP/1.0', { text: 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', head: { persistent: false } }],
    ['HTTP/1.0 with keep-alive', { text: 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n' }],
    [
      'HTTP/1.0 with keep-alive and no length',
      {
        text: 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello',
        head: { body: UNTIL_CLOSE, declaredLength: null, persistent: false },
        body: 'hello',
      },
    ],
    [
      'hop-by-hop and nominated fields, which are taken out',
      {
        text: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x-hop\r\nX-Hop: a\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n',
        head: { fields: ['set-cookie', 'a', 'set-cookie', 'b'] },
      },
    ],
    [
      'HD-112 names of the object prototype',
      { text: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n__proto__: a\r\n\r\n', head: { fields: ['__proto__', 'a'] } },
    ],
    [
      'the answer to HEAD',
      {
        method: 'HEAD',
        text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
        head: { body: NONE, declaredLength: 5 },
      },
    ],
    [
      'the answer to HEAD with chunks announced',
      {
        method: 'HEAD',
        text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
        head: { body: NONE, declaredLength: null },
      },
    ],
    [
      'the answer to HEAD without a length',
      { method: 'HEAD', text: 'HTTP/1.1 200 OK\r\n\r\n', head: { body: NONE, declaredLength: null } },
    ],
    [
      '204',
      {
        text: 'HTTP/1.1 204 No Content\r\n\r\n',
        head: { status: 204, reason: 'No Content', body: NONE, declaredLength: null },
      },
    ],
    [
      '204 with a length of 0',
      {
        text: 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n',
        head: { status: 204, reason: 'No Content', body: NONE },
      },
    ],
    [
      '304 with the length of what it stands for',
      {
        text: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
        head: { status: 304, reason: 'Not Modified', body: NONE, declaredLength: 5 },
      },
    ],
    [
      "101, whose octets are another protocol's",
      {
        text: 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello',
        head: {
          status: 101,
          reason: 'Switching Protocols',
          body: UNTIL_CLOSE,
          declaredLength: null,
          persistent: false,
          upgrade: 'websocket',
        },
        body: '\x81\x05hello',
      },
    ],
  ];
  it.each(responses)('%s', (_name, { text, head, body, method }) => {
    const options = method === undefined ? {} : { method };
    const whole = decodeResponses([latin1(text)], options);
    expect(whole).toEqual({
      messages: [{ head: { ...PLAIN, ...head }, body: body ?? '', isComplete: true }],
      refusal: null,
    });
    expect(decodeResponses(splitIntoOctets(latin1(text)), options)).toEqual(whole);
  });

  it('H1-80 gives each 1xx as a head of its own, up to the bound', () => {
    const text = `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(32)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`;
    const { messages, refusal } = decodeResponses([latin1(text)]);
    expect(refusal).toBeNull();
    expect(messages.map(({ head }) => head.status)).toEqual([...Array.from({ length: 32 }, () => 103), 200]);
    expect(messages[0]?.head).toMatchObject({ fields: ['link', '</a>'], body: NONE });
    expect(messages.at(-1)).toMatchObject({ body: 'hi', isComplete: true });
  });
});

describe('refused responses', () => {
  it.each(REFUSED_RESPONSES)('%s', (_name, text, code) => {
    const refusal = { code, status: 502 };
    expect(decodeResponses([latin1(text)]).refusal).toEqual(refusal);
    expect(decodeResponses(splitIntoOctets(latin1(text))).refusal).toEqual(refusal);
  });
});

describe('an upstream connection', () => {
  const OK = latin1('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');

  it('carries one response after another', () => {
    const decoder = new ResponseDecoder(LIMITS);
    expect(decoder.isComplete).toBe(true);
    for (let exchange = 0; exchange < 3; exchange += 1) {
      decoder.begin('GET');
      expect(decoder.isComplete).toBe(false);
      expect(decoder.next()).toBe('need-more');
      decoder.push(OK);
      expect([decoder.next(), decoder.next(), decoder.next()]).toEqual(['head', 'data', 'end']);
      expect(decoder.isComplete).toBe(true);
      expect(decoder.next()).toBe('need-more');
    }
    decoder.eof();
    expect(decoder.next()).toBe('need-more');
  });

  it('H1-80 forgets the 1xx of the request before', () => {
    const decoder = new ResponseDecoder(LIMITS);
    for (let exchange = 0; exchange < 3; exchange += 1) {
      decoder.begin('GET');
      for (let hint = 0; hint < 20; hint += 1) {
        decoder.push(latin1('HTTP/1.1 102 Processing\r\n\r\n'));
        expect(decoder.next()).toBe('head');
      }
      decoder.push(OK);
      expect([decoder.next(), decoder.next(), decoder.next()]).toEqual(['head', 'data', 'end']);
    }
  });

  it('H1-80 refuses octets that arrive while no request is outstanding', () => {
    const decoder = new ResponseDecoder(LIMITS);
    decoder.push(OK);
    expect(() => decoder.next()).toThrow(expect.objectContaining({ code: 'unexpected-response', status: 502 }));
  });

  it('H1-80 refuses to begin behind octets that arrived before the request', () => {
    const decoder = new ResponseDecoder(LIMITS);
    decoder.push(OK);
    expect(() => decoder.begin('GET')).toThrow(expect.objectContaining({ code: 'unexpected-response' }));
    expect(() => decoder.next()).toThrow(expect.objectContaining({ code: 'unexpected-response' }));
  });

  it('cannot begin inside a response', () => {
    const decoder = new ResponseDecoder(LIMITS);
    decoder.begin('GET');
    expect(() => decoder.begin('GET')).toThrow(TypeError);
  });

  it('delivers what was pushed before the connection ended', () => {
    const decoder = new ResponseDecoder(LIMITS);
    decoder.begin('GET');
    decoder.push(latin1('HTTP/1.1 200 OK\r\n\r\nab'));
    decoder.push(latin1('cd'));
    decoder.eof();
    expect(decoder.next()).toBe('head');
    expect([decoder.next(), decoder.data.toString()]).toEqual(['data', 'ab']);
    expect([decoder.next(), decoder.data.toString()]).toEqual(['data', 'cd']);
    expect([decoder.next(), decoder.next()]).toEqual(['end', 'need-more']);
    expect(decoder.isComplete).toBe(true);
  });

  it('streams a body that ends with the connection as it comes', () => {
    const decoder = new ResponseDecoder(LIMITS);
    decoder.begin('GET');
    decoder.push(latin1('HTTP/1.1 200 OK\r\n\r\n'));
    expect([decoder.next(), decoder.next()]).toEqual(['head', 'need-more']);
    const token = latin1('data: x\n\n');
    decoder.push(token);
    expect(decoder.next()).toBe('data');
    expect(decoder.data).toBe(token);
    expect(decoder.next()).toBe('need-more');
    expect([decoder.bufferedBytes, decoder.data.length]).toEqual([0, 0]);
  });

  it('carries nothing of one head over to the next', () => {
    const decoder = new ResponseDecoder(LIMITS);
    const decodeHead = (fields: string): ResponseHead => {
      decoder.begin('GET');
      decoder.push(latin1(`HTTP/1.0 200 OK\r\n${fields}Content-Length: 0\r\n\r\n`));
      expect([decoder.next(), decoder.next()]).toEqual(['head', 'end']);
      return decoder.head;
    };
    expect(decodeHead('Connection: close, x-a\r\n')).toMatchObject({ persistent: false });
    expect(decodeHead('Connection: keep-alive\r\nX-A: b\r\n')).toMatchObject({
      persistent: true,
      fields: ['x-a', 'b'],
    });
    expect(decodeHead('Connection: keep-alive, close\r\n')).toMatchObject({ persistent: false });
    expect(decodeHead('')).toMatchObject({ persistent: false });
  });

  it('has no head before the first', () => {
    expect(() => new ResponseDecoder(LIMITS).head).toThrow(TypeError);
  });
});
