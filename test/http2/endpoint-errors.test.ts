// What is wrong with frames, type by type: of the connection, of a stream, or not at all.

import { describe, expect, it } from 'vitest';
import { EndpointProbe, OK_BLOCK, POST_BLOCK, request } from '../support/endpoint-probe.ts';
import { RecordingUser, REQUEST, RESPONSE } from '../support/http2-endpoint.ts';
import { CODE, FLAG, FRAME, frame, PREFACE, uint32 } from '../support/http2-frames.ts';

type Verdict =
  | { readonly connection: number }
  | { readonly stream: readonly [streamId: number, code: number] }
  /** Taken; how many idle frames were told. */
  | { readonly idle: number };

const OPEN = request(1, 0);
const HALF_CLOSED = request(1);
const CANCELLED = Buffer.concat([request(1, 0), frame(FRAME.rstStream, 0, 1, uint32(CODE.cancel))]);
const DATA = frame(FRAME.data, 0, 1, 'x');

function setting(identifier: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(identifier);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

function settings(...pairs: readonly Buffer[]): Buffer {
  return frame(FRAME.settings, 0, 0, Buffer.concat(pairs));
}

/** A padded payload that says so many octets of padding. */
function padded(octets: number, payload: Buffer | string = ''): Buffer {
  return Buffer.concat([Buffer.of(octets), Buffer.from(payload)]);
}

function priority(dependency: number): Buffer {
  return Buffer.concat([uint32(dependency), Buffer.of(15)]);
}

const WITH_PRIORITY = FLAG.endHeaders | FLAG.endStream | FLAG.priority;

const OF_SERVER: readonly (readonly [name: string, frames: readonly Buffer[], verdict: Verdict])[] = [
  // DATA, RFC 9113 §6.1
  ['§6.1 DATA on stream 0', [frame(FRAME.data, 0, 0, 'x')], { connection: CODE.protocolError }],
  ['§5.1 DATA on an idle stream', [DATA], { connection: CODE.protocolError }],
  ['§5.1.1 DATA on a stream of even number', [frame(FRAME.data, 0, 2, 'x')], { connection: CODE.protocolError }],
  [
    '§6.1 padding as long as the payload',
    [OPEN, frame(FRAME.data, FLAG.padded, 1, padded(1))],
    { connection: CODE.protocolError },
  ],
  [
    '§6.1 padding beyond the payload',
    [OPEN, frame(FRAME.data, FLAG.padded, 1, padded(200, 'xx'))],
    { connection: CODE.protocolError },
  ],
  [
    '§4.2 padded DATA without the length of its padding',
    [OPEN, frame(FRAME.data, FLAG.padded, 1)],
    { connection: CODE.frameSizeError },
  ],
  ['§6.1 padding of all but its length', [OPEN, frame(FRAME.data, FLAG.padded, 1, padded(2, '\0\0'))], { idle: 1 }],
  ['§6.1 empty DATA', [OPEN, frame(FRAME.data, 0, 1)], { idle: 1 }],
  ['§6.1 empty DATA that ends the stream', [OPEN, frame(FRAME.data, FLAG.endStream, 1)], { idle: 0 }],
  ['§5.1 DATA after END_STREAM', [HALF_CLOSED, DATA], { stream: [1, CODE.streamClosed] }],
  ['§5.1 DATA after RST_STREAM', [CANCELLED, DATA], { connection: CODE.streamClosed }],
  [
    '§4.2 DATA of more than 16,384 octets',
    [OPEN, frame(FRAME.data, 0, 1, Buffer.alloc(16_385))],
    { connection: CODE.frameSizeError },
  ],
  // HEADERS, §6.2
  ['§6.2 HEADERS on stream 0', [request(0)], { connection: CODE.protocolError }],
  ['§5.1.1 HEADERS on a stream of even number', [request(2)], { connection: CODE.protocolError }],
  ['§5.1.1 HEADERS on a lower stream than the last', [request(5), request(3)], { connection: CODE.streamClosed }],
  [
    '§6.2 padding as long as the payload',
    [frame(FRAME.headers, FLAG.endHeaders | FLAG.padded, 1, padded(1))],
    { connection: CODE.protocolError },
  ],
  [
    '§4.2 padded HEADERS without the length of their padding',
    [frame(FRAME.headers, FLAG.endHeaders | FLAG.padded, 1)],
    { connection: CODE.frameSizeError },
  ],
  [
    '§6.2 a priority that is cut off',
    [frame(FRAME.headers, WITH_PRIORITY, 1, 'abcd')],
    { connection: CODE.frameSizeError },
  ],
  [
    '§6.2 padding that reaches into the priority',
    [frame(FRAME.headers, WITH_PRIORITY | FLAG.padded, 1, padded(1, priority(0)))],
    { connection: CODE.protocolError },
  ],
  [
    '§5.3.1 a stream that depends on itself',
    [frame(FRAME.headers, WITH_PRIORITY, 1, Buffer.concat([priority(1), POST_BLOCK]))],
    { stream: [1, CODE.protocolError] },
  ],
  [
    '§5.3.1 a stream that depends on another',
    [frame(FRAME.headers, WITH_PRIORITY, 1, Buffer.concat([priority(3), POST_BLOCK]))],
    { idle: 0 },
  ],
  [
    '§5.3.1 trailers that depend on themselves',
    [OPEN, frame(FRAME.headers, WITH_PRIORITY, 1, Buffer.concat([priority(1), POST_BLOCK]))],
    { stream: [1, CODE.protocolError] },
  ],
  ['§8.1 second HEADERS that do not end the stream', [OPEN, request(1, 0)], { stream: [1, CODE.protocolError] }],
  ['§8.1 trailers', [OPEN, request(1)], { idle: 0 }],
  ['§5.1 HEADERS after END_STREAM', [HALF_CLOSED, request(1)], { stream: [1, CODE.streamClosed] }],
  ['§5.1 HEADERS after RST_STREAM', [CANCELLED, request(1)], { connection: CODE.streamClosed }],
  [
    '§4.3 a block that cannot be decoded',
    [frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.of(0x80))],
    { connection: CODE.compressionError },
  ],
  [
    '§4.3 a block that cannot be decoded, of a stream that is reset',
    [
      frame(FRAME.headers, WITH_PRIORITY, 1, Buffer.concat([priority(1), POST_BLOCK])),
      frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.of(0x80)),
    ],
    { connection: CODE.compressionError },
  ],
  // PRIORITY, §6.3
  ['§6.3 PRIORITY on stream 0', [frame(FRAME.priority, 0, 0, priority(1))], { connection: CODE.protocolError }],
  [
    '§6.3 PRIORITY of the wrong size on a stream',
    [OPEN, frame(FRAME.priority, 0, 1, 'abcd')],
    { stream: [1, CODE.frameSizeError] },
  ],
  [
    '§6.3 PRIORITY of the wrong size on none',
    [frame(FRAME.priority, 0, 1, 'abcd')],
    { connection: CODE.frameSizeError },
  ],
  [
    '§5.3.1 PRIORITY of a stream on itself',
    [OPEN, frame(FRAME.priority, 0, 1, priority(1))],
    { stream: [1, CODE.protocolError] },
  ],
  ['§6.3 PRIORITY on an idle stream', [frame(FRAME.priority, 0, 9, priority(1))], { idle: 1 }],
  ['§6.3 PRIORITY on a closed stream', [CANCELLED, frame(FRAME.priority, 0, 1, priority(3))], { idle: 1 }],
  // RST_STREAM, §6.4
  ['§6.4 RST_STREAM on stream 0', [frame(FRAME.rstStream, 0, 0, uint32(8))], { connection: CODE.protocolError }],
  ['§6.4 RST_STREAM on an idle stream', [frame(FRAME.rstStream, 0, 1, uint32(8))], { connection: CODE.protocolError }],
  [
    '§6.4 RST_STREAM of the wrong size',
    [OPEN, frame(FRAME.rstStream, 0, 1, 'abc')],
    { connection: CODE.frameSizeError },
  ],
  ['§5.1 RST_STREAM on a closed stream', [CANCELLED, frame(FRAME.rstStream, 0, 1, uint32(8))], { idle: 1 }],
  // SETTINGS, §6.5
  ['§6.5 SETTINGS on a stream', [frame(FRAME.settings, 0, 1)], { connection: CODE.protocolError }],
  ['§6.5 SETTINGS of the wrong size', [frame(FRAME.settings, 0, 0, 'abc')], { connection: CODE.frameSizeError }],
  [
    '§6.5 an acknowledgement with a payload',
    [frame(FRAME.settings, FLAG.ack, 0, setting(1, 1))],
    { connection: CODE.frameSizeError },
  ],
  ['§6.5.3 an acknowledgement of nothing', [frame(FRAME.settings, FLAG.ack, 0)], { connection: CODE.protocolError }],
  ['§6.5.2 ENABLE_PUSH of 2', [settings(setting(2, 2))], { connection: CODE.protocolError }],
  ['§6.5.2 INITIAL_WINDOW_SIZE of 2^31', [settings(setting(4, 2 ** 31))], { connection: CODE.flowControlError }],
  ['§6.5.2 MAX_FRAME_SIZE below 2^14', [settings(setting(5, 16_383))], { connection: CODE.protocolError }],
  ['§6.5.2 MAX_FRAME_SIZE of 2^24', [settings(setting(5, 2 ** 24))], { connection: CODE.protocolError }],
  ['RFC 8441 §3 ENABLE_CONNECT_PROTOCOL of 2', [settings(setting(8, 2))], { connection: CODE.protocolError }],
  [
    'RFC 8441 §3 ENABLE_CONNECT_PROTOCOL taken back',
    [settings(setting(8, 1), setting(8, 0))],
    { connection: CODE.protocolError },
  ],
  ['§6.5.2 a setting that nobody knows', [settings(setting(0x99, 1))], { idle: 1 }],
  [
    '§6.5.2 all settings at their ends',
    [settings(setting(1, 2 ** 32 - 1), setting(2, 1), setting(4, 2 ** 31 - 1), setting(5, 2 ** 24 - 1), setting(6, 0))],
    { idle: 1 },
  ],
  [
    '§6.9.2 a window made too large by INITIAL_WINDOW_SIZE',
    [OPEN, frame(FRAME.windowUpdate, 0, 1, uint32(1)), settings(setting(4, 2 ** 31 - 1))],
    { connection: CODE.flowControlError },
  ],
  // PUSH_PROMISE, §6.6
  [
    '§8.4 PUSH_PROMISE of a client',
    [OPEN, frame(FRAME.pushPromise, FLAG.endHeaders, 1, Buffer.concat([uint32(2), POST_BLOCK]))],
    { connection: CODE.protocolError },
  ],
  // PING, §6.7
  ['§6.7 PING on a stream', [frame(FRAME.ping, 0, 1, '12345678')], { connection: CODE.protocolError }],
  ['§6.7 PING of the wrong size', [frame(FRAME.ping, 0, 0, '1234567')], { connection: CODE.frameSizeError }],
  ['§6.7 an answer to no PING', [frame(FRAME.ping, FLAG.ack, 0, '12345678')], { idle: 1 }],
  // GOAWAY, §6.8
  ['§6.8 GOAWAY on a stream', [frame(FRAME.goaway, 0, 1, Buffer.alloc(8))], { connection: CODE.protocolError }],
  ['§6.8 GOAWAY that is cut off', [frame(FRAME.goaway, 0, 0, Buffer.alloc(7))], { connection: CODE.frameSizeError }],
  ['§6.8 GOAWAY with what a human may read', [frame(FRAME.goaway, 0, 0, Buffer.alloc(20))], { idle: 0 }],
  [
    '§6.8 GOAWAY twice',
    [frame(FRAME.goaway, 0, 0, Buffer.alloc(8)), frame(FRAME.goaway, 0, 0, Buffer.alloc(8))],
    { idle: 1 },
  ],
  [
    '§6.8 streams after the GOAWAY of their own end',
    [frame(FRAME.goaway, 0, 0, Buffer.alloc(8)), HALF_CLOSED],
    { idle: 0 },
  ],
  // WINDOW_UPDATE, §6.9
  [
    '§6.9 WINDOW_UPDATE of the wrong size',
    [frame(FRAME.windowUpdate, 0, 0, 'abc')],
    { connection: CODE.frameSizeError },
  ],
  [
    '§6.9 WINDOW_UPDATE on an idle stream',
    [frame(FRAME.windowUpdate, 0, 1, uint32(1))],
    { connection: CODE.protocolError },
  ],
  [
    '§6.9 WINDOW_UPDATE by 0 on a stream',
    [OPEN, frame(FRAME.windowUpdate, 0, 1, uint32(0))],
    { stream: [1, CODE.protocolError] },
  ],
  [
    '§6.9 WINDOW_UPDATE by 0 on the connection',
    [frame(FRAME.windowUpdate, 0, 0, uint32(0))],
    { connection: CODE.protocolError },
  ],
  [
    '§6.9.1 a window of a stream above 2^31-1',
    [OPEN, frame(FRAME.windowUpdate, 0, 1, uint32(2 ** 31 - 1))],
    { stream: [1, CODE.flowControlError] },
  ],
  [
    '§6.9.1 a window of the connection above 2^31-1',
    [frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 31 - 1))],
    { connection: CODE.flowControlError },
  ],
  ['§6.9 WINDOW_UPDATE on a closed stream', [CANCELLED, frame(FRAME.windowUpdate, 0, 1, uint32(1))], { idle: 1 }],
  [
    '§4.1 the reserved bits of a WINDOW_UPDATE',
    [OPEN, frame(FRAME.windowUpdate, 0, 2 ** 31 + 1, uint32(2 ** 31 + 1))],
    { idle: 0 },
  ],
  // CONTINUATION, §6.10
  [
    '§6.10 CONTINUATION of nothing',
    [OPEN, frame(FRAME.continuation, FLAG.endHeaders, 1)],
    { connection: CODE.protocolError },
  ],
  [
    '§6.10 CONTINUATION on another stream',
    [frame(FRAME.headers, 0, 1, POST_BLOCK), frame(FRAME.continuation, FLAG.endHeaders, 3)],
    { connection: CODE.protocolError },
  ],
  [
    '§6.10 CONTINUATION on stream 0',
    [frame(FRAME.headers, 0, 1, POST_BLOCK), frame(FRAME.continuation, FLAG.endHeaders, 0)],
    { connection: CODE.protocolError },
  ],
  [
    '§6.10 DATA within a block',
    [OPEN, frame(FRAME.headers, 0, 3, POST_BLOCK), DATA],
    { connection: CODE.protocolError },
  ],
  [
    '§6.10 PING within a block',
    [frame(FRAME.headers, 0, 1, POST_BLOCK), frame(FRAME.ping, 0, 0, '12345678')],
    { connection: CODE.protocolError },
  ],
  [
    '§6.10 a second HEADERS within a block',
    [frame(FRAME.headers, 0, 1, POST_BLOCK), request(3)],
    { connection: CODE.protocolError },
  ],
  [
    '§5.5 a frame of an unknown type within a block',
    [frame(FRAME.headers, 0, 1, POST_BLOCK), frame(0x77, 0, 1)],
    { connection: CODE.protocolError },
  ],
  [
    '§6.10 a block in pieces',
    [
      frame(FRAME.headers, FLAG.endStream, 1, POST_BLOCK.subarray(0, 3)),
      frame(FRAME.continuation, 0, 1, POST_BLOCK.subarray(3, 9)),
      frame(FRAME.continuation, FLAG.endHeaders, 1, POST_BLOCK.subarray(9)),
    ],
    { idle: 0 },
  ],
  // §5.5
  ['§5.5 a frame of an unknown type', [frame(0x77, 0xff, 0, 'what?')], { idle: 1 }],
  [
    '§4.2 a frame of an unknown type that is too large',
    [frame(0x77, 0, 0, Buffer.alloc(16_385))],
    { connection: CODE.frameSizeError },
  ],
];

describe('a server', () => {
  it.each(OF_SERVER)('judges %s', (_name, frames, verdict) => {
    const probe = EndpointProbe.greeted('server').send(...frames);
    judge(probe, verdict);
  });

  it.each(OF_SERVER)('judges the same octet by octet: %s', (_name, frames, verdict) => {
    const probe = EndpointProbe.greeted('server');
    for (const octet of Buffer.concat(frames)) probe.send(Buffer.of(octet));
    judge(probe, verdict);
  });

  it.each([
    ['§3.4 a request of HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')],
    ['§3.4 a preface with another end', Buffer.from(PREFACE.replace('SM', 'SN'))],
    ['§3.4 a preface without SETTINGS', Buffer.concat([Buffer.from(PREFACE), request(1)])],
    [
      '§3.4 an acknowledgement instead of SETTINGS',
      Buffer.concat([Buffer.from(PREFACE), frame(FRAME.settings, FLAG.ack, 0)]),
    ],
  ])('refuses %s', (_name, bytes) => {
    const probe = EndpointProbe.silent('server').send(bytes);
    judge(probe, { connection: CODE.protocolError });
    expect(probe.owner.opened).toHaveLength(0);
  });

  it('§5.1.2 refuses streams above its limit, and takes others when there is room again', () => {
    const probe = EndpointProbe.greeted('server', { maxConcurrentStreams: 2 });
    probe.send(request(1, 0), request(3, 0), request(5), request(7, 0), frame(FRAME.data, 0, 7, 'x'));
    expect(probe.resets).toEqual([
      [5, CODE.refusedStream],
      [7, CODE.refusedStream],
    ]);
    expect(probe.owner.broken).toBe(2);
    // What came behind it on a stream that was refused.
    expect(probe.owner.idle).toBe(0);
    probe.send(frame(FRAME.rstStream, 0, 1, uint32(CODE.cancel)), request(9));
    expect(probe.owner.opened.map(({ channel }) => channel.id)).toEqual([1, 3, 9]);
    expect(probe.owner.violation).toBeNull();
  });

  it('§6.5.3 refuses streams above its limit without an error before its SETTINGS are acknowledged', () => {
    const probe = EndpointProbe.silent('server', { maxConcurrentStreams: 1 });
    probe.send(Buffer.from(PREFACE), frame(FRAME.settings, 0, 0), request(1, 0), request(3), request(5));
    expect(probe.resets).toEqual([
      [3, CODE.refusedStream],
      [5, CODE.refusedStream],
    ]);
    expect(probe.owner.violation).toBeNull();
  });

  it('refuses a stream that its user does not want', () => {
    const probe = EndpointProbe.greeted('server');
    probe.owner.refuses = true;
    probe.send(request(1, 0), frame(FRAME.data, 0, 1, 'x'));
    expect(probe.resets).toEqual([[1, CODE.refusedStream]]);
    expect(probe.owner.broken).toBe(0);
    expect(probe.endpoint.streamCount).toBe(0);
  });

  it('§5.1 ignores what was under way when it reset a stream', () => {
    const probe = EndpointProbe.greeted('server');
    probe.owner.onOpened = ({ channel }) => channel.reset(CODE.cancel);
    probe.send(
      request(1, 0),
      DATA,
      request(1),
      frame(FRAME.windowUpdate, 0, 1, uint32(0)),
      frame(FRAME.rstStream, 0, 1, uint32(8)),
    );
    expect(probe.resets).toEqual([[1, CODE.cancel]]);
    // All but DATA, of which a client that sends it in small frames may have thousands under way.
    expect(probe.owner.idle).toBe(3);
    probe.send(frame(FRAME.data, 0, 1), frame(FRAME.data, FLAG.padded, 1, '\x01\0'));
    expect(probe.owner.idle).toBe(5);
    expect(probe.owner.opened[0]?.user.told).toEqual(['closed']);
  });

  it('§5.1 ignores what was under way when it reset more streams than it remembers, and blames nobody for them', () => {
    const probe = EndpointProbe.greeted('server', { maxConcurrentStreams: 1_000 });
    const ids = Array.from({ length: 600 }, (_, at) => 2 * at + 1);
    probe.send(...ids.map((streamId) => request(streamId, 0)));
    for (const { channel } of probe.owner.opened) channel.reset(CODE.cancel);
    probe.send(...ids.flatMap((streamId) => [frame(FRAME.data, 0, streamId, 'x'), request(streamId)]));
    expect(probe.owner.violation).toBeNull();
    // Their heads; DATA that was under way is no flood.
    expect(probe.owner.idle).toBe(ids.length);
    expect(probe.endpoint.streamCount).toBe(0);
  });

  it('§5.1 ends a connection on which a stream goes on after its end, when none was reset', () => {
    const probe = EndpointProbe.greeted('server');
    probe.owner.onOpened = ({ channel }) => channel.sendEnd(RESPONSE);
    for (let streamId = 1; streamId < 601; streamId += 2) probe.send(request(streamId));
    probe.send(DATA);
    judge(probe, { connection: CODE.streamClosed });
  });

  it('§6.8 ignores streams that are opened after its GOAWAY, in step with their field blocks', () => {
    const probe = EndpointProbe.greeted('server');
    probe.send(request(1, 0));
    probe.endpoint.close();
    // A name and a value that the table keeps.
    const kept = Buffer.concat([POST_BLOCK, Buffer.of(0x40, 1, 0x61, 1, 0x62)]);
    probe.send(
      frame(FRAME.headers, FLAG.endHeaders, 3, kept),
      frame(FRAME.data, 0, 3, 'x'),
      frame(FRAME.windowUpdate, 0, 3, uint32(1)),
    );
    probe.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.of(0xbe)));
    expect(probe.goaways).toEqual([[1, CODE.noError]]);
    expect(probe.resets).toEqual([]);
    expect(probe.owner.idle).toBe(2);
    expect(probe.owner.opened[0]?.user.lastFields).toEqual(['a', 'b']);
  });

  it('tells fields that are too large as such, and those after them as they are', () => {
    const probe = EndpointProbe.greeted('server', { maxFieldSectionBytes: 1_000 });
    const huge = Buffer.concat([Buffer.of(0, 1, 0x61, 0x7f, 0xe9, 0x07), Buffer.alloc(1_128, 'x')]);
    probe.send(
      frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.concat([POST_BLOCK, huge])),
      request(3),
    );
    expect(probe.owner.opened.map(({ fields }) => (fields === 'too-large' ? fields : fields.length))).toEqual([
      'too-large',
      8,
    ]);
  });
});

const OF_CLIENT: readonly (readonly [name: string, frames: readonly Buffer[], verdict: Verdict])[] = [
  ['§8.1 DATA before the head', [DATA], { stream: [1, CODE.protocolError] }],
  [
    '§8.1 an interim head that ends the stream',
    [frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.of(0x08, 3, 0x31, 0x30, 0x33))],
    { stream: [1, CODE.protocolError] },
  ],
  [
    '§8.1 an interim head, then DATA',
    [frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.of(0x08, 3, 0x31, 0x30, 0x33)), DATA],
    { stream: [1, CODE.protocolError] },
  ],
  ['§8.1 trailers that do not end the stream', [head(1), head(1)], { stream: [1, CODE.protocolError] }],
  ['§8.1 DATA after END_STREAM', [head(1, FLAG.endStream), DATA], { stream: [1, CODE.streamClosed] }],
  ['§5.1 a head on a stream that nobody opened', [head(3)], { connection: CODE.protocolError }],
  ['§8.4 a head on a stream of even number', [head(2)], { connection: CODE.protocolError }],
  [
    '§8.4 PUSH_PROMISE, which it was told not to send',
    [frame(FRAME.pushPromise, FLAG.endHeaders, 1, Buffer.concat([uint32(2), POST_BLOCK]))],
    { connection: CODE.protocolError },
  ],
  ['§6.5.2 ENABLE_PUSH of 1', [settings(setting(2, 1))], { connection: CODE.protocolError }],
  ['§6.5.2 ENABLE_PUSH of 0', [settings(setting(2, 0))], { idle: 1 }],
];

function head(streamId: number, flags = 0): Buffer {
  return frame(FRAME.headers, FLAG.endHeaders | flags, streamId, OK_BLOCK);
}

describe('a client', () => {
  it.each(OF_CLIENT)('judges %s', (_name, frames, verdict) => {
    const probe = EndpointProbe.greeted('client');
    const user = new RecordingUser();
    probe.endpoint.open(REQUEST, false, user);
    probe.flush().send(...frames);
    judge(probe, verdict);
    if ('connection' in verdict) expect(user.told).toEqual(['reset connection', 'closed']);
  });

  it('refuses a server that does not begin with SETTINGS', () => {
    judge(EndpointProbe.silent('client').send(frame(FRAME.ping, 0, 0, '12345678')), { connection: CODE.protocolError });
  });

  it('refuses an answer to what it has not asked yet', () => {
    const probe = EndpointProbe.greeted('client');
    // The output takes no more, so that the request waits.
    probe.endpoint.ping();
    probe.endpoint.flush({ write: () => false });
    const user = new RecordingUser();
    probe.endpoint.open(REQUEST, true, user);
    probe.send(head(1));
    judge(probe, { connection: CODE.protocolError });
    expect(user.told).toEqual(['reset connection', 'closed']);
  });
});

function judge(probe: EndpointProbe, verdict: Verdict): void {
  if ('connection' in verdict) {
    expect(probe.owner.violation).toEqual({ kind: 'protocol', code: verdict.connection });
    expect(probe.goaways.map(([, code]) => code)).toEqual([verdict.connection]);
    return;
  }
  expect(probe.owner.violation).toBeNull();
  if ('stream' in verdict) {
    expect(probe.resets).toEqual([verdict.stream]);
    return;
  }
  expect(probe.resets).toEqual([]);
  expect(probe.owner.idle).toBe(verdict.idle);
}
