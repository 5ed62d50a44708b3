// What each frame of the other end does, or is refused for (RFC 9113 §6).

import { octetAt } from '../http1/octets.ts';
import type { EndpointOwner, ReceivedFields } from './endpoint-ports.ts';
import type { EndpointStream } from './endpoint-stream.ts';
import { FieldBlock } from './field-block.ts';
import { ERROR_CODE, type ErrorCode, FLAG, FRAME_TYPE, MAX_WINDOW_BYTES } from './frame.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { HpackDecoder, type HpackLimits } from './hpack-decoder.ts';
import { HpackError } from './hpack-error.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { Sender } from './sender.ts';
import type { StreamTable } from './stream-table.ts';

/** A whole field block. */
export interface FieldSection {
  readonly streamId: number;
  readonly fields: ReceivedFields;
  readonly endsStream: boolean;
  /** RFC 9113 §5.3.1 has kept the form of priorities, and with it what cannot be. */
  readonly dependsOnItself: boolean;
}

/** What frames have to do with the connection as a whole. */
export interface FrameOwner {
  readonly streams: StreamTable;
  readonly sender: Sender;
  readonly window: ReceiveWindow;
  /** A connection error (RFC 9113 §5.4.1). */
  violate(code: ErrorCode): void;
  /** Nothing was wrong, but it was too much. */
  overflow(): void;
  /** A stream error (RFC 9113 §5.4.2). */
  breakStream(stream: EndpointStream, code: ErrorCode): void;
  /** The fields that begin a stream. */
  begin(section: FieldSection): void;
  settings(bytes: Buffer, start: number, end: number): void;
  settingsAck(): void;
  pingAck(): void;
  goaway(code: number, lastStreamId: number): void;
  increaseWindow(streamId: number, increment: number): void;
}

// Answers that the other end does not read.
const CONTROL_BYTES = 65_536;
// Of a block, so that a section too large can be answered; more is not even read.
const EXCESS_BYTES = 65_536;
const PRIORITY_BYTES = 5;
const PING_BYTES = 8;

export class FrameDispatch implements FrameSink {
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #block: FieldBlock;
  readonly #owner: FrameOwner;
  readonly #user: EndpointOwner;
  #hasSettings = false;
  /** The frame with which the block began that has not come as a whole. */
  #blockFrame = 0;
  /** Of the DATA frame that is being read; null when it is nobody's. */
  #dataStream: EndpointStream | null = null;

  constructor(
    owner: FrameOwner,
    user: EndpointOwner,
    { role, hpack }: { role: 'server' | 'client'; hpack: HpackLimits },
  ) {
    this.#owner = owner;
    this.#user = user;
    this.#reader = new FrameReader(this, role);
    this.#decoder = new HpackDecoder(hpack);
    this.#block = new FieldBlock(2 * hpack.maxFieldSectionBytes + EXCESS_BYTES);
  }

  get unfinished(): number | null {
    return this.#block.streamId === 0 ? this.#reader.unfinished : this.#blockFrame;
  }

  read(bytes: Buffer): number {
    return this.#reader.read(bytes);
  }

  stop(): void {
    this.#reader.stop();
    this.#block.clear();
    this.#dataStream = null;
  }

  malformed(code: ErrorCode): void {
    this.#owner.violate(code);
  }

  frameBegins(): void {
    const { type, flags, streamId } = this.#reader;
    if (this.#owner.sender.writer.controlBytes > CONTROL_BYTES) this.#owner.overflow();
    else if (!this.#hasSettings) {
      // RFC 9113 §3.4: it is the rest of the preface.
      if (type === FRAME_TYPE.settings && (flags & FLAG.ack) === 0) this.#hasSettings = true;
      else this.#owner.violate(ERROR_CODE.protocolError);
    } else if (this.#block.streamId === 0) {
      if (type === FRAME_TYPE.continuation) this.#owner.violate(ERROR_CODE.protocolError);
      else if (type > FRAME_TYPE.continuation) this.#user.idleFrame();
    } else if (type !== FRAME_TYPE.continuation || streamId !== this.#block.streamId) {
      this.#owner.violate(ERROR_CODE.protocolError);
    }
  }

  payload(bytes: Buffer, start: number, end: number): void {
    switch (this.#reader.type) {
      case FRAME_TYPE.headers:
        this.#onHeaders(bytes, start, end);
        break;
      case FRAME_TYPE.priority:
        this.#onPriority(bytes, start, end);
        break;
      case FRAME_TYPE.rstStream:
        this.#onReset(bytes, start, end);
        break;
      case FRAME_TYPE.settings:
        this.#onSettings(bytes, start, end);
        break;
      case FRAME_TYPE.pushPromise:
        // RFC 9113 §8.4: clients may not, and servers have been told not to.
        this.#owner.violate(ERROR_CODE.protocolError);
        break;
      case FRAME_TYPE.ping:
        this.#onPing(bytes, start, end);
        break;
      case FRAME_TYPE.goaway:
        this.#onGoaway(bytes, start, end);
        break;
      case FRAME_TYPE.windowUpdate:
        this.#onWindowUpdate(bytes, start, end);
        break;
      case FRAME_TYPE.continuation:
        this.#onFragment(bytes, start, end);
        break;
    }
  }

  dataBegins(paddingBytes: number): void {
    const { streamId, length, flags } = this.#reader;
    const owner = this.#owner;
    this.#dataStream = null;
    if (streamId === 0) return owner.violate(ERROR_CODE.protocolError);
    const stream = owner.streams.look(streamId);
    if (stream === 'idle') return owner.violate(ERROR_CODE.protocolError);
    // Also what is nobody's counts (RFC 9113 §6.9).
    if (!owner.window.take(length)) return owner.violate(ERROR_CODE.flowControlError);
    const increment = owner.window.giveBack(length);
    if (increment > 0) owner.increaseWindow(0, increment);
    // A client that sends a message in each frame has thousands of them under way when a stream is reset. On one that is open they would cost more.
    if (stream === 'ignored' && length > paddingBytes) return;
    if (typeof stream === 'string') return this.#onAbsent(stream);
    const error = stream.admitData(length);
    if (error !== null) return owner.breakStream(stream, error);
    this.#dataStream = stream;
    if (length === paddingBytes && (flags & FLAG.endStream) === 0) this.#user.idleFrame();
    if (paddingBytes > 0) stream.giveBack(paddingBytes);
  }

  data(bytes: Buffer): void {
    this.#dataStream?.takeData(bytes);
  }

  dataEnds(): void {
    if ((this.#reader.flags & FLAG.endStream) !== 0) this.#dataStream?.takeEnd();
    this.#dataStream = null;
  }

  /** DATA or HEADERS of a stream that there was. */
  #onAbsent(absence: 'ignored' | 'closed'): void {
    // RFC 9113 §5.1: after END_STREAM or RST_STREAM of its own, the other end sends no more.
    if (absence === 'closed') this.#owner.violate(ERROR_CODE.streamClosed);
    else this.#user.idleFrame();
  }

  #onHeaders(bytes: Buffer, start: number, end: number): void {
    const { streamId, flags } = this.#reader;
    if (streamId === 0) return this.#owner.violate(ERROR_CODE.protocolError);
    let from = start;
    let to = end;
    if ((flags & FLAG.padded) !== 0) {
      if (from === to) return this.#owner.violate(ERROR_CODE.frameSizeError);
      to -= octetAt(bytes, from);
      from += 1;
    }
    this.#block.dependsOnItself = false;
    if ((flags & FLAG.priority) !== 0) {
      if (end - from < PRIORITY_BYTES) return this.#owner.violate(ERROR_CODE.frameSizeError);
      this.#block.dependsOnItself = dependency(bytes, from) === streamId;
      from += PRIORITY_BYTES;
    }
    // RFC 9113 §6.2: padding beyond what is left.
    if (to < from) return this.#owner.violate(ERROR_CODE.protocolError);
    this.#block.endsStream = (flags & FLAG.endStream) !== 0;
    this.#block.streamId = streamId;
    this.#blockFrame = this.#reader.frames;
    if ((flags & FLAG.endHeaders) !== 0) this.#onBlock(bytes.subarray(from, to));
    else if (!this.#block.push(bytes, from, to)) this.#owner.overflow();
  }

  #onFragment(bytes: Buffer, start: number, end: number): void {
    if (start === end) this.#user.idleFrame();
    if (!this.#block.push(bytes, start, end)) this.#owner.overflow();
    else if ((this.#reader.flags & FLAG.endHeaders) !== 0) this.#onBlock(this.#block.bytes);
  }

  #onBlock(block: Buffer): void {
    const { streamId, endsStream, dependsOnItself } = this.#block;
    this.#block.clear();
    let fields: ReceivedFields;
    try {
      fields = this.#decoder.decode(block);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      this.#owner.violate(ERROR_CODE.compressionError);
      return;
    }
    const stream = this.#owner.streams.look(streamId);
    if (stream === 'ignored' || stream === 'closed') this.#onAbsent(stream);
    else if (stream === 'idle') this.#owner.begin({ streamId, fields, endsStream, dependsOnItself });
    else {
      const error = dependsOnItself ? ERROR_CODE.protocolError : stream.takeFields(fields, endsStream);
      if (error !== null) this.#owner.breakStream(stream, error);
    }
  }

  #onPriority(bytes: Buffer, start: number, end: number): void {
    const { streamId } = this.#reader;
    if (streamId === 0) return this.#owner.violate(ERROR_CODE.protocolError);
    if (end - start !== PRIORITY_BYTES) this.#breakAny(streamId, ERROR_CODE.frameSizeError);
    else if (dependency(bytes, start) === streamId) this.#breakAny(streamId, ERROR_CODE.protocolError);
    // RFC 9113 §5.3.2: whatever it says.
    else this.#user.idleFrame();
  }

  #onReset(bytes: Buffer, start: number, end: number): void {
    const { streamId } = this.#reader;
    if (streamId === 0) return this.#owner.violate(ERROR_CODE.protocolError);
    if (end - start !== 4) return this.#owner.violate(ERROR_CODE.frameSizeError);
    const stream = this.#owner.streams.look(streamId);
    if (stream === 'idle') this.#owner.violate(ERROR_CODE.protocolError);
    else if (typeof stream === 'string') this.#user.idleFrame();
    else stream.end({ kind: 'peer', code: bytes.readUInt32BE(start) });
  }

  #onSettings(bytes: Buffer, start: number, end: number): void {
    if (this.#reader.streamId !== 0) return this.#owner.violate(ERROR_CODE.protocolError);
    if ((this.#reader.flags & FLAG.ack) === 0) this.#owner.settings(bytes, start, end);
    else if (start !== end) this.#owner.violate(ERROR_CODE.frameSizeError);
    else this.#owner.settingsAck();
  }

  #onPing(bytes: Buffer, start: number, end: number): void {
    if (this.#reader.streamId !== 0) return this.#owner.violate(ERROR_CODE.protocolError);
    if (end - start !== PING_BYTES) return this.#owner.violate(ERROR_CODE.frameSizeError);
    if ((this.#reader.flags & FLAG.ack) !== 0) return this.#owner.pingAck();
    this.#owner.sender.writer.ping(FLAG.ack, bytes, start);
    this.#owner.sender.wake();
    this.#user.idleFrame();
  }

  #onGoaway(bytes: Buffer, start: number, end: number): void {
    if (this.#reader.streamId !== 0) return this.#owner.violate(ERROR_CODE.protocolError);
    if (end - start < 8) return this.#owner.violate(ERROR_CODE.frameSizeError);
    this.#owner.goaway(bytes.readUInt32BE(start + 4), bytes.readUInt32BE(start) & 0x7f_ff_ff_ff);
  }

  #onWindowUpdate(bytes: Buffer, start: number, end: number): void {
    const { streamId } = this.#reader;
    const { sender, streams } = this.#owner;
    if (end - start !== 4) return this.#owner.violate(ERROR_CODE.frameSizeError);
    const increment = bytes.readUInt32BE(start) & 0x7f_ff_ff_ff;
    if (streamId === 0) {
      if (increment === 0) return this.#owner.violate(ERROR_CODE.protocolError);
      if (sender.window + increment > MAX_WINDOW_BYTES) return this.#owner.violate(ERROR_CODE.flowControlError);
      return sender.increaseWindow(increment);
    }
    const stream = streams.look(streamId);
    if (stream === 'idle') return this.#owner.violate(ERROR_CODE.protocolError);
    if (typeof stream === 'string') return this.#user.idleFrame();
    if (increment === 0) return this.#owner.breakStream(stream, ERROR_CODE.protocolError);
    const { queue } = stream;
    if (queue.window + increment > MAX_WINDOW_BYTES)
      return this.#owner.breakStream(stream, ERROR_CODE.flowControlError);
    queue.window += increment;
    sender.schedule(stream);
  }

  /** A stream error, of the connection where there is no stream that could be reset (RFC 9113 §6.4). */
  #breakAny(streamId: number, code: ErrorCode): void {
    const stream = this.#owner.streams.look(streamId);
    if (typeof stream === 'string') this.#owner.violate(code);
    else this.#owner.breakStream(stream, code);
  }
}

function dependency(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) & 0x7f_ff_ff_ff;
}
