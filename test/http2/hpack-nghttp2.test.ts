import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  performServerHandshake,
  type ServerHttp2Session,
  sensitiveHeaders,
} from 'node:http2';
import { type Duplex, duplexPair } from 'node:stream';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neverIndexedOf, type RawFields, withNeverIndexed } from '../../src/http2/endpoint-ports.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { HpackEncoder, maxBlockBytes } from '../../src/http2/hpack-encoder.ts';
import { FLAG, FRAME, frame, settings } from '../support/http2-frames.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEADER_TABLE_SIZE = 1;
const PRIORITY = 0x20;
const SENSITIVE = new Set(['authorization', 'cookie', 'x-api-key']);

const name = fc.oneof(
  fc.constantFrom('x-a', 'x-b', 'accept', 'user-agent', 'content-type', ...SENSITIVE),
  fc.stringMatching(/^x-[a-z0-9-]{1,20}$/),
);
// What nghttp2 takes for a value; what it does not take is for others to look at.
const value = fc.oneof(
  fc.constantFrom('', '200', 'application/grpc', 'a'.repeat(126), 'b'.repeat(127), 'c'.repeat(3000)),
  fc
    .array(fc.oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff })), { maxLength: 200 })
    .map((codes) => String.fromCharCode(...codes)),
);
const section = fc.uniqueArray(fc.tuple(name, value, fc.boolean()), { selector: ([name]) => name, maxLength: 10 });
const tableBytes = fc.constantFrom(0, 60, 200, 4096, 65_536);
const steps = fc
  .tuple(
    fc.array(section, { minLength: 1, maxLength: 4 }),
    fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.nat().map((pick) => ({ pick })) },
        { weight: 1, arbitrary: tableBytes.map((bytes) => ({ bytes })) },
      ),
      { maxLength: 30 },
    ),
  )
  .map(([sections, steps]) =>
    steps.map((step) => {
      if (!('pick' in step)) return step;
      const picked = sections[step.pick % sections.length] ?? [];
      return {
        fields: picked.flatMap(([name, value]) => [name, value]),
        marked: picked.flatMap(([name, , isMarked]) => (isMarked ? [name] : [])),
      };
    }),
  );

/** Our end of a connection, as far as fields go. */
class FieldEnd {
  readonly #socket: Duplex;
  readonly #encoder = new HpackEncoder();
  readonly #decoder: HpackDecoder;
  #unread: Buffer;
  #prefaceBytes: number;
  #acks = 0;
  readonly received: RawFields[] = [];

  constructor(socket: Duplex, tableBytes: number, role: 'client' | 'server') {
    this.#socket = socket;
    this.#decoder = new HpackDecoder({
      maxTableBytes: tableBytes,
      maxFieldSectionBytes: 1_000_000,
      maxFieldCount: 1000,
    });
    this.#unread = Buffer.alloc(0);
    this.#prefaceBytes = role === 'server' ? PREFACE.length : 0;
    if (role === 'client') socket.write(PREFACE);
    socket.write(settings([HEADER_TABLE_SIZE, tableBytes]));
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
  }

  send(streamId: number, fields: RawFields): void {
    const into = Buffer.alloc(maxBlockBytes(fields));
    const block = into.subarray(0, this.#encoder.encodeInto(fields, into, 0));
    this.#socket.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, streamId, block));
  }

  /** The other end knows the size of our table. */
  async ready(): Promise<void> {
    while (this.#acks === 0) await once(this.#socket, 'data');
  }

  async fields(): Promise<RawFields> {
    for (;;) {
      const fields = this.received.shift();
      if (fields !== undefined) return fields;
      await once(this.#socket, 'data');
    }
  }

  #onData(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    if (this.#unread.length < this.#prefaceBytes) return;
    this.#unread = this.#unread.subarray(this.#prefaceBytes);
    this.#prefaceBytes = 0;
    while (this.#unread.length >= 9 && this.#unread.length >= 9 + this.#unread.readUIntBE(0, 3)) {
      const end = 9 + this.#unread.readUIntBE(0, 3);
      this.#onFrame(this.#unread.readUInt8(3), this.#unread.readUInt8(4), this.#unread.subarray(9, end));
      this.#unread = this.#unread.subarray(end);
    }
  }

  #onFrame(type: number, flags: number, payload: Buffer): void {
    if (type === FRAME.settings && (flags & FLAG.ack) !== 0) this.#acks += 1;
    else if (type === FRAME.settings) {
      for (let at = 0; at < payload.length; at += 6)
        if (payload.readUInt16BE(at) === HEADER_TABLE_SIZE)
          this.#encoder.setMaxTableBytes(payload.readUInt32BE(at + 2));
      this.#socket.write(frame(FRAME.settings, FLAG.ack, 0));
    } else if (type === FRAME.headers) {
      expect(flags & FLAG.endHeaders).toBe(FLAG.endHeaders);
      const fields = this.#decoder.decode(payload.subarray((flags & PRIORITY) === 0 ? 0 : 5));
      if (fields === 'too-large') throw new Error('too large');
      this.received.push(fields);
    }
  }
}

/** Rejects when the connection fails, as it does for a block that nghttp2 cannot read. */
async function unlessBroken<T>(session: ServerHttp2Session | ClientHttp2Session, answer: Promise<T>): Promise<T> {
  const broken = Promise.withResolvers<never>();
  session.once('error', broken.reject);
  try {
    return await Promise.race([answer, broken.promise]);
  } finally {
    session.off('error', broken.reject);
  }
}

async function setTableBytes(session: ServerHttp2Session | ClientHttp2Session, bytes: number): Promise<void> {
  const acknowledged = Promise.withResolvers<void>();
  session.settings({ headerTableSize: bytes }, () => acknowledged.resolve());
  await unlessBroken(session, acknowledged.promise);
}

function sortedPairs(fields: RawFields): readonly string[] {
  return fields.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${fields[at + 1]}`] : [])).sort();
}

describe('nghttp2', () => {
  it('reads the requests that we write, whatever table it allows, and what is sensitive as such', async () => {
    await fc.assert(
      fc.asyncProperty(tableBytes, steps, async (headerTableSize, steps) => {
        const [ours, theirs] = duplexPair();
        const session = performServerHandshake(theirs, { settings: { headerTableSize } });
        try {
          const end = new FieldEnd(ours, 4096, 'client');
          await unlessBroken(session, end.ready());
          let streamId = 1;
          for (const step of steps) {
            if ('bytes' in step) {
              await setTableBytes(session, step.bytes);
              continue;
            }
            const fields = [':method', 'GET', ':scheme', 'http', ':path', '/a', ':authority', 'b', ...step.fields];
            const opened = Promise.withResolvers<{ raw: RawFields; sensitive: unknown }>();
            session.once('stream', (stream, headers, _flags, raw: readonly string[]) => {
              stream.on('error', () => undefined);
              opened.resolve({ raw: [...raw], sensitive: Reflect.get(headers, sensitiveHeaders) });
            });
            end.send(streamId, withNeverIndexed(fields, step.marked));
            streamId += 2;
            const { raw, sensitive } = await unlessBroken(session, opened.promise);
            expect(raw).toEqual([...fields]);
            const unkept = (name: string): boolean => SENSITIVE.has(name) || step.marked.includes(name);
            expect(sensitive).toEqual(fields.filter((name, at) => at % 2 === 0 && unkept(name)));
          }
        } finally {
          session.destroy();
          ours.destroy();
        }
      }),
      { numRuns: 100 },
    );
  });

  it('writes requests that we read, and reads our answers', async () => {
    await fc.assert(
      fc.asyncProperty(tableBytes, steps, async (ourTableBytes, steps) => {
        const [ours, theirs] = duplexPair();
        const end = new FieldEnd(ours, ourTableBytes, 'server');
        const session = connect('http://b', { createConnection: () => theirs });
        try {
          await unlessBroken(session, end.ready());
          let streamId = 1;
          for (const step of steps) {
            if ('bytes' in step) {
              await setTableBytes(session, step.bytes);
              continue;
            }
            const pairs = Object.fromEntries(
              step.fields.flatMap((name, at) => (at % 2 === 0 ? [[name, step.fields[at + 1]]] : [])),
            );
            const marked = { [sensitiveHeaders]: [...step.marked] };
            const stream = session.request(
              { ':path': '/a', ':authority': 'b', ...pairs, ...marked },
              { endStream: true },
            );
            stream.on('error', () => undefined);
            const answered = Promise.withResolvers<RawFields>();
            stream.once('response', (_headers, _flags, raw) => answered.resolve([...raw]));
            const request = [':method', 'GET', ':scheme', 'http', ':path', '/a', ':authority', 'b', ...step.fields];
            const received = await unlessBroken(session, end.fields());
            expect(sortedPairs(received)).toEqual(sortedPairs(request));
            // nghttp2 marks some credentials by itself.
            expect(
              neverIndexedOf(received)
                .filter((name) => !SENSITIVE.has(name))
                .sort(),
            ).toEqual(step.marked.filter((name) => !SENSITIVE.has(name)).sort());
            expect(neverIndexedOf(received)).toEqual(expect.arrayContaining([...step.marked]));
            const response = [':status', '200', ...step.fields];
            end.send(streamId, response);
            streamId += 2;
            expect(await unlessBroken(session, answered.promise)).toEqual(response);
          }
        } finally {
          session.destroy();
          ours.destroy();
        }
      }),
      { numRuns: 100 },
    );
  });
});
