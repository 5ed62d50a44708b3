import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { OK, type ProxyFixture, ScriptedUpstream, startProxy } from '../support/proxy-fixture.ts';
import type { TestSvid } from '../support/svid-fixtures.ts';

const REQUESTS = [
  'GET /a/b?c=d HTTP/1.1\r\nhost: registry\r\naccept: */*\r\n\r\n',
  'PUT /a HTTP/1.1\r\nhost: registry\r\ncontent-length: 5\r\n\r\nhello',
  'POST /a HTTP/1.1\r\nhost: registry\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'PUT /a HTTP/1.1\r\nhost: registry\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nok',
  'GET /a HTTP/1.1\r\nhost: registry\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  'GET /a HTTP/1.0\r\nhost: registry\r\n\r\n',
  'GET /a HTTP/1.1\r\nhost: registry\r\n\r\nHEAD /b HTTP/1.1\r\nhost: registry\r\n\r\nDELETE /c HTTP/1.1\r\nhost: registry\r\n\r\n',
];
const RESPONSES = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-trailer: yes\r\n\r\n',
  'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n',
  'HTTP/1.0 500 Oh dear\r\nset-cookie: a=b\r\nset-cookie: c=d\r\ncontent-length: 0\r\n\r\n',
];
const OCTETS = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '9',
  'f',
  'A',
  '\u007f',
  '\u0080',
  '\u00ff',
  '%',
  '/',
];

/** One of the messages with a few octets inserted, replaced or removed, cut into pieces. */
const altered = (messages: readonly string[]): fc.Arbitrary<string[]> =>
  fc
    .tuple(
      fc.constantFrom(...messages),
      fc.array(
        fc.record({
          at: fc.nat(200),
          removed: fc.nat(3),
          inserted: fc.option(fc.constantFrom(...OCTETS), { nil: '' }),
        }),
        { maxLength: 4 },
      ),
      fc.array(fc.nat(200), { maxLength: 3 }),
    )
    .map(([message, edits, cuts]) => {
      let text = message;
      for (const { at, removed, inserted } of edits) {
        const from = at % (text.length + 1);
        text = text.slice(0, from) + inserted + text.slice(from + removed);
      }
      const ends = [...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
      return ends.map((end, piece) => text.slice(ends[piece - 1] ?? 0, end)).filter((piece) => piece !== '');
    });

let answer: readonly string[] = [OK];
let upstream: ScriptedUpstream;
let proxy: ProxyFixture;
let svid: TestSvid;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start((_head, socket) => {
    for (const piece of answer) socket.write(piece, 'latin1');
    if (answer[0] !== OK) socket.end();
  });
  proxy = await startProxy(upstream.port, { pool: { failuresToEject: 1_000_000 } });
  svid = proxy.authority.issue('/training/job');
});

afterAll(async () => {
  await proxy.close();
  upstream.close();
});

async function expectService(): Promise<void> {
  answer = [OK];
  const peer = await proxy.connect(svid);
  peer.request('GET', '/alive');
  expect(await peer.response()).toMatchObject({ status: 200, body: 'ok' });
  peer.socket.end();
}

it('answers or ends whatever an upstream says, and records it once', async () => {
  await fc.assert(
    fc.asyncProperty(altered(RESPONSES), async (pieces) => {
      const before = proxy.recorder.requests.length;
      answer = pieces;
      const peer = await proxy.connect(svid);
      peer.request('GET', '/x');
      const received = await peer.until((text) => text !== '');
      expect(received === '' || received.startsWith('HTTP/1.1 ')).toBe(true);
      peer.socket.destroy();
      await proxy.untilClosed();
      expect(proxy.recorder.requests).toHaveLength(before + 1);
      await expectService();
      await proxy.untilClosed();
    }),
    { numRuns: 200 },
  );
});

it('answers or ends whatever a peer says, and forwards nothing that it did not record', async () => {
  await fc.assert(
    fc.asyncProperty(altered(REQUESTS), async (pieces) => {
      const before = proxy.recorder.requests.length;
      const seen = upstream.received.length;
      answer = [OK];
      const peer = await proxy.connect(svid);
      for (const piece of pieces) {
        peer.send(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const received = await Promise.race([
        peer.until((text) => text !== ''),
        new Promise<string>((resolve) => setTimeout(() => resolve(''), 20)),
      ]);
      expect(received === '' || received.startsWith('HTTP/1.1 ')).toBe(true);
      peer.socket.destroy();
      await proxy.untilClosed();
      const forwarded = upstream.received.slice(seen).match(/ HTTP\/1\.1\r\nhost: /g)?.length ?? 0;
      const recorded = proxy.recorder.requests.slice(before).filter(({ decision }) => decision !== null).length;
      expect(forwarded).toBeLessThanOrEqual(recorded);
      await expectService();
      await proxy.untilClosed();
    }),
    { numRuns: 200 },
  );
});
