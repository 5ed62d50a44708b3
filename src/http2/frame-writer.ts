// Frames as octets (RFC 9113 §6), gathered so that those of one turn are one piece of memory; large DATA stays where it is.

import type { EndpointOutput, RawFields } from './endpoint-ports.ts';
import { CLIENT_PREFACE, FLAG, FRAME_HEADER_BYTES, FRAME_TYPE, MIN_MAX_FRAME_BYTES } from './frame.ts';
import { HpackEncoder, maxBlockBytes } from './hpack-encoder.ts';

const NOTHING = Buffer.alloc(0);
// What is written is never written over, since it is sent later than it is handed over: the rest of a slab serves the next turn.
const SLAB_BYTES = 8_192;
const NO_FRAME = -1;

export class FrameWriter {
  readonly encoder = new HpackEncoder();
  /** Of frames that are no stream's DATA or fields, since the output last took more. */
  controlBytes = 0;
  #slab = NOTHING;
  /** `#slab[#from, #to)` is not among the pieces yet. */
  #from = 0;
  #to = 0;
  /** Where in the slab the frame begins that was written last, if END_STREAM can be added to it still. */
  #lastFrameAt = NO_FRAME;
  #lastStreamId = 0;
  #pieces: Buffer[] = [];
  /** For each of the pieces. */
  #written: ((() => void) | null)[] = [];
  #pendingBytes = 0;

  /** Not handed over yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  preface(): void {
    this.#reserve(CLIENT_PREFACE.length);
    this.#to += CLIENT_PREFACE.copy(this.#slab, this.#to);
    this.#pendingBytes += CLIENT_PREFACE.length;
  }

  /** `pairs` of identifier and value. */
  settings(pairs: readonly (readonly [identifier: number, value: number])[]): void {
    this.#control(pairs.length * 6, FRAME_TYPE.settings, 0, 0);
    for (const [identifier, value] of pairs) {
      this.#to = this.#slab.writeUInt16BE(identifier, this.#to);
      this.#to = this.#slab.writeUInt32BE(value, this.#to);
    }
  }

  settingsAck(): void {
    this.#control(0, FRAME_TYPE.settings, FLAG.ack, 0);
  }

  /** `opaque[start, start + 8)`. */
  ping(flags: number, opaque: Buffer, start: number): void {
    this.#control(8, FRAME_TYPE.ping, flags, 0);
    this.#to += opaque.copy(this.#slab, this.#to, start, start + 8);
  }

  goaway(lastStreamId: number, code: number): void {
    this.#control(8, FRAME_TYPE.goaway, 0, 0);
    this.#uint32(lastStreamId);
    this.#uint32(code);
  }

  reset(streamId: number, code: number): void {
    this.#control(4, FRAME_TYPE.rstStream, 0, streamId);
    this.#uint32(code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#control(4, FRAME_TYPE.windowUpdate, 0, streamId);
    this.#uint32(increment);
  }

  headers(streamId: number, fields: RawFields, endsStream: boolean): void {
    const flags = endsStream ? FLAG.endStream : 0;
    this.#reserve(FRAME_HEADER_BYTES + maxBlockBytes(fields));
    const start = this.#to + FRAME_HEADER_BYTES;
    const end = this.encoder.encodeInto(fields, this.#slab, start);
    if (end - start > MIN_MAX_FRAME_BYTES) {
      this.#longHeaders(streamId, Buffer.from(this.#slab.subarray(start, end)), flags);
      return;
    }
    this.#header(end - start, FRAME_TYPE.headers, flags | FLAG.endHeaders, streamId);
    this.#canEnd(streamId);
    this.#to = end;
  }

  /** `bytes[start, end)`, which is copied and at most one frame. */
  data(streamId: number, bytes: Buffer, start: number, end: number, endsStream: boolean): void {
    this.#begin(end - start, FRAME_TYPE.data, endsStream ? FLAG.endStream : 0, streamId);
    this.#canEnd(streamId);
    this.#to += bytes.copy(this.#slab, this.#to, start, end);
  }

  /** END_STREAM without data. */
  end(streamId: number): void {
    this.#begin(0, FRAME_TYPE.data, FLAG.endStream, streamId);
  }

  /** At most one frame, which is not copied: `written` tells when it may be overwritten. */
  lentData(streamId: number, bytes: Buffer, endsStream: boolean, written: (() => void) | null): void {
    this.#reserve(FRAME_HEADER_BYTES);
    this.#header(bytes.length, FRAME_TYPE.data, endsStream ? FLAG.endStream : 0, streamId);
    this.#seal();
    this.#pieces.push(bytes);
    this.#written.push(written);
  }

  /** Adds END_STREAM to the frame written last. @returns false when that cannot be: it is another's or on its way. */
  endLast(streamId: number): boolean {
    if (this.#lastFrameAt === NO_FRAME || this.#lastStreamId !== streamId) return false;
    const at = this.#lastFrameAt + 4;
    this.#slab.writeUInt8(this.#slab.readUInt8(at) | FLAG.endStream, at);
    this.#lastFrameAt = NO_FRAME;
    return true;
  }

  /** @returns false when no more DATA should follow. */
  handOver(output: EndpointOutput): boolean {
    this.#lastFrameAt = NO_FRAME;
    this.#pendingBytes = 0;
    if (this.#pieces.length === 0) return output.write(this.#takeSlab(), null);
    this.#seal();
    const pieces = this.#pieces;
    const written = this.#written;
    this.#pieces = [];
    this.#written = [];
    let takesMore = true;
    for (const [at, piece] of pieces.entries()) takesMore = output.write(piece, written[at] ?? null);
    return takesMore;
  }

  /** For when nothing can be handed over any more. */
  drop(): void {
    const written = this.#written;
    this.#pieces = [];
    this.#written = [];
    this.#from = this.#to;
    this.#lastFrameAt = NO_FRAME;
    this.#pendingBytes = 0;
    for (const each of written) each?.();
  }

  #begin(length: number, type: number, flags: number, streamId: number): void {
    this.#reserve(FRAME_HEADER_BYTES + length);
    this.#header(length, type, flags, streamId);
  }

  #header(length: number, type: number, flags: number, streamId: number): void {
    const slab = this.#slab;
    const at = this.#to;
    slab[at] = length >> 16;
    slab[at + 1] = length >> 8;
    slab[at + 2] = length;
    slab[at + 3] = type;
    slab[at + 4] = flags;
    this.#to = slab.writeUInt32BE(streamId, at + 5);
    this.#pendingBytes += FRAME_HEADER_BYTES + length;
    this.#lastFrameAt = NO_FRAME;
  }

  #control(length: number, type: number, flags: number, streamId: number): void {
    this.#begin(length, type, flags, streamId);
    this.controlBytes += FRAME_HEADER_BYTES + length;
  }

  /** With CONTINUATIONs. */
  #longHeaders(streamId: number, block: Buffer, endStream: number): void {
    for (let at = 0; at < block.length; at += MIN_MAX_FRAME_BYTES) {
      const end = Math.min(block.length, at + MIN_MAX_FRAME_BYTES);
      const flags = (at === 0 ? endStream : 0) | (end === block.length ? FLAG.endHeaders : 0);
      this.#begin(end - at, at === 0 ? FRAME_TYPE.headers : FRAME_TYPE.continuation, flags, streamId);
      this.#to += block.copy(this.#slab, this.#to, at, end);
    }
  }

  #canEnd(streamId: number): void {
    this.#lastFrameAt = this.#to - FRAME_HEADER_BYTES;
    this.#lastStreamId = streamId;
  }

  #uint32(value: number): void {
    this.#to = this.#slab.writeUInt32BE(value, this.#to);
  }

  #reserve(bytes: number): void {
    if (this.#slab.length - this.#to >= bytes) return;
    this.#seal();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
    this.#from = 0;
    this.#to = 0;
  }

  #seal(): void {
    if (this.#from === this.#to) return;
    this.#pieces.push(this.#takeSlab());
    this.#written.push(null);
  }

  #takeSlab(): Buffer {
    const taken = this.#slab.subarray(this.#from, this.#to);
    this.#from = this.#to;
    return taken;
  }
}
