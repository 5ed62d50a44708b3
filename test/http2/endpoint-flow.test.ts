// Windows, queues and what they may cost: what is sent arrives whole and in order, and never more than there is room for.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Http2Endpoint } from '../../src/http2/endpoint.ts';
import type { Http2Channel } from '../../src/http2/endpoint-ports.ts';
import { EndpointProbe, request } from '../support/endpoint-probe.ts';
import { EndpointPair, RecordingUser, REQUEST, RESPONSE, TRAILERS } from '../support/http2-endpoint.ts';
import { CODE, FLAG, FRAME, frame, framesOf, uint32 } from '../support/http2-frames.ts';

function initialWindow(bytes: number): Buffer {
  return frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(bytes)]));
}

function octets(length: number, seed = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, at) => at * 7 + seed + (at >> 8)));
}

/** A server that has been asked on `streamIds`, and has sent its heads. */
function asked(...streamIds: readonly number[]): { probe: EndpointProbe; channels: readonly Http2Channel[] } {
  const probe = EndpointProbe.greeted('server').send(...streamIds.map((streamId) => request(streamId)));
  const channels = probe.owner.opened.map(({ channel }) => channel);
  for (const channel of channels) channel.sendHeaders(RESPONSE, false);
  probe.flush();
  return { probe, channels };
}

function asksOne(): { probe: EndpointProbe; channel: Http2Channel; user: RecordingUser } {
  const { probe, channels } = asked(1);
  const [opened] = probe.owner.opened;
  const [channel] = channels;
  if (opened === undefined || channel === undefined) throw new Error('not asked');
  return { probe, channel, user: opened.user };
}

describe('sending', () => {
  it('RFC 9113 §6.9 keeps to the window of a stream and to that of the connection', () => {
    const { probe, channels } = asked(1, 3);
    for (const channel of channels) channel.sendData(octets(60_000, channel.id), null);
    probe.flush();
    expect(probe.dataOf(1).length + probe.dataOf(3).length).toBe(65_535);
    probe.send(frame(FRAME.windowUpdate, 0, 0, uint32(100_000)));
    expect(probe.dataOf(1).equals(octets(60_000, 1))).toBe(true);
    expect(probe.dataOf(3).equals(octets(60_000, 3))).toBe(true);
    channels[0]?.sendData(octets(10_000), null);
    probe.flush();
    expect(probe.dataOf(1)).toHaveLength(65_535);
    expect(channels[0]?.unsentBytes).toBe(4_465);
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(4_464)));
    expect(channels[0]?.unsentBytes).toBe(1);
  });

  it('RFC 9113 §6.9.2 lets a window be negative, and sends again when it is not', () => {
    const { probe, channel } = asksOne();
    channel.sendData(octets(50_000), null);
    probe.flush().send(initialWindow(10_000));
    channel.sendData(octets(10), null);
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(40_000)));
    expect(probe.dataOf(1)).toHaveLength(50_000);
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(4)));
    expect(probe.dataOf(1)).toHaveLength(50_004);
    probe.send(initialWindow(10_001));
    expect(probe.dataOf(1)).toHaveLength(50_005);
  });

  it('gives each stream a frame in turn', () => {
    const { probe, channels } = asked(1, 3, 5);
    probe.send(frame(FRAME.windowUpdate, 0, 0, uint32(1_000_000)));
    for (const channel of channels) channel.sendData(octets(40_000), null);
    probe.flush();
    const order = probe.of(FRAME.data).map(({ streamId }) => streamId);
    expect(order).toEqual([1, 3, 5, 1, 3, 5, 1, 3, 5]);
    expect(Math.max(...probe.of(FRAME.data).map(({ payload }) => payload.length))).toBe(16_384);
  });

  it('gives what is left of the window of the connection to each stream in turn', () => {
    const { probe, channels } = asked(1, 3);
    for (const channel of channels) channel.sendData(octets(60_000), null);
    probe.flush();
    probe.frames.length = 0;
    for (let at = 0; at < 4; at += 1) probe.send(frame(FRAME.windowUpdate, 0, 0, uint32(10)));
    const order = probe.of(FRAME.data).map(({ streamId }) => streamId);
    expect(order.filter((streamId) => streamId === 1)).toHaveLength(2);
    expect(order.filter((streamId) => streamId === 3)).toHaveLength(2);
  });

  it('does not let new data overtake what waits for the window of the connection', () => {
    const { probe, channels } = asked(1, 3);
    channels[0]?.sendData(octets(65_535), null);
    probe.flush();
    channels[1]?.sendData(octets(20_000, 3), null);
    probe.flush().frames.length = 0;
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(10)));
    probe.endpoint.receive(frame(FRAME.windowUpdate, 0, 0, uint32(10)));
    channels[0]?.sendData(octets(10), null);
    probe.flush();
    expect(probe.of(FRAME.data).map(({ streamId }) => streamId)).toEqual([3]);
  });

  it('lets no trailers overtake data, and needs no window for them', () => {
    const { probe, channel, user } = asksOne();
    channel.sendData(octets(65_536), null);
    channel.sendEnd(TRAILERS);
    probe.flush();
    expect(probe.of(FRAME.headers)).toHaveLength(1);
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(1)), frame(FRAME.windowUpdate, 0, 0, uint32(1)));
    expect(probe.frames.at(-1)).toMatchObject({ type: FRAME.headers, flags: FLAG.endHeaders | FLAG.endStream });
    expect(user.told).toEqual(['ended', 'sent', 'closed']);
  });

  it('sends heads of some streams while others wait for the window of the connection', () => {
    const { probe, channels } = asked(1, 3);
    channels[0]?.sendData(octets(70_000), null);
    channels[1]?.sendData(octets(1), null);
    probe.flush();
    channels[1]?.reset(CODE.cancel);
    probe.send(request(5));
    probe.owner.opened.at(-1)?.channel.sendHeaders(RESPONSE, true);
    probe.flush();
    expect(probe.frames.at(-1)).toMatchObject({ type: FRAME.headers, streamId: 5 });
  });

  it('splits fields that are larger than a frame', () => {
    const pair = new EndpointPair({ client: { maxFieldSectionBytes: 100_000 } });
    const large = [...RESPONSE, 'x-large', 'x'.repeat(40_000)];
    pair.serverOwner.onOpened = ({ channel }) => {
      channel.sendHeaders(large, false);
      channel.sendEnd([]);
      channel.resume();
    };
    const user = new RecordingUser();
    pair.client.open(REQUEST, true, user);
    pair.settle();
    expect(user.head).toEqual(large);
    expect(user.told).toEqual(['sent', 'headers', 'ended', 'closed']);
  });

  it('is congested above 64 KiB, and says once when it no longer is', () => {
    const { probe, channel, user } = asksOne();
    channel.sendData(octets(65_535), null);
    probe.flush();
    channel.sendData(octets(65_536), null);
    expect(channel.isCongested).toBe(false);
    channel.sendData(octets(1), null);
    expect(channel.isCongested).toBe(true);
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(60_000)), frame(FRAME.windowUpdate, 0, 0, uint32(60_000)));
    expect([channel.isCongested, user.told]).toEqual([false, ['ended', 'drained']]);
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(60_000)), frame(FRAME.windowUpdate, 0, 0, uint32(60_000)));
    expect(user.told).toEqual(['ended', 'drained']);
  });

  it('sends data octet by octet in few frames when it has waited, without memory for each', () => {
    const { probe, channel } = asksOne();
    channel.sendData(octets(65_535), null);
    probe.flush();
    const all = octets(20_000);
    for (const octet of all) channel.sendData(Buffer.of(octet), null);
    probe.frames.length = 0;
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(60_000)), frame(FRAME.windowUpdate, 0, 0, uint32(60_000)));
    expect(probe.dataOf(1).equals(all)).toBe(true);
    expect(probe.of(FRAME.data).length).toBeLessThan(10);
  });

  it('writes what it gathers in a turn as one piece', () => {
    const { probe, channel } = asksOne();
    channel.sendData(octets(1_000), null);
    channel.sendData(octets(1_000), null);
    channel.sendEnd(TRAILERS);
    probe.endpoint.ping();
    const pieces: Buffer[] = [];
    probe.endpoint.flush({ write: (bytes) => pieces.push(bytes) > 0 });
    expect(pieces).toHaveLength(1);
  });

  it('never writes over what it has written', () => {
    const { probe, channel } = asksOne();
    const pieces: Buffer[] = [];
    const copies: Buffer[] = [];
    for (let at = 0; at < 100; at += 1) {
      channel.sendData(octets(500, at), null);
      probe.endpoint.flush({
        write: (bytes) => {
          pieces.push(bytes);
          copies.push(Buffer.from(bytes));
          return true;
        },
      });
    }
    expect(Buffer.concat(pieces).equals(Buffer.concat(copies))).toBe(true);
  });
});

describe('lent octets', () => {
  interface Loan {
    held: number;
    released: number;
    hold: () => () => void;
  }

  function lender(): Loan {
    const loan = {
      held: 0,
      released: 0,
      hold: () => {
        loan.held += 1;
        return () => {
          loan.released += 1;
        };
      },
    };
    return loan;
  }

  it('are copied when they are few, and held until the last of them is written when they are not', () => {
    const { probe, channel } = asksOne();
    const loan = lender();
    const few = octets(1_000);
    channel.sendData(few, loan);
    few.fill(0);
    expect(loan.held).toBe(0);
    const written: (() => void)[] = [];
    const pieces: Buffer[] = [];
    const many = octets(40_000);
    channel.sendData(many, loan);
    probe.endpoint.flush({
      write: (bytes, done) => {
        pieces.push(bytes);
        if (done !== null) written.push(done);
        return true;
      },
    });
    expect([loan.held, loan.released, written.length]).toEqual([1, 0, 3]);
    expect(pieces.some(({ buffer }) => buffer === many.buffer)).toBe(true);
    expect(Buffer.concat(pieces).subarray(9, 1_009).equals(octets(1_000))).toBe(true);
    for (const done of written) {
      expect(loan.released).toBe(0);
      done();
    }
    expect(loan.released).toBe(1);
  });

  it('are copied when there is no room for them', () => {
    const { probe, channel } = asksOne();
    channel.sendData(octets(65_535), null);
    probe.flush();
    const loan = lender();
    const few = octets(1_000);
    channel.sendData(few, loan);
    few.fill(0);
    probe.frames.length = 0;
    probe.send(frame(FRAME.windowUpdate, 0, 1, uint32(60_000)), frame(FRAME.windowUpdate, 0, 0, uint32(60_000)));
    expect([probe.dataOf(1).equals(octets(1_000)), loan.held]).toEqual([true, 0]);
  });

  it.each(['reset', 'peer reset', 'disconnected'])('are let go of, but not before they are written, on %s', (end) => {
    const { probe, channel } = asksOne();
    const loan = lender();
    channel.sendData(octets(100_000), loan);
    channel.sendData(octets(50_000), loan);
    const written: (() => void)[] = [];
    probe.endpoint.flush({
      write: (_, done) => {
        if (done !== null) written.push(done);
        return true;
      },
    });
    if (end === 'reset') channel.reset(CODE.cancel);
    else if (end === 'peer reset') probe.send(frame(FRAME.rstStream, 0, 1, uint32(CODE.cancel)));
    else probe.endpoint.disconnected();
    expect([loan.held, loan.released]).toEqual([2, 1]);
    for (const done of written) done();
    expect(loan.released).toBe(2);
  });

  it('are let go of when the connection is gone before they were handed over', () => {
    const { probe, channels } = asked(1, 3);
    const loan = lender();
    channels[0]?.sendData(octets(20_000), loan);
    const blocked = { write: () => false };
    probe.endpoint.flush(blocked);
    channels[1]?.sendData(octets(20_000), loan);
    probe.endpoint.flush(blocked);
    probe.endpoint.disconnected();
    expect(loan.held).toBe(2);
    expect(loan.released).toBeGreaterThanOrEqual(1);
  });
});

describe('an output that takes no more', () => {
  function blocked(): { probe: EndpointProbe; channel: Http2Channel; pieces: Buffer[]; flush: () => void } {
    const { probe, channel } = asksOne();
    const pieces: Buffer[] = [];
    const flush = (): void =>
      probe.endpoint.flush({
        write: (bytes) => {
          pieces.push(Buffer.from(bytes));
          return false;
        },
      });
    probe.endpoint.ping();
    flush();
    pieces.length = 0;
    return { probe, channel, pieces, flush };
  }

  it('is given answers to control frames alone until it has drained', () => {
    const { probe, channel, pieces, flush } = blocked();
    channel.sendData(octets(100), null);
    channel.sendEnd(TRAILERS);
    flush();
    expect(pieces).toEqual([]);
    probe.endpoint.receive(frame(FRAME.ping, 0, 0, '12345678'));
    flush();
    expect(framesOf(Buffer.concat(pieces)).frames.map(({ type }) => type)).toEqual([FRAME.ping]);
    probe.owner.told.length = 0;
    probe.endpoint.drained();
    expect(probe.owner.told).toEqual(['waits']);
    probe.flush();
    expect(probe.dataOf(1)).toHaveLength(100);
  });

  it('RFC 9113 §10.5 is not given more of them than 64 KiB', () => {
    const { probe, flush } = blocked();
    const pings = Buffer.concat(Array.from({ length: 100 }, () => frame(FRAME.ping, 0, 0, '12345678')));
    for (let at = 0; at < 38; at += 1) {
      probe.endpoint.receive(pings);
      flush();
    }
    expect(probe.owner.violation).toBeNull();
    probe.endpoint.receive(pings);
    expect(probe.owner.violation).toEqual({ kind: 'flood', code: CODE.enhanceYourCalm });
    expect(probe.owner.idle).toBeLessThan(3_900);
  });

  it('keeps no more than a turn, whoever sends', () => {
    const { probe, channels } = asked(...Array.from({ length: 50 }, (_, at) => 2 * at + 1));
    probe.send(frame(FRAME.windowUpdate, 0, 0, uint32(10_000_000)));
    let bytes = 0;
    for (const channel of channels) for (let at = 0; at < 10; at += 1) channel.sendData(octets(6_000), null);
    probe.endpoint.flush({
      write: (piece) => {
        bytes += piece.length;
        return false;
      },
    });
    expect(bytes).toBeLessThan(65_536 + 2 * 16_384);
    expect(channels.some(({ unsentBytes }) => unsentBytes === 60_000)).toBe(true);
  });
});

describe('receiving', () => {
  it('gives back the window of the connection when data arrives, and that of a stream when it has been told, in half windows', () => {
    const probe = EndpointProbe.greeted('server', { streamWindowBytes: 40_000, connectionWindowBytes: 100_000 });
    probe.owner.onOpened = () => undefined;
    probe.send(request(1, 0));
    for (let at = 0; at < 5; at += 1) probe.send(frame(FRAME.data, 0, 1, octets(8_000)));
    expect(probe.updates).toEqual([]);
    probe.owner.opened[0]?.channel.resume();
    probe.flush();
    expect(probe.updates).toEqual([[1, 40_000]]);
    probe.send(frame(FRAME.data, 0, 1, octets(10_000)));
    expect(probe.updates).toEqual([
      [1, 40_000],
      [0, 50_000],
    ]);
    probe.send(frame(FRAME.data, 0, 1, octets(10_000)));
    expect(probe.updates.at(-1)).toEqual([1, 20_000]);
  });

  it('RFC 9113 §6.9.1 resets a stream that overruns its window, and counts it for that of the connection', () => {
    const probe = EndpointProbe.greeted('server', { streamWindowBytes: 10_000, connectionWindowBytes: 65_535 });
    probe.owner.onOpened = () => undefined;
    probe.send(request(1, 0), frame(FRAME.data, 0, 1, octets(10_000)), frame(FRAME.data, 0, 1, octets(1)));
    expect(probe.resets).toEqual([[1, CODE.flowControlError]]);
    expect(probe.owner.opened[0]?.user.told).toEqual([`reset violation ${CODE.flowControlError}`, 'closed']);
    // Of a stream that is reset.
    probe.send(frame(FRAME.data, 0, 1, octets(16_384)), frame(FRAME.data, 0, 1, octets(6_383)));
    expect(probe.updates).toEqual([[0, 32_768]]);
    expect(probe.owner.idle).toBe(0);
  });

  it('RFC 9113 §6.9.1 ends a connection whose window is overrun within one turn', () => {
    const probe = EndpointProbe.greeted('server', { connectionWindowBytes: 0 });
    const streamIds = Array.from({ length: 5 }, (_, at) => 2 * at + 1);
    probe.send(...streamIds.map((streamId) => request(streamId, 0)));
    // What is given back is not to be used before it is sent, which nobody can tell: it is as if it had been.
    const frames = streamIds.map((streamId) => frame(FRAME.data, 0, streamId, octets(16_384)));
    probe.send(...frames);
    expect(probe.owner.violation).toBeNull();
    expect(probe.updates.filter(([streamId]) => streamId === 0).length).toBeGreaterThan(1);
  });

  it('RFC 9113 §6.5.3 takes what was sent before its SETTINGS were known, and no more after', () => {
    const probe = EndpointProbe.silent('server', { streamWindowBytes: 1_000 });
    probe.owner.onOpened = () => undefined;
    probe.send(
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      frame(FRAME.settings, 0, 0),
      request(1, 0),
      request(3, 0),
    );
    for (let at = 0; at < 4; at += 1) probe.send(frame(FRAME.data, 0, 1, octets(16_000)));
    probe.send(frame(FRAME.data, 0, 3, octets(900)), frame(FRAME.settings, FLAG.ack, 0));
    expect(probe.resets).toEqual([]);
    probe.send(frame(FRAME.data, 0, 3, octets(100)));
    expect(probe.resets).toEqual([]);
    probe.send(frame(FRAME.data, 0, 3, octets(1)), frame(FRAME.data, 0, 1, octets(1)));
    expect(probe.resets).toEqual([
      [3, CODE.flowControlError],
      [1, CODE.flowControlError],
    ]);
  });

  it.each([
    ['as it comes', false],
    ['that was kept', true],
  ])('gives back the window of data %s whose memory its user has freed', (_name, isKept) => {
    const probe = EndpointProbe.greeted('server', { streamWindowBytes: 16_384 });
    probe.send(request(1, 0));
    const [opened] = probe.owner.opened;
    if (opened === undefined) throw new Error('not opened');
    opened.user.data = (bytes) => void (bytes.buffer as ArrayBuffer).transfer(0);
    if (isKept) opened.channel.pause();
    // Data in memory of its own, apart from the head of its frame.
    for (const length of [2_000, 6_192]) {
      probe.endpoint.receive(frame(FRAME.data, 0, 1, Buffer.alloc(length)).subarray(0, 9));
      probe.endpoint.receive(Buffer.alloc(length));
    }
    opened.channel.resume();
    probe.flush();
    expect(probe.updates).toEqual([[1, 8_192]]);
  });

  it('gives padding back, which nobody is told', () => {
    const probe = EndpointProbe.greeted('server', { streamWindowBytes: 1_000 });
    probe.owner.onOpened = () => undefined;
    probe.send(request(1, 0));
    for (let at = 0; at < 20; at += 1) {
      probe.send(frame(FRAME.data, FLAG.padded, 1, Buffer.concat([Buffer.of(249), Buffer.alloc(250)])));
    }
    expect(probe.resets).toEqual([]);
    probe.owner.opened[0]?.channel.resume();
    expect(probe.owner.opened[0]?.user.body).toHaveLength(20);
  });

  it('keeps data that comes octet by octet in at most about twice its octets', () => {
    const probe = EndpointProbe.greeted('server');
    const told: Buffer[] = [];
    probe.owner.onOpened = ({ user }) => {
      user.data = (bytes) => told.push(bytes);
    };
    probe.send(request(1, 0));
    for (const octet of octets(40_000)) probe.endpoint.receive(frame(FRAME.data, 0, 1, Buffer.of(octet)));
    probe.owner.opened[0]?.channel.resume();
    expect(told).toHaveLength(1);
    expect(told[0]?.equals(octets(40_000))).toBe(true);
    expect(told[0]?.buffer.byteLength).toBeLessThanOrEqual(80_000);
    // There was room ahead: not every octet had all copied that came before it.
    expect(told[0]?.buffer.byteLength).toBeGreaterThan(40_000);
  });
});

/** What happens between two ends, whose octets arrive cut anywhere. */
type Step =
  | { readonly kind: 'send'; readonly from: 'client' | 'server'; readonly stream: number; readonly bytes: number }
  | { readonly kind: 'pause' | 'resume' | 'end'; readonly from: 'client' | 'server'; readonly stream: number }
  | { readonly kind: 'move'; readonly to: 'client' | 'server'; readonly bytes: number }
  | { readonly kind: 'block' | 'drain'; readonly from: 'client' | 'server' };

const SIDE = fc.constantFrom('client', 'server');
const STREAM = fc.nat(3);
const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('send'), from: SIDE, stream: STREAM, bytes: fc.nat(50_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('pause', 'resume', 'resume'), from: SIDE, stream: STREAM }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end'), from: SIDE, stream: STREAM }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('move'), to: SIDE, bytes: fc.integer({ min: 1, max: 40_000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('block', 'drain'), from: SIDE }) },
);

/** One direction of the wire, and a judge of the windows of what passes. */
class Wire {
  readonly #from: Http2Endpoint;
  readonly #to: Http2Endpoint;
  #underway = Buffer.alloc(0);
  isBlocked = false;

  constructor(from: Http2Endpoint, to: Http2Endpoint) {
    this.#from = from;
    this.#to = to;
  }

  get length(): number {
    return this.#underway.length;
  }

  flush(): void {
    const pieces: Buffer[] = [this.#underway];
    this.#from.flush({
      write: (bytes, written) => {
        pieces.push(Buffer.from(bytes));
        written?.();
        return !this.isBlocked;
      },
    });
    this.#underway = Buffer.concat(pieces);
  }

  move(count: number): void {
    this.flush();
    const bytes = Buffer.from(this.#underway.subarray(0, count));
    this.#underway = this.#underway.subarray(bytes.length);
    this.#to.receive(bytes);
    // It belongs to somebody else now.
    bytes.fill(0xee);
  }
}

describe('windows', () => {
  const WORD = fc.record({
    kind: fc.constantFrom('send', 'send', 'update', 'update all', 'settings'),
    stream: fc.nat(2),
    bytes: fc.integer({ min: 1, max: 50_000 }),
    flushes: fc.boolean(),
  });

  it('are never overrun, and never left with room for what waits', () => {
    fc.assert(
      fc.property(fc.array(WORD, { maxLength: 60 }), (words) => {
        const { probe, channels } = asked(1, 3, 5);
        const streams = [65_535, 65_535, 65_535];
        let all = 65_535;
        let initial = 65_535;
        // What was written before the acknowledgement went by what held before (RFC 9113 §6.5.3).
        const unacknowledged: number[] = [];
        for (const { kind, stream, bytes, flushes } of words) {
          probe.frames.length = 0;
          const streamId = 2 * stream + 1;
          const before = streams[stream] ?? 0;
          if (kind === 'send') channels[stream]?.sendData(octets(bytes), null);
          else if (kind === 'update') {
            streams[stream] = before + bytes;
            probe.endpoint.receive(frame(FRAME.windowUpdate, 0, streamId, uint32(bytes)));
          } else if (kind === 'update all') {
            all += bytes;
            probe.endpoint.receive(frame(FRAME.windowUpdate, 0, 0, uint32(bytes)));
          } else {
            unacknowledged.push(bytes);
            probe.endpoint.receive(initialWindow(bytes));
          }
          if (!flushes) continue;
          probe.flush();
          for (const { type, streamId: sentOn, payload } of probe.frames) {
            if (type === FRAME.settings) {
              const next = unacknowledged.shift() ?? 0;
              for (const at of streams.keys()) streams[at] = (streams[at] ?? 0) + next - initial;
              initial = next;
            } else if (type === FRAME.data) {
              const at = (sentOn - 1) / 2;
              all -= payload.length;
              streams[at] = (streams[at] ?? 0) - payload.length;
              expect(Math.min(streams[at], all)).toBeGreaterThanOrEqual(0);
            }
          }
          for (const [at, channel] of channels.entries()) {
            if (channel.unsentBytes > 0) expect(Math.min(streams[at] ?? 0, all)).toBeLessThanOrEqual(0);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('two ends', () => {
  it('carry everything whole and in order through any windows, pauses, settings and cuts', () => {
    fc.assert(
      fc.property(
        fc.array(STEP, { maxLength: 120 }),
        fc.integer({ min: 200, max: 70_000 }),
        fc.integer({ min: 65_535, max: 200_000 }),
        (steps, streamWindowBytes, connectionWindowBytes) => {
          const limits = { streamWindowBytes, connectionWindowBytes };
          const pair = new EndpointPair({ client: limits, server: limits });
          pair.serverOwner.onOpened = () => undefined;
          const users = Array.from({ length: 4 }, () => new RecordingUser());
          const channels = users.map((user) => pair.client.open(REQUEST, false, user));
          pair.settle();
          const ends = {
            client: { users, channels },
            server: {
              users: pair.serverOwner.opened.map(({ user }) => user),
              channels: pair.serverOwner.opened.map(({ channel }) => channel),
            },
          };
          const wires = { client: new Wire(pair.server, pair.client), server: new Wire(pair.client, pair.server) };
          for (const channel of ends.server.channels) channel.sendHeaders(RESPONSE, false);
          const sent = { client: users.map(() => [] as Buffer[]), server: users.map(() => [] as Buffer[]) };
          const other = { client: 'server', server: 'client' } as const;
          for (const step of steps) {
            switch (step.kind) {
              case 'send': {
                const channel = ends[step.from].channels[step.stream];
                const pieces = sent[step.from][step.stream];
                if (channel?.canSend !== true) break;
                const bytes = octets(step.bytes, step.stream);
                pieces?.push(Buffer.from(bytes));
                channel.sendData(bytes, null);
                break;
              }
              case 'pause':
                ends[step.from].channels[step.stream]?.pause();
                break;
              case 'resume':
                ends[step.from].channels[step.stream]?.resume();
                break;
              case 'end':
                ends[step.from].channels[step.stream]?.sendEnd(step.stream % 2 === 0 ? [] : TRAILERS);
                break;
              case 'move':
                wires[step.to].move(step.bytes);
                break;
              case 'block':
              case 'drain':
                wires[other[step.from]].isBlocked = step.kind === 'block';
                if (step.kind === 'drain') pair[step.from].drained();
                break;
            }
          }
          for (const side of ['client', 'server'] as const) {
            wires[side].isBlocked = false;
            pair[side].drained();
            for (const channel of ends[side].channels) {
              channel?.sendEnd([]);
              channel?.resume();
            }
          }
          for (let round = 0; round < 10_000; round += 1) {
            for (const side of ['client', 'server'] as const) wires[side].move(1_000_000);
            if (
              wires.client.length + wires.server.length === 0 &&
              pair.client.streamCount === 0 &&
              pair.server.streamCount === 0
            )
              break;
          }
          expect(pair.clientOwner.violation ?? pair.serverOwner.violation).toBeNull();
          for (const side of ['client', 'server'] as const) {
            for (const [at, user] of ends[other[side]].users.entries()) {
              expect(user.body.equals(Buffer.concat(sent[side][at] ?? []))).toBe(true);
              // A server that has sent all of its answer while it was paused is not told that the request, all of which it has, has ended.
              const isAnswered = side === 'client' && user.told.includes('sent');
              if (!isAnswered) expect(user.told).toContain('ended');
              expect(user.told.at(-1)).toBe('closed');
              expect(user.why).toBeNull();
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
