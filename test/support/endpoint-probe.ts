// One end of an HTTP/2 connection that is told frames made by hand, and the frames it answers with.

import { Http2Endpoint } from '../../src/http2/endpoint.ts';
import type { EndpointLimits } from '../../src/http2/endpoint-ports.ts';
import { flushed, LIMITS, RecordingOwner } from './http2-endpoint.ts';
import { FLAG, FRAME, type Frame, frame, framesOf, headerBlock, POST, PREFACE } from './http2-frames.ts';

export const POST_BLOCK = headerBlock(POST);
export const OK_BLOCK = headerBlock([[':status', '200']]);

/** HEADERS of a whole request, or of its beginning. */
export function request(streamId: number, flags: number = FLAG.endStream): Buffer {
  return frame(FRAME.headers, FLAG.endHeaders | flags, streamId, POST_BLOCK);
}

export class EndpointProbe {
  readonly owner = new RecordingOwner();
  readonly endpoint: Http2Endpoint;
  /** All it has sent since it greeted. */
  readonly frames: Frame[] = [];

  private constructor(role: 'server' | 'client', limits: Partial<EndpointLimits>) {
    this.endpoint = new Http2Endpoint({ role, limits: { ...LIMITS, ...limits }, owner: this.owner });
  }

  /** Nothing has been said yet but its own greeting, which is dropped. */
  static silent(role: 'server' | 'client', limits: Partial<EndpointLimits> = {}): EndpointProbe {
    const probe = new EndpointProbe(role, limits);
    flushed(probe.endpoint);
    return probe;
  }

  static greeted(role: 'server' | 'client', limits: Partial<EndpointLimits> = {}): EndpointProbe {
    const probe = EndpointProbe.silent(role, limits);
    if (role === 'server') probe.endpoint.receive(Buffer.from(PREFACE));
    probe.endpoint.receive(Buffer.concat([frame(FRAME.settings, 0, 0), frame(FRAME.settings, FLAG.ack, 0)]));
    flushed(probe.endpoint);
    probe.owner.told.length = 0;
    return probe;
  }

  send(...frames: readonly Buffer[]): this {
    this.endpoint.receive(Buffer.concat(frames));
    return this.flush();
  }

  flush(): this {
    this.frames.push(...framesOf(flushed(this.endpoint)).frames);
    return this;
  }

  of(type: number): readonly Frame[] {
    return this.frames.filter((each) => each.type === type);
  }

  /** `[stream, code]` of each RST_STREAM. */
  get resets(): readonly (readonly [number, number])[] {
    return this.of(FRAME.rstStream).map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)]);
  }

  /** `[last stream, code]` of each GOAWAY. */
  get goaways(): readonly (readonly [number, number])[] {
    return this.of(FRAME.goaway).map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)]);
  }

  /** `[stream, increment]` of each WINDOW_UPDATE. */
  get updates(): readonly (readonly [number, number])[] {
    return this.of(FRAME.windowUpdate).map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)]);
  }

  /** The DATA of a stream, whole. */
  dataOf(streamId: number): Buffer {
    return Buffer.concat(
      this.of(FRAME.data)
        .filter((each) => each.streamId === streamId)
        .map(({ payload }) => payload),
    );
  }
}
