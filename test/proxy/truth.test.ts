// Whatever the protocols on either side: the bytes that policy saw are the bytes that the upstream gets, and nothing a peer says of itself is.

import * as fc from 'fast-check';
import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectFrames, type FramePeer } from '../support/http2-frame-peer.ts';
import { FLAG, FRAME, frame } from '../support/http2-frames.ts';
import { type ProxyFixture, startProxy } from '../support/proxy-fixture.ts';

type Protocol = 'http/1.1' | 'http/2';
type Field = readonly [name: string, value: string];

/** As it is sent, and as the upstream's own parser has read it. */
interface Message {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly Field[];
  readonly body: string;
}

interface Setting {
  readonly proxy: ProxyFixture;
  readonly arrived: Message[];
  readonly close: () => Promise<void>;
}

const RUNS = 300;
const FORGED = 'forged';
const PROTOCOLS: readonly Protocol[] = ['http/1.1', 'http/2'];
const EVERYTHING = `
version: 1
trustDomain: ai.example
components:
  training: {}
  registry: {}
access:
  training: { allow: [registry] }
`;

/** Fields that are nobody's but the application's, in every spelling of a value. */
const OWN_NAMES = ['x-a', 'accept', 'x-model-name', 'user-agent', 'x-b_c', 'x.d'];
/** What the upstream believes of Sallyport alone. */
const IDENTITY_NAMES = [
  'x-spiffe-id',
  'x_spiffe_id',
  'x.spiffe.id',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-envoy-original-path',
  'x-sallyport-decision-id',
  'x-original-url',
  'x-http-method-override',
  'forwarded',
  'l5d-client-id',
];

const segment = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[A-Za-z0-9_~.:@!$&'()*+,=-]{1,8}$/) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('..', '.', '%2e%2e', '%2F', '%41', '%00', '%zz', ';a=b', '', '\\', ' ', '#', '\u00e9'),
  },
);
const target = fc
  .record({
    segments: fc.array(segment, { maxLength: 4 }),
    query: fc.option(fc.stringMatching(/^[A-Za-z0-9=&%?/#" -]{0,12}$/), { freq: 2 }),
  })
  .map(({ segments, query }) => `/${segments.join('/')}${query === null ? '' : `?${query}`}`);
const plainValue = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[!-~]{1,12}$/) },
  { weight: 1, arbitrary: fc.stringMatching(/^[!-~][ -~\u0080-\u00ff]{0,10}[!-~]$/) },
);
/** In HTTP/1.1 they end the line, and what follows is a line of its own. */
const lineEnds = fc.constantFrom('a\r\nx-spiffe-id: forged', 'a\nb', 'a\0b', 'a\rb');
const plainMethod = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'GeT') },
  { weight: 1, arbitrary: fc.constantFrom('CONNECT', 'TRACE', 'G T', '') },
);
const lineMethod = fc.constant('GET /other HTTP/1.1\r\nhost: x\r\n\r\nGET');

function messages(protocol: Protocol): fc.Arbitrary<Message> {
  const breaks = protocol === 'http/2';
  const value = breaks
    ? fc.oneof({ weight: 9, arbitrary: plainValue }, { weight: 1, arbitrary: lineEnds })
    : plainValue;
  const field: fc.Arbitrary<Field> = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...OWN_NAMES), value) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...IDENTITY_NAMES), fc.constant(FORGED)) },
  );
  return fc.record({
    method: breaks
      ? fc.oneof({ weight: 15, arbitrary: plainMethod }, { weight: 1, arbitrary: lineMethod })
      : plainMethod,
    target,
    fields: fc.array(field, { maxLength: 5 }),
    body: fc.oneof(fc.constant(''), fc.string({ maxLength: 2_000 })),
  });
}

/** Of HTTP/2 the codec below us throws them away before anybody sees them (nghttp2, RFC 9113 §8.2.1). */
function isCarried([, text]: Field): boolean {
  return !/[\r\n\0]/.test(text);
}

async function startSetting(upstream: Protocol): Promise<Setting> {
  const arrived: Message[] = [];
  const answer = (request: IncomingMessage | Http2ServerRequest, response: { end(): unknown }): void => {
    const pieces: Buffer[] = [];
    request.on('data', (bytes: Buffer) => pieces.push(bytes));
    request.on('end', () => {
      const fields: Field[] = [];
      for (let at = 0; at < request.rawHeaders.length; at += 2) {
        fields.push([request.rawHeaders[at] ?? '', request.rawHeaders[at + 1] ?? '']);
      }
      const body = Buffer.concat(pieces).toString('latin1');
      arrived.push({ method: request.method ?? '', target: request.url ?? '', fields, body });
      response.end();
    });
  };
  const server =
    upstream === 'http/1.1'
      ? createHttp1Server((request: IncomingMessage, response: ServerResponse) => answer(request, response))
      : createHttp2Server((request, response) => answer(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy(port, { policy: EVERYTHING, ...(upstream === 'http/2' ? { speaks: upstream } : {}) });
  return {
    proxy,
    arrived,
    close: async () => {
      await proxy.close();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

/** Resolves when the proxy has answered, or has ended what would have been answered. */
type Send = (sent: Message) => Promise<void>;

function sendHttp1(proxy: ProxyFixture): Send {
  const svid = proxy.authority.issue('/training/job');
  return async ({ method, target: path, fields, body }) => {
    const peer = await proxy.connect(svid);
    const lines = fields.map(([name, text]) => `${name}: ${text}\r\n`).join('');
    const length = body === '' ? '' : `content-length: ${Buffer.byteLength(body, 'latin1')}\r\n`;
    peer.send(`${method} ${path} HTTP/1.1\r\nhost: registry\r\n${lines}${length}connection: close\r\n\r\n${body}`);
    await peer.closed();
    peer.socket.destroy();
  };
}

function sendHttp2(proxy: ProxyFixture): Send {
  let peer: FramePeer | null = null;
  let streamId = 1;
  return async ({ method, target: path, fields, body }) => {
    // Streams that are refused count against what one connection may break.
    if (peer === null || peer.ended || streamId > 100) {
      peer?.socket.destroy();
      peer = await connectFrames(proxy);
      await peer.greet();
      streamId = 1;
    }
    const pseudo: readonly Field[] = [
      [':method', method],
      [':scheme', 'https'],
      [':authority', 'registry'],
      [':path', path],
    ];
    peer.headers(streamId, [...pseudo, ...fields], body === '' ? FLAG.endStream : 0);
    if (body !== '') peer.send(frame(FRAME.data, FLAG.endStream, streamId, body));
    const id = streamId;
    await peer.until((each) => each.streamId === id && (each.type === FRAME.headers || each.type === FRAME.rstStream));
    streamId += 2;
  };
}

describe.each(PROTOCOLS)('an upstream that speaks %s', (upstream) => {
  let setting: Setting;
  beforeAll(async () => {
    setting = await startSetting(upstream);
  });
  afterAll(() => setting.close());

  it.each(PROTOCOLS)(
    'gets of a peer that speaks %s the bytes that policy saw, and no word of the peer about itself',
    async (downstream) => {
      const { proxy, arrived } = setting;
      const send = downstream === 'http/1.1' ? sendHttp1(proxy) : sendHttp2(proxy);
      const counts = { accepted: 0, refused: 0 };
      await fc.assert(
        fc.asyncProperty(messages(downstream), async (sent) => {
          const [askedBefore, arrivedBefore] = [proxy.asked.length, arrived.length];
          await send(sent);
          const got = arrived.slice(arrivedBefore);
          const questions = proxy.asked.slice(askedBefore);
          if (got.length === 0) {
            counts.refused += 1;
            return;
          }
          counts.accepted += 1;
          expect(got).toHaveLength(1);
          expect(questions).toHaveLength(1);
          const [one] = got;
          const [question] = questions;
          const decided = question?.query === null ? question.path : `${question?.path}?${question?.query}`;
          expect({ method: question?.method, target: decided }).toEqual({ method: one?.method, target: one?.target });
          const { method, target: path, body } = sent;
          expect(one).toMatchObject({ method, target: path, body: Buffer.from(body, 'latin1').toString('latin1') });
          const isOwn = ([name]: Field): boolean => OWN_NAMES.includes(name);
          expect(one?.fields.filter(isOwn)).toEqual(sent.fields.filter((each) => isOwn(each) && isCarried(each)));
          expect(JSON.stringify(one?.fields)).not.toContain(FORGED);
          expect(one?.fields.filter(([name]) => name === 'x-spiffe-id')).toEqual([
            ['x-spiffe-id', 'spiffe://ai.example/training/job'],
          ]);
        }),
        { numRuns: RUNS },
      );
      expect(counts.accepted).toBeGreaterThan(RUNS / 5);
      expect(counts.refused).toBeGreaterThan(RUNS / 10);
    },
    120_000,
  );
});
