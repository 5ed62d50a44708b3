import { type AddressInfo, createServer } from 'node:net';
import * as fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { canonicalTarget, fieldName, fieldValue } from '../http1/generators.ts';
import { connectFrames, type FramePeer } from '../support/http2-frame-peer.ts';
import { FLAG, FRAME, frame, headerBlock } from '../support/http2-frames.ts';
import { OK, startProxy } from '../support/proxy-fixture.ts';

type Field = readonly [name: string, value: string];

/** Any octets, with a taste for what ends a line, a name or a value somewhere. */
const oddText = fc
  .array(
    fc.oneof(
      fc.constantFrom('\r', '\n', '\0', ':', ' ', '\t', ',', ';', '%', '/', '#', 'A', 'x'),
      fc.integer({ min: 0, max: 255 }).map((octet) => String.fromCharCode(octet)),
    ),
    {
      maxLength: 8,
    },
  )
  .map((characters) => characters.join(''));
const oddly = (usual: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(
    { arbitrary: usual, weight: 12 },
    { arbitrary: oddText, weight: 1 },
    { arbitrary: fc.tuple(usual, oddText).map(([one, other]) => one + other), weight: 1 },
  );

const field: fc.Arbitrary<Field> = fc.tuple(
  oddly(
    fc.oneof(
      { arbitrary: fieldName, weight: 6 },
      {
        arbitrary: fc.constantFrom(
          'host',
          'te',
          'connection',
          'content-length',
          'expect',
          'x-spiffe-id',
          'X-Upper',
          ':path',
          'upgrade',
          'trailer',
          'authorization',
          'x-forwarded-for',
        ),
        weight: 1,
      },
    ),
  ),
  oddly(fieldValue),
);

const requestFields: fc.Arbitrary<readonly Field[]> = fc
  .record({
    method: oddly(fc.constantFrom('GET', 'POST', 'DELETE')),
    scheme: oddly(fc.constant('https')),
    authority: oddly(fc.constantFrom('registry', 'Registry:443', '[::1]:5000')),
    path: oddly(canonicalTarget),
    fields: fc.array(field, { maxLength: 8 }),
  })
  .map(({ method, scheme, authority, path, fields }) => [
    [':method', method],
    [':scheme', scheme],
    [':authority', authority],
    [':path', path],
    ...fields,
  ]);

const OURS = /^(?:host|traceparent|tracestate|x-forwarded-.*|x-sallyport-.*|x-spiffe-id|via|transfer-encoding|cookie)$/;

function valueOf(fields: readonly Field[], name: string): string {
  return fields.find(([other]) => other === name)?.[1] ?? '';
}

it('H2-87 a request over HTTP/2 is refused or forwarded exactly as it was decided', async () => {
  let heads: string[] = [];
  // Whatever the method: none of the requests has a body.
  const upstream = createServer((socket) => {
    let unread = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      unread += bytes.toString('latin1');
      for (let end = unread.indexOf('\r\n\r\n'); end >= 0; end = unread.indexOf('\r\n\r\n')) {
        heads.push(unread.slice(0, end + 4));
        unread = unread.slice(end + 4);
        socket.write(OK);
      }
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void upstream.close());
  const proxy = await startProxy((upstream.address() as AddressInfo).port);
  onTestFinished(() => proxy.close());
  let peer: FramePeer | null = null;
  let streamId = -1;
  let forwarded = 0;
  await fc.assert(
    fc.asyncProperty(requestFields, async (fields) => {
      if (peer === null || peer.ended || streamId > 100) {
        peer?.socket.destroy();
        peer = await connectFrames(proxy);
        await peer.greet();
        streamId = -1;
      }
      streamId += 2;
      heads = [];
      const before = proxy.recorder.requests.length;
      const block = headerBlock(fields);
      const id = streamId;
      peer.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, id, block));
      const end = await peer.until(
        (each) =>
          each.type === FRAME.goaway ||
          (each.streamId === id && (each.type === FRAME.rstStream || (each.flags & FLAG.endStream) !== 0)),
      );
      if (end === undefined || end.type === FRAME.goaway) {
        // Of what was under way when the connection ended, the upstream may have heard or not.
        await peer.closed();
        return;
      }
      const records = proxy.recorder.requests.slice(before);
      const allowed = records.filter(({ decision }) => decision?.effect === 'allow');
      expect(heads).toHaveLength(allowed.length);
      const [head] = heads;
      const [record] = allowed;
      if (head === undefined || record === undefined) return;
      forwarded += 1;
      const [startLine, ...lines] = head.split('\r\n').slice(0, -2);
      const path = valueOf(fields, ':path');
      expect(startLine).toBe(`${valueOf(fields, ':method')} ${path} HTTP/1.1`);
      expect([record.method, record.path]).toEqual([valueOf(fields, ':method'), path.split('?')[0]]);
      expect(lines).toContain(`host: ${record.authority}`);
      expect(record.authority).toBe(valueOf(fields, ':authority').toLowerCase());
      const sent = fields.map(([name, value]) => `${name}: ${value}`);
      for (const line of lines) {
        const name = line.slice(0, line.indexOf(':'));
        if (OURS.test(name)) continue;
        const at = sent.indexOf(line);
        expect(at, line).toBeGreaterThanOrEqual(0);
        sent.splice(at, 1);
      }
      const crumbs = fields.filter(([name]) => name === 'cookie').map(([, value]) => value);
      const cookies = lines.filter((line) => line.startsWith('cookie: '));
      expect(cookies).toEqual(crumbs.length === 0 ? [] : [`cookie: ${crumbs.join('; ').replace(/ $/, '')}`]);
    }),
    { numRuns: 1_000 },
  );
  // It is no proof if nothing got through.
  expect(forwarded).toBeGreaterThan(150);
});
