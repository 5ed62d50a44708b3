// Frames out of octets, however those are cut (RFC 9113 §4.1). DATA is passed on as it comes; of every other frame at most one is held.

import { octetAt } from '../http1/octets.ts';
import {
  CLIENT_PREFACE,
  ERROR_CODE,
  type ErrorCode,
  FLAG,
  FRAME_HEADER_BYTES,
  FRAME_TYPE,
  MIN_MAX_FRAME_BYTES,
} from './frame.ts';

/** Who is told of frames may stop the reader at any time. */
export interface FrameSink {
  /** The header of a frame has come, which is in the reader's fields until the next one; its size is allowed. */
  frameBegins(): void;
  /** Of a type we know, but DATA: `bytes[start, end)`. */
  payload(bytes: Buffer, start: number, end: number): void;
  /** DATA: `paddingBytes` of its length are no data. */
  dataBegins(paddingBytes: number): void;
  /** A piece of it, never empty. */
  data(bytes: Buffer): void;
  dataEnds(): void;
  malformed(code: ErrorCode): void;
}

const NOTHING = Buffer.alloc(0);

type Part = 'preface' | 'header' | 'payload' | 'data-padding' | 'data' | 'skipped';

export class FrameReader {
  type = 0;
  flags = 0;
  streamId = 0;
  /** Of the payload, padding and all. */
  length = 0;
  readonly #sink: FrameSink;
  #part: Part;
  /** Octets of the part that are still to come, or in `#held`. */
  #missing: number;
  /** A part that came in pieces. */
  #held = NOTHING;
  #heldBytes = 0;
  readonly #header = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES);
  #paddingBytes = 0;
  #frames = 0;
  #isStopped = false;

  constructor(sink: FrameSink, role: 'server' | 'client') {
    this.#sink = sink;
    this.#part = role === 'server' ? 'preface' : 'header';
    this.#missing = role === 'server' ? CLIENT_PREFACE.length : FRAME_HEADER_BYTES;
  }

  /** How many frames have begun. */
  get frames(): number {
    return this.#frames;
  }

  /** Which frame it is of which some has come and some has not, the first being 1; null for none, and for DATA, which is told as it comes. */
  get unfinished(): number | null {
    switch (this.#part) {
      case 'header':
        return this.#missing < FRAME_HEADER_BYTES ? this.#frames + 1 : null;
      case 'payload':
        return this.#frames;
      case 'skipped':
        return this.type === FRAME_TYPE.data ? null : this.#frames;
      case 'preface':
      case 'data-padding':
      case 'data':
        return null;
    }
  }

  /** Nothing more is told, not even of what is being read. */
  stop(): void {
    this.#isStopped = true;
    this.#held = NOTHING;
  }

  /** `bytes` are not referred to when this has returned. @returns how many frames have begun in them. */
  read(bytes: Buffer): number {
    const before = this.#frames;
    let at = 0;
    while (at < bytes.length && !this.#isStopped) {
      const end = Math.min(bytes.length, at + this.#missing);
      switch (this.#part) {
        case 'preface':
          this.#readPreface(bytes, at, end);
          break;
        case 'header':
          this.#readHeader(bytes, at, end);
          break;
        case 'payload':
          this.#readPayload(bytes, at, end);
          break;
        case 'data-padding':
          this.#beginData(octetAt(bytes, at), 1);
          break;
        case 'data':
          this.#missing -= end - at;
          this.#sink.data(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
          if (this.#missing === 0) this.#skip(this.#paddingBytes);
          break;
        case 'skipped':
          this.#skip(this.#missing - (end - at));
          break;
      }
      at = end;
    }
    return this.#frames - before;
  }

  #readPreface(bytes: Buffer, at: number, end: number): void {
    const from = CLIENT_PREFACE.length - this.#missing;
    if (bytes.compare(CLIENT_PREFACE, from, from + end - at, at, end) !== 0) {
      this.#sink.malformed(ERROR_CODE.protocolError);
      return;
    }
    this.#missing -= end - at;
    if (this.#missing === 0) this.#expectHeader();
  }

  #readHeader(bytes: Buffer, at: number, end: number): void {
    if (end - at === FRAME_HEADER_BYTES) {
      this.#begin(bytes, at);
      return;
    }
    bytes.copy(this.#header, FRAME_HEADER_BYTES - this.#missing, at, end);
    this.#missing -= end - at;
    if (this.#missing === 0) this.#begin(this.#header, 0);
  }

  #begin(bytes: Buffer, at: number): void {
    this.#frames += 1;
    this.length = (octetAt(bytes, at) << 16) | (octetAt(bytes, at + 1) << 8) | octetAt(bytes, at + 2);
    this.type = octetAt(bytes, at + 3);
    this.flags = octetAt(bytes, at + 4);
    // RFC 9113 §4.1: the first bit is reserved.
    this.streamId = bytes.readUInt32BE(at + 5) & 0x7f_ff_ff_ff;
    if (this.length > MIN_MAX_FRAME_BYTES) {
      this.#sink.malformed(ERROR_CODE.frameSizeError);
      return;
    }
    this.#sink.frameBegins();
    if (this.#isStopped) return;
    this.#missing = this.length;
    if (this.type === FRAME_TYPE.data) this.#beginDataFrame();
    else if (this.type > FRAME_TYPE.continuation) this.#skipUnknown();
    else if (this.length === 0) this.#endPayload(bytes, at, at);
    else this.#part = 'payload';
  }

  #readPayload(bytes: Buffer, at: number, end: number): void {
    if (end - at === this.length) {
      this.#endPayload(bytes, at, end);
      return;
    }
    if (this.#heldBytes === 0) this.#held = Buffer.allocUnsafe(this.length);
    bytes.copy(this.#held, this.#heldBytes, at, end);
    this.#heldBytes += end - at;
    this.#missing -= end - at;
    if (this.#missing > 0) return;
    const held = this.#held;
    this.#held = NOTHING;
    this.#heldBytes = 0;
    this.#endPayload(held, 0, this.length);
  }

  #endPayload(bytes: Buffer, start: number, end: number): void {
    this.#expectHeader();
    this.#sink.payload(bytes, start, end);
  }

  #beginDataFrame(): void {
    if ((this.flags & FLAG.padded) === 0) this.#beginData(0, 0);
    // RFC 9113 §4.2: too small for what it must contain.
    else if (this.length === 0) this.#sink.malformed(ERROR_CODE.frameSizeError);
    else {
      this.#part = 'data-padding';
      this.#missing = 1;
    }
  }

  #beginData(paddingBytes: number, lengthBytes: number): void {
    const dataBytes = this.length - lengthBytes - paddingBytes;
    // RFC 9113 §6.1: padding of the length of the payload or more.
    if (dataBytes < 0) {
      this.#sink.malformed(ERROR_CODE.protocolError);
      return;
    }
    this.#sink.dataBegins(lengthBytes + paddingBytes);
    if (this.#isStopped) return;
    this.#paddingBytes = paddingBytes;
    this.#part = 'data';
    this.#missing = dataBytes;
    if (dataBytes === 0) this.#skip(paddingBytes);
  }

  #skipUnknown(): void {
    this.#paddingBytes = 0;
    this.#part = 'skipped';
    if (this.length === 0) this.#expectHeader();
  }

  /** What is left of padding, or of a frame of an unknown type. */
  #skip(missing: number): void {
    this.#part = 'skipped';
    this.#missing = missing;
    if (missing > 0) return;
    this.#expectHeader();
    if (this.type === FRAME_TYPE.data && !this.#isStopped) this.#sink.dataEnds();
  }

  #expectHeader(): void {
    this.#part = 'header';
    this.#missing = FRAME_HEADER_BYTES;
  }
}
