// What users of streams are told, and when; what they may do meanwhile; and how streams and connections end.

import { describe, expect, it } from 'vitest';
import { EndpointProbe, POST_BLOCK, request } from '../support/endpoint-probe.ts';
import {
  EndpointPair,
  type OpenedStream,
  RecordingUser,
  REQUEST,
  RESPONSE,
  TRAILERS,
} from '../support/http2-endpoint.ts';
import { CODE, FLAG, FRAME, frame, uint32 } from '../support/http2-frames.ts';

const OCTETS = Buffer.from('octets');

interface Call {
  readonly pair: EndpointPair;
  readonly user: RecordingUser;
  readonly channel: NonNullable<ReturnType<EndpointPair['client']['open']>>;
  readonly opened: OpenedStream;
}

/** A request whose head has arrived; the server has not resumed it. */
function call(pair = new EndpointPair(), endsStream = false): Call {
  pair.serverOwner.onOpened = () => undefined;
  const user = new RecordingUser();
  const channel = pair.client.open(REQUEST, endsStream, user);
  pair.settle();
  const opened = pair.serverOwner.opened.at(-1);
  if (channel === null || opened === undefined) throw new Error('not opened');
  return { pair, user, channel, opened };
}

function answer({ channel }: OpenedStream): void {
  channel.sendHeaders(RESPONSE, false);
  channel.sendData(OCTETS, null);
  channel.sendEnd(TRAILERS);
}

describe('a stream', () => {
  it('carries a call from head to trailers, and tells both users of its end once', () => {
    const { pair, user, channel, opened } = call();
    channel.sendData(OCTETS, null);
    channel.sendEnd([]);
    pair.settle();
    expect(opened.user.told).toEqual([]);
    opened.channel.resume();
    expect(opened.user.told).toEqual(['data', 'ended']);
    answer(opened);
    pair.settle();
    expect(opened.user.told).toEqual(['data', 'ended', 'sent', 'closed']);
    expect(user.told).toEqual(['sent', 'headers', 'data', 'trailers', 'ended', 'closed']);
    expect([user.head, user.lastFields, user.body.toString()]).toEqual([RESPONSE, TRAILERS, 'octets']);
    expect([pair.client.streamCount, pair.server.streamCount]).toEqual([0, 0]);
    expect([channel.isClosed, channel.canSend, opened.channel.isClosed]).toEqual([true, false, true]);
  });

  it('puts END_STREAM on the frame before it where that has not been sent', () => {
    const probe = EndpointProbe.greeted('server');
    probe.owner.onOpened = ({ channel }) => {
      channel.sendHeaders(RESPONSE, false);
      if (channel.id > 1) channel.sendData(OCTETS, null);
      channel.sendEnd([]);
    };
    probe.send(request(1), request(3));
    expect(probe.frames.map(({ type, streamId, flags }) => [type, streamId, flags & FLAG.endStream])).toEqual([
      [FRAME.headers, 1, FLAG.endStream],
      [FRAME.headers, 3, 0],
      [FRAME.data, 3, FLAG.endStream],
    ]);
  });

  it('ends with an empty frame where the one before it is under way', () => {
    const { pair, user, opened } = call();
    opened.channel.sendHeaders(RESPONSE, false);
    pair.settle();
    opened.channel.sendEnd([]);
    pair.settle();
    expect(user.told).toEqual(['headers', 'ended']);
  });

  it('is over without `ended` when its request was answered while it was paused and nothing of it is kept', () => {
    const { pair, user, opened } = call(new EndpointPair(), true);
    answer(opened);
    pair.settle();
    expect(opened.user.told).toEqual(['sent', 'closed']);
    expect(user.told.at(-1)).toBe('closed');
    opened.channel.resume();
    expect(opened.user.told).toEqual(['sent', 'closed']);
  });

  it('stays when its request was answered while something of it is kept', () => {
    const { pair, channel, opened } = call();
    channel.sendData(OCTETS, null);
    channel.sendEnd(TRAILERS);
    answer(opened);
    pair.settle();
    expect(opened.user.told).toEqual(['sent']);
    expect(pair.server.streamCount).toBe(1);
    opened.channel.resume();
    expect(opened.user.told).toEqual(['sent', 'data', 'trailers', 'ended', 'closed']);
  });

  it('is not closed within what it tells', () => {
    const probe = EndpointProbe.greeted('server');
    probe.owner.onOpened = () => undefined;
    probe.send(request(1, 0), frame(FRAME.data, FLAG.endStream, 1, 'x'));
    const [opened] = probe.owner.opened;
    if (opened === undefined) throw new Error('not opened');
    opened.user.onTold = (word) => {
      if (word !== 'data') return;
      answer(opened);
      probe.flush();
    };
    opened.channel.resume();
    expect(opened.user.told).toEqual(['data', 'sent', 'ended', 'closed']);
  });

  it('needs no RST_STREAM when both ends have ended it, whatever of it is kept', () => {
    const probe = EndpointProbe.greeted('server');
    probe.owner.onOpened = (opened) => answer(opened);
    probe.send(request(1, 0), frame(FRAME.data, FLAG.endStream, 1, 'x'));
    probe.owner.opened[0]?.channel.reset(CODE.noError);
    probe.flush();
    expect(probe.resets).toEqual([]);
    expect(probe.owner.opened[0]?.user.told).toEqual(['sent', 'closed']);
    expect(probe.endpoint.streamCount).toBe(0);
  });

  it('can be paused at every word', () => {
    const { pair, channel, opened } = call();
    opened.user.onTold = () => opened.channel.pause();
    for (const piece of ['a', 'b']) {
      channel.sendData(Buffer.from(piece), null);
      pair.settle();
    }
    channel.sendEnd(TRAILERS);
    pair.settle();
    expect(opened.user.told).toEqual([]);
    opened.channel.resume();
    expect([opened.user.told, opened.user.body.toString()]).toEqual([['data'], 'ab']);
    opened.channel.resume();
    expect(opened.user.told).toEqual(['data', 'trailers']);
    opened.channel.resume();
    expect(opened.user.told).toEqual(['data', 'trailers', 'ended']);
  });

  it('can be resumed within what it tells, and tells the rest when that has returned', () => {
    const { pair, channel, opened } = call();
    let depth = 0;
    opened.user.onTold = () => {
      depth += 1;
      expect(depth).toBe(1);
      opened.channel.pause();
      opened.channel.resume();
      depth -= 1;
    };
    channel.sendData(OCTETS, null);
    channel.sendEnd(TRAILERS);
    pair.settle();
    opened.channel.resume();
    expect(opened.user.told).toEqual(['data', 'trailers', 'ended']);
  });

  it('tells a reset by the other end, and drops what is kept', () => {
    const { pair, channel, opened } = call();
    channel.sendData(OCTETS, null);
    pair.settle();
    channel.reset(CODE.cancel);
    pair.settle();
    opened.channel.resume();
    expect(opened.user.told).toEqual([`reset peer ${CODE.cancel}`, 'closed']);
    answer(opened);
    opened.channel.reset(CODE.cancel);
    pair.settle();
    expect([pair.clientOwner.violation, pair.serverOwner.violation, pair.clientOwner.idle]).toEqual([null, null, 0]);
  });

  it('tells its own user of nothing but the end when that resets it', () => {
    const { pair, user, channel, opened } = call();
    opened.channel.reset(CODE.internalError);
    expect(opened.user.told).toEqual(['closed']);
    channel.sendData(OCTETS, null);
    pair.settle();
    expect(user.told).toEqual([`reset peer ${CODE.internalError}`, 'closed']);
    expect(pair.serverOwner.violation).toBeNull();
  });

  it.each(['data', 'trailers', 'ended', 'sent', 'headers'])('can be reset when its user is told `%s`', (at) => {
    for (const isFailed of [false, true]) {
      const { pair, user, channel, opened } = call();
      for (const [each, stream, end] of [
        [user, channel, pair.client],
        [opened.user, opened.channel, pair.server],
      ] as const) {
        each.onTold = (word) => {
          if (word !== at) return;
          if (isFailed) end.fail(CODE.enhanceYourCalm);
          else stream.reset(CODE.cancel);
        };
      }
      opened.channel.resume();
      channel.sendData(OCTETS, null);
      channel.sendEnd(TRAILERS);
      pair.settle();
      answer(opened);
      pair.settle();
      pair.client.disconnected();
      pair.server.disconnected();
      for (const each of [user, opened.user]) {
        expect(each.told.at(-1)).toBe('closed');
        expect(each.told.filter((word) => word === 'closed')).toHaveLength(1);
      }
    }
  });

  it('can be answered, reset or ended with its connection before its user is known', () => {
    const told = (act: (opened: OpenedStream, pair: EndpointPair) => void): readonly string[] => {
      const pair = new EndpointPair();
      pair.serverOwner.onOpened = (opened) => act(opened, pair);
      pair.client.open(REQUEST, true, new RecordingUser());
      pair.settle();
      return pair.serverOwner.opened[0]?.user.told ?? [];
    };
    expect(told((opened) => answer(opened))).toEqual(['sent', 'closed']);
    expect(
      told((opened, { server }) => {
        answer(opened);
        server.flush({ write: () => true });
      }),
    ).toEqual(['sent', 'closed']);
    expect(told(({ channel }) => channel.resume())).toEqual(['ended']);
    expect(told(({ channel }) => channel.reset(CODE.cancel))).toEqual(['closed']);
    expect(told((_, { server }) => server.fail(CODE.enhanceYourCalm))).toEqual(['reset connection', 'closed']);
    expect(told((_, { server }) => server.disconnected())).toEqual(['reset connection', 'closed']);
  });

  it('sends nothing of a request that was reset before it was sent', () => {
    const pair = new EndpointPair();
    pair.settle();
    pair.client.ping();
    pair.client.flush({ write: () => false });
    const users = [new RecordingUser(), new RecordingUser()];
    const channels = users.map((user) => pair.client.open(REQUEST, true, user));
    channels[0]?.reset(CODE.cancel);
    pair.client.drained();
    pair.settle();
    expect(pair.serverOwner.opened.map(({ channel }) => channel.id)).toEqual([3]);
    expect(users.map(({ told }) => told)).toEqual([['closed'], ['sent']]);
    expect(pair.serverOwner.violation).toBeNull();
  });

  it('opens streams in the order of their numbers when they have waited', () => {
    const pair = new EndpointPair();
    pair.settle();
    pair.client.ping();
    pair.client.flush({ write: () => false });
    pair.client.open(REQUEST, true, new RecordingUser());
    pair.client.drained();
    pair.client.open(REQUEST, true, new RecordingUser());
    pair.settle();
    expect(pair.serverOwner.opened.map(({ channel }) => channel.id)).toEqual([1, 3]);
  });
});

describe('a response', () => {
  it('has interim heads, while it is paused too', () => {
    const { pair, user, channel, opened } = call(new EndpointPair(), true);
    channel.pause();
    opened.channel.sendHeaders([':status', '103', 'link', 'a'], false);
    opened.channel.sendHeaders([':status', '100'], false);
    answer(opened);
    pair.settle();
    expect(user.told).toEqual(['sent', 'headers', 'headers', 'headers']);
    channel.resume();
    expect(user.told.slice(4)).toEqual(['data', 'trailers', 'ended', 'closed']);
  });

  it('that has come whole stays whole, whatever the other end does after it', () => {
    for (const after of ['reset', 'cancel', 'goaway', 'fail', 'disconnected'] as const) {
      const { pair, user, channel, opened } = call();
      channel.pause();
      answer(opened);
      pair.settle();
      if (after === 'reset') opened.channel.reset(CODE.noError);
      else if (after === 'cancel') opened.channel.reset(CODE.cancel);
      else if (after === 'goaway') pair.server.close();
      else if (after === 'fail') pair.client.fail(CODE.noError);
      else pair.client.disconnected();
      pair.settle();
      expect(user.told).toEqual(['headers']);
      channel.resume();
      expect(user.told.slice(0, 4)).toEqual(['headers', 'data', 'trailers', 'ended']);
      if (after === 'goaway') channel.reset(CODE.cancel);
      expect(user.told.slice(4)).toEqual(['closed']);
      expect([channel.canSend, pair.client.streamCount]).toEqual([false, 0]);
    }
  });

  it('ends where its server resets it without an error, after what came before', () => {
    const { pair, user, channel, opened } = call();
    channel.pause();
    opened.channel.sendHeaders(RESPONSE, false);
    opened.channel.sendData(OCTETS, null);
    pair.settle();
    opened.channel.reset(CODE.noError);
    pair.settle();
    expect(user.told).toEqual(['headers']);
    channel.resume();
    expect(user.told).toEqual(['headers', 'data', 'reset peer 0', 'closed']);
  });

  it('is dropped when it is reset by its user, without a word to the other end if that has sent all of it', () => {
    const { pair, user, channel, opened } = call(new EndpointPair(), true);
    channel.pause();
    answer(opened);
    pair.settle();
    // Nothing of the connection is needed for it any more.
    expect([pair.client.streamCount, channel.isClosed]).toEqual([0, false]);
    channel.reset(CODE.cancel);
    pair.settle();
    expect(user.told).toEqual(['sent', 'headers', 'closed']);
    expect([pair.serverOwner.idle, pair.serverOwner.violation]).toEqual([0, null]);
  });
});

describe('a connection', () => {
  it('takes no more streams after a GOAWAY of either side, and ends those there are', () => {
    for (const closes of ['client', 'server'] as const) {
      const { pair, user, channel, opened } = call();
      pair[closes].close();
      pair[closes].close();
      pair.settle();
      expect(pair.client.open(REQUEST, true, new RecordingUser())).toBeNull();
      const other = closes === 'client' ? pair.serverOwner : pair.clientOwner;
      expect(other.told.filter((word) => word.startsWith('goaway'))).toEqual([
        `goaway 0 ${closes === 'client' ? 0 : 1}`,
      ]);
      opened.channel.resume();
      channel.sendEnd([]);
      answer(opened);
      pair.settle();
      expect(user.told.at(-1)).toBe('closed');
      expect(user.why).toBeNull();
    }
  });

  it('hands back streams that the other end has not looked at', () => {
    const { pair, user, opened } = call();
    pair.server.close();
    const late = new RecordingUser();
    pair.client.open(REQUEST, true, late);
    pair.settle();
    expect(late.told).toEqual(['sent', 'reset disowned', 'closed']);
    answer(opened);
    pair.settle();
    expect(user.told).toContain('ended');
  });

  it('is noticed first and closed later', () => {
    const { pair } = call();
    pair.server.notice();
    pair.settle();
    pair.server.close();
    pair.settle();
    const goaways = pair.clientOwner.told.filter((word) => word.startsWith('goaway'));
    expect(goaways).toEqual([`goaway 0 ${2 ** 31 - 1}`, 'goaway 0 1']);
  });

  it('answers a PING, and is told of the answer to its own', () => {
    const pair = new EndpointPair();
    pair.client.ping();
    pair.server.ping();
    pair.settle();
    expect(pair.clientOwner.told).toContain('pong');
    expect(pair.serverOwner.told).toContain('pong');
    expect([pair.clientOwner.idle, pair.serverOwner.idle]).toEqual([1, 1]);
  });

  it('tells the settings of the other end', () => {
    const { pair } = call(new EndpointPair({ server: { enableConnectProtocol: true, maxConcurrentStreams: 7 } }));
    expect(pair.clientOwner.settingsTold).toMatchObject({ enableConnectProtocol: true, maxConcurrentStreams: 7 });
  });

  it.each([
    ['RFC 7541 §4.2 the size of the table', [0], [0x20]],
    // As an integer with a prefix of five bits: 100 = 31 + 69.
    ['RFC 7541 §4.2 the lowest size of the table, and the last', [0, 100], [0x20, 0x3f, 69]],
    ['RFC 7541 §4.2 no size that is as it was', [4_096], []],
  ])('heeds %s', (_name, sizes, octets) => {
    const settings = sizes.map((size) => Buffer.concat([Buffer.of(0, 1), uint32(size)]));
    const probe = EndpointProbe.greeted('server');
    probe.owner.onOpened = (opened) => answer(opened);
    probe.send(frame(FRAME.settings, 0, 0, Buffer.concat(settings)), request(1));
    const [head] = probe.of(FRAME.headers);
    expect([...(head?.payload.subarray(0, octets.length) ?? [])]).toEqual(octets);
    // RFC 7541 §6.1: `:status: 200` of the static table.
    expect(head?.payload[octets.length]).toBe(0x88);
  });

  it('that has failed reads nothing, writes its GOAWAY, and is without effect', () => {
    const { pair, user, channel, opened } = call();
    pair.server.fail(CODE.enhanceYourCalm);
    expect(opened.user.told).toEqual(['reset connection', 'closed']);
    expect(pair.serverOwner.violation).toBeNull();
    channel.sendData(OCTETS, null);
    pair.server.ping();
    pair.server.close();
    pair.server.notice();
    pair.server.fail(CODE.protocolError);
    opened.channel.sendHeaders(RESPONSE, true);
    opened.channel.resume();
    pair.settle();
    expect(pair.clientOwner.told.at(-1)).toBe(`goaway ${CODE.enhanceYourCalm} 1`);
    expect(user.told).toEqual([]);
    pair.client.disconnected();
    expect(user.told).toEqual(['reset connection', 'closed']);
    expect(pair.client.open(REQUEST, true, new RecordingUser())).toBeNull();
  });

  it('that is gone writes nothing', () => {
    const { pair, opened } = call();
    answer(opened);
    pair.server.disconnected();
    pair.server.disconnected();
    pair.server.ping();
    const written: Buffer[] = [];
    pair.server.flush({ write: (bytes) => written.push(bytes) > 0 });
    expect(written).toEqual([]);
    expect(opened.user.told).toEqual(['reset connection', 'closed']);
  });

  it('says once that there is something to be flushed, until it has been', () => {
    const { pair, opened } = call();
    pair.serverOwner.told.length = 0;
    answer(opened);
    pair.server.ping();
    expect(pair.serverOwner.told).toEqual(['waits']);
    pair.settle();
    pair.server.ping();
    expect(pair.serverOwner.told.filter((word) => word === 'waits')).toHaveLength(2);
  });

  it('stops reading where a user ends it, within one piece of octets', () => {
    const probe = EndpointProbe.greeted('server');
    probe.owner.onOpened = () => probe.endpoint.fail(CODE.enhanceYourCalm);
    probe.send(request(1), request(3), frame(FRAME.rstStream, 0, 1, uint32(0)));
    expect(probe.owner.opened).toHaveLength(1);
    expect(probe.goaways).toEqual([[1, CODE.enhanceYourCalm]]);
  });
});

describe('what has come in part', () => {
  it('is told apart from everything else, octet by octet, and is nothing where only DATA is to come', () => {
    const { endpoint } = EndpointProbe.greeted('server');
    // SETTINGS and their acknowledgement were the first two; a block has the number of the frame that it began with.
    const parts: readonly (readonly [bytes: Buffer, within: number | null, after: number | null])[] = [
      [request(1, 0), 3, null],
      [frame(FRAME.data, 0, 1, OCTETS).subarray(0, 8), 4, 4],
      [frame(FRAME.data, 0, 1, OCTETS).subarray(8), null, null],
      [frame(FRAME.headers, FLAG.endStream, 3, POST_BLOCK.subarray(0, 10)), 5, 5],
      [frame(FRAME.continuation, FLAG.endHeaders, 3, POST_BLOCK.subarray(10)), 5, null],
      [frame(FRAME.ping, 0, 0, Buffer.alloc(8)), 7, null],
      [frame(0x42, 0, 0, OCTETS), 8, null],
    ];
    for (const [bytes, within, after] of parts) {
      const told = Array.from(bytes, (_, at) => {
        endpoint.receive(bytes.subarray(at, at + 1));
        return endpoint.unfinished;
      });
      expect(told).toEqual(Array.from(bytes, (_, at) => (at < bytes.length - 1 ? within : after)));
    }
  });
});
