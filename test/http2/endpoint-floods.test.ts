// What a peer can make one end do for little of its own, and who is told of it so that it can be ended.

import { describe, expect, it } from 'vitest';
import { EndpointProbe, POST_BLOCK, request } from '../support/endpoint-probe.ts';
import { LIMITS } from '../support/http2-endpoint.ts';
import { CODE, FLAG, FRAME, frame, uint32 } from '../support/http2-frames.ts';

const OPENED = (probe: EndpointProbe): readonly string[] => probe.owner.opened.flatMap(({ user }) => user.told);

describe('H2 90: floods', () => {
  it('CONTINUATION: ends a block of more frames than any has, empty ones too', () => {
    for (const fragment of ['', 'x']) {
      const probe = EndpointProbe.greeted('server').send(frame(FRAME.headers, 0, 1, POST_BLOCK));
      for (let at = 0; at < 30; at += 1) probe.send(frame(FRAME.continuation, 0, 1, fragment));
      expect(probe.owner.violation).toBeNull();
      probe.send(frame(FRAME.continuation, 0, 1, fragment), frame(FRAME.continuation, 0, 1, fragment));
      expect(probe.owner.violation).toEqual({ kind: 'flood', code: CODE.enhanceYourCalm });
      expect(probe.owner.idle).toBe(fragment === '' ? 32 : 0);
    }
  });

  it('CONTINUATION: ends a block of more octets than could be answered for', () => {
    const probe = EndpointProbe.greeted('server').send(frame(FRAME.headers, 0, 1, POST_BLOCK));
    let bytes = 0;
    while (probe.owner.violation === null) {
      probe.send(frame(FRAME.continuation, 0, 1, Buffer.alloc(16_384)));
      bytes += 16_384;
    }
    expect(bytes).toBeLessThanOrEqual(2 * LIMITS.maxFieldSectionBytes + 65_536 + 16_384);
    expect(probe.owner.violation.kind).toBe('flood');
  });

  it.each([
    ['PING', frame(FRAME.ping, 0, 0, '12345678')],
    ['answers to no PING', frame(FRAME.ping, FLAG.ack, 0, '12345678')],
    ['SETTINGS', frame(FRAME.settings, 0, 0)],
    ['PRIORITY', frame(FRAME.priority, 0, 3, Buffer.alloc(5))],
    ['frames of unknown types', frame(0xab, 0, 0, 'x')],
    ['empty DATA', frame(FRAME.data, 0, 1)],
    ['DATA of padding alone', frame(FRAME.data, FLAG.padded, 1, Buffer.of(1, 0))],
    ['GOAWAY', frame(FRAME.goaway, 0, 0, Buffer.alloc(8))],
  ])('%s: tells each as idle, and stops when that has been enough', (_name, flood) => {
    const probe = EndpointProbe.greeted('server').send(request(1, 0), flood);
    const before = probe.owner.idle;
    probe.owner.onTold = (word) => {
      if (word === 'idle' && probe.owner.idle >= before + 100) probe.endpoint.fail(CODE.enhanceYourCalm);
    };
    probe.send(Buffer.concat(Array.from({ length: 1_000 }, () => flood)));
    expect(probe.owner.idle).toBe(before + 100);
    expect(probe.goaways).toEqual([[1, CODE.enhanceYourCalm]]);
    expect(OPENED(probe).slice(-2)).toEqual(['reset connection', 'closed']);
    const { told } = probe.owner;
    expect(told.slice(told.lastIndexOf('idle') + 1).filter((word) => word !== 'waits')).toEqual([]);
    probe.send(flood, request(3));
    expect([probe.owner.idle, probe.owner.opened.length]).toEqual([before + 100, 1]);
  });

  it('SETTINGS: tells those that move the windows of many streams as more than one idle frame', () => {
    const probe = EndpointProbe.greeted('server', { maxConcurrentStreams: 2_000 });
    probe.send(...Array.from({ length: 1_024 }, (_, at) => request(2 * at + 1, 0)));
    const narrow = frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]));
    probe.send(narrow);
    expect(probe.owner.idle).toBe(1 + 4);
    // They are where they were told to be already.
    probe.send(narrow, narrow);
    expect(probe.owner.idle).toBe(1 + 4 + 2);
  });

  it('rapid reset: tells each stream of its reset by the peer, and keeps nothing of it', () => {
    const probe = EndpointProbe.greeted('server');
    for (let streamId = 1; streamId < 2_001; streamId += 2) {
      probe.send(request(streamId), frame(FRAME.rstStream, 0, streamId, uint32(CODE.cancel)));
    }
    expect(probe.owner.opened).toHaveLength(1_000);
    expect(OPENED(probe).filter((word) => word === `reset peer ${CODE.cancel}`)).toHaveLength(1_000);
    expect(probe.endpoint.streamCount).toBe(0);
  });

  it.each([
    ['WINDOW_UPDATE by 0', (streamId: number) => frame(FRAME.windowUpdate, 0, streamId, uint32(0))],
    ['a window that is too large', (streamId: number) => frame(FRAME.windowUpdate, 0, streamId, uint32(2 ** 31 - 1))],
    [
      'a stream that depends on itself',
      (streamId: number) => frame(FRAME.priority, 0, streamId, Buffer.concat([uint32(streamId), Buffer.of(1)])),
    ],
    ['PRIORITY of the wrong size', (streamId: number) => frame(FRAME.priority, 0, streamId, 'x')],
    ['second HEADERS', (streamId: number) => request(streamId, 0)],
    ['DATA beyond the window', (streamId: number) => frame(FRAME.data, 0, streamId, Buffer.alloc(2_000))],
    [
      'DATA after the end',
      (streamId: number) =>
        Buffer.concat([frame(FRAME.data, FLAG.endStream, streamId), frame(FRAME.data, 0, streamId, 'x')]),
    ],
  ])('made to reset: tells each stream that %s has broken', (_name, frameOf) => {
    const probe = EndpointProbe.greeted('server', { streamWindowBytes: 1_000 });
    probe.owner.onOpened = () => undefined;
    for (let streamId = 1; streamId < 201; streamId += 2) probe.send(request(streamId, 0), frameOf(streamId));
    expect(probe.resets).toHaveLength(100);
    expect(OPENED(probe).filter((word) => word.startsWith('reset violation'))).toHaveLength(100);
    expect([probe.endpoint.streamCount, probe.owner.broken]).toEqual([0, 0]);
  });

  it('made to reset: tells each stream that broke before anybody knew of it', () => {
    const probe = EndpointProbe.greeted('server', { maxConcurrentStreams: 0 });
    for (let streamId = 1; streamId < 201; streamId += 2) probe.send(request(streamId));
    expect([probe.owner.broken, probe.owner.opened.length, probe.resets.length]).toEqual([100, 0, 100]);
  });

  it('HPACK bomb: tells fields that grow beyond the limit as too large, without their octets', () => {
    const probe = EndpointProbe.greeted('server');
    const value = Buffer.alloc(4_000, 'x');
    // RFC 7541 §5.1: 4000 = 127 + 33 + 30 * 128.
    const kept = Buffer.concat([Buffer.of(0x40, 1, 0x61, 0x7f, 0xa1, 0x1e), value]);
    probe.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.concat([POST_BLOCK, kept])));
    probe.send(
      frame(
        FRAME.headers,
        FLAG.endHeaders | FLAG.endStream,
        3,
        Buffer.concat([POST_BLOCK, Buffer.alloc(16_000, 0xbe)]),
      ),
    );
    expect(probe.owner.opened.map(({ fields }) => typeof fields)).toEqual(['object', 'string']);
    expect(probe.owner.violation).toBeNull();
  });

  it('zero window: keeps what waits, and says so', () => {
    const probe = EndpointProbe.greeted('server');
    probe.send(frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(0)])), request(1));
    const channel = probe.owner.opened[0]?.channel;
    channel?.sendHeaders([':status', '200'], false);
    channel?.sendData(Buffer.alloc(100_000), null);
    probe.flush();
    expect(probe.dataOf(1)).toHaveLength(0);
    expect([channel?.isCongested, channel?.unsentBytes]).toEqual([true, 100_000]);
  });
});
