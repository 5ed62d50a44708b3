// What the other end says about itself in SETTINGS (RFC 9113 §6.5), in the order in which it says it.

import type { PeerSettings } from './endpoint-ports.ts';
import {
  ERROR_CODE,
  type ErrorCode,
  INITIAL_WINDOW_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  MIN_MAX_FRAME_BYTES,
  SETTING,
} from './frame.ts';

const SETTING_BYTES = 6;
const DEFAULT_TABLE_BYTES = 4_096;
const LARGEST_FRAME_BYTES = 2 ** 24 - 1;

export class ReceivedSettings implements PeerSettings {
  maxConcurrentStreams: number = MAX_STREAM_ID;
  enableConnectProtocol = false;
  initialWindowBytes: number = INITIAL_WINDOW_BYTES;
  tableBytes = DEFAULT_TABLE_BYTES;
  /** The smallest it was within the frame read last: what the encoder has to drop to before it grows again (RFC 7541 §4.2). */
  leastTableBytes = DEFAULT_TABLE_BYTES;
  readonly #peer: 'server' | 'client';

  constructor(peer: 'server' | 'client') {
    this.#peer = peer;
  }

  /** The payload of one frame, `bytes[start, end)`. @returns what is wrong with it. */
  read(bytes: Buffer, start: number, end: number): ErrorCode | null {
    if ((end - start) % SETTING_BYTES !== 0) return ERROR_CODE.frameSizeError;
    this.leastTableBytes = this.tableBytes;
    for (let at = start; at < end; at += SETTING_BYTES) {
      const error = this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
      if (error !== null) return error;
    }
    return null;
  }

  #set(identifier: number, value: number): ErrorCode | null {
    switch (identifier) {
      case SETTING.headerTableSize:
        this.tableBytes = value;
        this.leastTableBytes = Math.min(this.leastTableBytes, value);
        return null;
      case SETTING.enablePush:
        // RFC 9113 §6.5.2: a server may say 0 alone.
        return value === 0 || (value === 1 && this.#peer === 'client') ? null : ERROR_CODE.protocolError;
      case SETTING.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return null;
      case SETTING.initialWindowSize:
        if (value > MAX_WINDOW_BYTES) return ERROR_CODE.flowControlError;
        this.initialWindowBytes = value;
        return null;
      case SETTING.maxFrameSize:
        // Ours are never larger than what everybody takes.
        return value < MIN_MAX_FRAME_BYTES || value > LARGEST_FRAME_BYTES ? ERROR_CODE.protocolError : null;
      case SETTING.enableConnectProtocol:
        // RFC 8441 §3: it cannot be taken back.
        if (value > 1 || (value === 0 && this.enableConnectProtocol)) return ERROR_CODE.protocolError;
        this.enableConnectProtocol = value === 1;
        return null;
      default:
        // RFC 9113 §6.5.2: unknown ones are ignored.
        return null;
    }
  }
}
