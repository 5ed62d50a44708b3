// A connection over HTTP/2 with a number of streams at a time, each of which asks and counts answers. Written on frames, since a
// client that costs as much as a proxy would be what is measured.

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Asker, OnAnswer } from './asker.ts';
import { dial, fail } from './dial.ts';
import type { Http2Asks, LoadPlan, Target } from './plan.ts';
import {
  aim,
  contentOf,
  FLAG,
  FRAME,
  frame,
  type FrameKind,
  FrameReader,
  INITIAL_WINDOW,
  LARGEST_WINDOW,
  PREFACE,
  ReceiveWindow,
  readSettings,
  SETTING,
  settings,
} from './http2-frames.ts';
import { DEFAULT_TABLE_BYTES, encodeRepeated, type Fields } from './http2-heads.ts';

const NOTHING = Buffer.alloc(0);

export class Http2Session {
  readonly #asks: Http2Asks;
  readonly #target: Target;
  readonly #socket: Socket;
  readonly finish: () => void;
  readonly #onAnswer: OnAnswer;
  readonly #onReady: () => void;
  readonly #frames = new FrameReader((kind, payload) => this.#take(kind, payload));
  readonly #window = new ReceiveWindow();
  readonly #message: Buffer;
  readonly #answer: Buffer;
  readonly #underWay = new Map<number, Http2Stream>();
  #next: Buffer = NOTHING;
  #first: Buffer | null = null;
  #nextStream = 1;
  /** What the other end still takes of messages, on all streams together. */
  #credit = INITIAL_WINDOW;
  #isReading = false;
  #pending: Buffer[] = [];

  private constructor(
    plan: LoadPlan & { readonly asks: Http2Asks },
    secureContext: SecureContext | null,
    on: { readonly ready: () => void; readonly answer: OnAnswer },
  ) {
    this.#asks = plan.asks;
    this.#target = plan.target;
    this.#message = Buffer.from(plan.asks.message ?? '', 'base64');
    this.#answer = Buffer.from(plan.asks.answer, 'base64');
    this.#onAnswer = on.answer;
    this.#onReady = on.ready;
    const { socket, finish } = dial(plan, secureContext, {
      open: () => {
        const wanted = settings([
          [SETTING.enablePush, 0],
          [SETTING.initialWindowSize, LARGEST_WINDOW],
        ]);
        socket.write(Buffer.concat([PREFACE, wanted, ReceiveWindow.OPENING]));
      },
      read: (bytes) => this.#read(bytes),
    });
    this.#socket = socket;
    this.finish = finish;
  }

  /** Once the other end has said what it takes. */
  static open(
    plan: LoadPlan & { readonly asks: Http2Asks },
    secureContext: SecureContext | null,
    answer: OnAnswer,
  ): Promise<readonly Asker[]> {
    return new Promise((resolve) => {
      const session = new Http2Session(plan, secureContext, {
        answer,
        ready: () =>
          resolve(
            Array.from(
              { length: plan.asks.streams },
              () =>
                new Http2Stream(
                  (stream) => session.#ask(stream),
                  () => session.finish(),
                ),
            ),
          ),
      });
    });
  }

  #ask(stream: Http2Stream): void {
    const id = this.#nextStream;
    this.#nextStream += 2;
    this.#underWay.set(id, stream);
    this.#credit -= this.#message.length;
    // A few small messages on a window of 64 KiB.
    if (this.#credit < 0) fail('the other end does not take what is sent');
    const first = this.#first;
    this.#first = null;
    this.#write(aim(first ?? this.#next, id));
  }

  /** What one read brings about is written at once. */
  #write(bytes: Buffer): void {
    if (this.#isReading) this.#pending.push(bytes);
    else this.#socket.write(bytes);
  }

  #read(bytes: Buffer): void {
    this.#isReading = true;
    this.#frames.read(bytes);
    this.#isReading = false;
    if (this.#pending.length === 0) return;
    const written = this.#pending;
    this.#pending = [];
    this.#socket.write(written.length === 1 ? (written[0] ?? NOTHING) : Buffer.concat(written));
  }

  #take(kind: FrameKind, payload: Buffer): void {
    switch (kind.type) {
      case FRAME.data: {
        const update = this.#window.take(payload.length);
        if (update !== null) this.#write(update);
        const content = contentOf(kind, payload);
        this.#underWay.get(kind.stream)?.take(content, this.#answer);
        if ((kind.flags & FLAG.endStream) !== 0) this.#answered(kind.stream);
        return;
      }
      case FRAME.headers:
        if ((kind.flags & FLAG.endStream) !== 0) this.#answered(kind.stream);
        return;
      case FRAME.resetStream:
        // After a whole answer it says no more than that nobody reads on.
        if (this.#underWay.has(kind.stream)) fail(`a stream was reset with ${payload.readUInt32BE()}`);
        return;
      case FRAME.settings:
        if ((kind.flags & FLAG.acknowledged) === 0) this.#takeSettings(payload);
        return;
      case FRAME.ping:
        if ((kind.flags & FLAG.acknowledged) === 0) this.#write(frame({ ...kind, flags: FLAG.acknowledged }, payload));
        return;
      case FRAME.goAway:
        return fail(`the connection was ended with ${payload.readUInt32BE(4)}`);
      case FRAME.windowUpdate:
        if (kind.stream === 0) this.#credit += payload.readUInt32BE();
        return;
      default:
    }
  }

  #takeSettings(payload: Buffer): void {
    this.#write(frame({ type: FRAME.settings, flags: FLAG.acknowledged, stream: 0 }, NOTHING));
    // Only the first ones: those of peers of the bench do not change.
    if (this.#next.length > 0) return;
    const size = readSettings(payload).find(([setting]) => setting === SETTING.headerTableSize)?.[1];
    const { first, next } = encodeRepeated(fieldsOf(this.#asks, this.#target), size ?? DEFAULT_TABLE_BYTES);
    this.#first = this.#framesOf(first);
    this.#next = this.#framesOf(next);
    this.#onReady();
  }

  #framesOf(head: Buffer): Buffer {
    const hasMessage = this.#asks.message !== null;
    const flags = FLAG.endHeaders | (hasMessage ? 0 : FLAG.endStream);
    const headers = frame({ type: FRAME.headers, flags, stream: 0 }, head);
    if (!hasMessage) return headers;
    return Buffer.concat([headers, frame({ type: FRAME.data, flags: FLAG.endStream, stream: 0 }, this.#message)]);
  }

  #answered(id: number): void {
    const stream = this.#underWay.get(id);
    if (stream === undefined) return;
    this.#underWay.delete(id);
    stream.end(this.#answer);
    this.#onAnswer(stream);
  }
}

/** What an answer is: it begins with the bytes it has to. No head is decompressed; who is refused does not get these bytes. */
class Http2Stream implements Asker {
  intendedNs = 0;
  bytes = 0;
  readonly finish: () => void;
  readonly #ask: (stream: Http2Stream) => void;
  #received = 0;

  constructor(ask: (stream: Http2Stream) => void, finish: () => void) {
    this.#ask = ask;
    this.finish = finish;
  }

  ask(): void {
    this.#received = 0;
    this.#ask(this);
  }

  take(content: Buffer, expected: Buffer): void {
    const compared = Math.min(content.length, Math.max(0, expected.length - this.#received));
    if (compared > 0 && content.compare(expected, this.#received, this.#received + compared, 0, compared) !== 0)
      fail(`answered ${content.toString('latin1', 0, 80)}`);
    this.#received += content.length;
    this.bytes += content.length;
  }

  end(expected: Buffer): void {
    if (this.#received < expected.length) fail(`answered ${this.#received} bytes, which is no answer`);
  }
}

function fieldsOf({ message, path }: Http2Asks, target: Target): Fields {
  const asking: Fields = [
    [':method', message === null ? 'GET' : 'POST'],
    [':scheme', target.kind === 'mtls' ? 'https' : 'http'],
    [':path', path],
    [':authority', 'localhost'],
    ['user-agent', 'bench'],
  ];
  if (message === null) {
    return [...asking, ['accept', '*/*'], ['accept-encoding', 'gzip'], ['x-request-id', '0123456789abcdef']];
  }
  return [...asking, ['content-type', 'application/grpc'], ['te', 'trailers'], ['grpc-accept-encoding', 'identity']];
}
