// Random frames, good ones and bad ones, cut anywhere, to users who do anything at any time.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Http2Channel } from '../../src/http2/endpoint-ports.ts';
import { EndpointProbe, OK_BLOCK, POST_BLOCK, request } from '../support/endpoint-probe.ts';
import { RecordingUser, REQUEST } from '../support/http2-endpoint.ts';
import { CODE, FLAG, FRAME, frame, PREFACE, uint32 } from '../support/http2-frames.ts';

/** Frames that mean something, and some that do not. */
const STREAM_ID = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(1, 3, 5, 7) }, { weight: 1, arbitrary: fc.nat(40) });
const PAYLOAD = fc.oneof(
  fc.constant(POST_BLOCK),
  fc.constant(OK_BLOCK),
  fc.constant(Buffer.alloc(0)),
  fc.nat(2 ** 31).map(uint32),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
  fc.nat(20_000).map((length) => Buffer.alloc(length)),
);
const ANY_FRAME = fc
  .record({
    type: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(0, 0, 1, 1, 2, 3, 4, 6, 7, 8, 8, 9) },
      { weight: 1, arbitrary: fc.nat(255) },
    ),
    flags: fc.oneof(fc.constantFrom(0, 1, 4, 5, 5), fc.nat(255)),
    streamId: STREAM_ID,
    payload: PAYLOAD,
  })
  .map(({ type, flags, streamId, payload }) => frame(type, flags, [4, 6, 7].includes(type) ? 0 : streamId, payload));
const GOOD_FRAME = fc.oneof(
  STREAM_ID.map((streamId) => request(streamId | 1, 0)),
  STREAM_ID.map((streamId) => frame(FRAME.headers, FLAG.endHeaders, streamId | 1, OK_BLOCK)),
  fc
    .tuple(STREAM_ID, fc.nat(3_000), fc.nat(1))
    .map(([streamId, length, end]) => frame(FRAME.data, end, streamId | 1, Buffer.alloc(length))),
  fc
    .tuple(STREAM_ID, fc.integer({ min: 1, max: 99_999 }))
    .map(([streamId, by]) => frame(FRAME.windowUpdate, 0, streamId | 1, uint32(by))),
  fc.constant(frame(FRAME.ping, 0, 0, '12345678')),
  fc.nat(100_000).map((bytes) => frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(bytes)]))),
);
/** What a user may do whenever it is told anything. */
const WHIM = fc.constantFrom(
  'nothing',
  'nothing',
  'nothing',
  'reset',
  'pause',
  'resume',
  'answer',
  'flush',
  'close',
  'fail',
);

type Whim = 'nothing' | 'reset' | 'pause' | 'resume' | 'answer' | 'flush' | 'close' | 'fail';

/** An end whose users do something, mostly nothing, whenever they are told anything. */
class WhimsicalEnd {
  readonly probe: EndpointProbe;
  readonly #streams: { readonly user: RecordingUser; readonly channel: Http2Channel }[] = [];
  readonly #whims: readonly Whim[];
  #turn = 0;

  constructor(role: 'server' | 'client', whims: readonly Whim[]) {
    this.#whims = whims;
    this.probe = EndpointProbe.silent(role, { streamWindowBytes: 10_000 });
    const { owner } = this.probe;
    owner.onOpened = ({ user, channel }) => {
      this.#watch(user, channel);
      this.#act(channel);
    };
    owner.onTold = () => this.#act(this.#streams.at(-1)?.channel);
  }

  open(endsStream: boolean): void {
    const user = new RecordingUser();
    const channel = this.probe.endpoint.open(REQUEST, endsStream, user);
    if (channel !== null) this.#watch(user, channel);
  }

  /** The transport is gone, and everybody takes what is left. */
  close(): void {
    this.probe.flush().endpoint.disconnected();
    for (const { user, channel } of this.#streams) {
      user.onTold = () => undefined;
      channel.resume();
      expect(user.told.filter((word) => word === 'closed')).toHaveLength(1);
      expect(user.told.at(-1)).toBe('closed');
      expect(channel.isClosed).toBe(true);
    }
    expect(this.probe.endpoint.streamCount).toBe(0);
  }

  #watch(user: RecordingUser, channel: Http2Channel): void {
    this.#streams.push({ user, channel });
    user.onTold = () => this.#act(channel);
  }

  #act(channel: Http2Channel | undefined): void {
    const whim = this.#whims[this.#turn % this.#whims.length];
    this.#turn += 1;
    switch (whim) {
      case 'reset':
        channel?.reset(CODE.cancel);
        break;
      case 'pause':
        channel?.pause();
        break;
      case 'resume':
        channel?.resume();
        break;
      case 'answer':
        channel?.sendHeaders([':status', '200'], false);
        channel?.sendData(Buffer.alloc(20_000), null);
        channel?.sendEnd(['a', 'b']);
        break;
      case 'flush':
        this.probe.flush();
        break;
      case 'close':
        this.probe.endpoint.close();
        break;
      case 'fail':
        // Not at once, or little would be seen.
        if (this.#turn > 60) this.probe.endpoint.fail(CODE.enhanceYourCalm);
        break;
      case 'nothing':
      case undefined:
    }
  }
}

describe('chaos', () => {
  it.each(['server', 'client'] as const)('never makes a %s throw, and every stream comes to its end once', (role) => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 8, arbitrary: GOOD_FRAME }, { weight: 1, arbitrary: ANY_FRAME }), {
          maxLength: 60,
        }),
        fc.array(fc.nat(3_000), { minLength: 1, maxLength: 20 }),
        fc.array(WHIM, { minLength: 1, maxLength: 30 }),
        fc.option(fc.tuple(fc.nat(10_000), fc.nat(255))),
        (frames, cuts, whims, mutation) => {
          const bytes = Buffer.concat([
            Buffer.from(role === 'server' ? PREFACE : ''),
            frame(FRAME.settings, 0, 0),
            ...frames,
          ]);
          if (mutation !== null) bytes[mutation[0] % bytes.length] = mutation[1];
          const end = new WhimsicalEnd(role, whims);
          if (role === 'client') for (let at = 0; at < 4; at += 1) end.open(at % 2 === 0);
          end.probe.flush();
          let at = 0;
          for (let cut = 0; at < bytes.length; cut += 1) {
            const size = (cuts[cut % cuts.length] ?? 0) + 1;
            end.probe.endpoint.receive(Buffer.from(bytes.subarray(at, at + size)));
            at += size;
            if (cut % 3 === 0) end.probe.flush();
          }
          end.close();
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('never makes an end throw by octets that are no frames at all', () => {
    fc.assert(
      fc.property(fc.constantFrom('server', 'client'), fc.uint8Array({ maxLength: 400 }), (role, octets) => {
        const probe = EndpointProbe.greeted(role).send(Buffer.from(octets));
        probe.endpoint.disconnected();
        expect(probe.endpoint.streamCount).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });
});
