// Frames of HTTP/2 (RFC 9113 §4 and §6), as far as both ends of the bench need them: nothing is decompressed, nothing is negotiated.

export const FRAME = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, acknowledged: 1, endHeaders: 4, padded: 8 } as const;

export const SETTING = { headerTableSize: 1, enablePush: 2, initialWindowSize: 4 } as const;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** What either end may send before it is told otherwise. */
export const INITIAL_WINDOW = 65_535;
export const LARGEST_WINDOW = 2 ** 31 - 1;
/** What of a connection's window has been used before it is given back. */
const GIVEN_BACK_BYTES = 1024 ** 2;
const HEAD_BYTES = 9;

export interface FrameKind {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

/** @returns how many bytes were taken: what is left is the beginning of a frame. */
export type OnFrame = (kind: FrameKind, payload: Buffer) => void;

export function frame({ type, flags, stream }: FrameKind, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, HEAD_BYTES);
  return bytes;
}

/** Frames that were made before, for another stream. */
export function aim(frames: Buffer, stream: number): Buffer {
  const bytes = Buffer.from(frames);
  for (let at = 0; at < bytes.length; at += HEAD_BYTES + bytes.readUIntBE(at, 3)) bytes.writeUInt32BE(stream, at + 5);
  return bytes;
}

function windowUpdate(stream: number, increment: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment);
  return frame({ type: FRAME.windowUpdate, flags: 0, stream }, payload);
}

export function settings(of: readonly (readonly [setting: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * of.length);
  for (const [index, [setting, value]] of of.entries()) {
    payload.writeUInt16BE(setting, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return frame({ type: FRAME.settings, flags: 0, stream: 0 }, payload);
}

/** Cuts what is read into frames. */
export class FrameReader {
  readonly #onFrame: OnFrame;
  #rest = Buffer.alloc(0);

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  read(received: Buffer): void {
    const bytes = this.#rest.length === 0 ? received : Buffer.concat([this.#rest, received]);
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const kind = {
        type: bytes[at + 3] ?? 0,
        flags: bytes[at + 4] ?? 0,
        stream: bytes.readUInt32BE(at + 5) % 2 ** 31,
      };
      this.#onFrame(kind, bytes.subarray(at + HEAD_BYTES, end));
      at = end;
    }
    // Copied, since the buffer is read into again.
    this.#rest = Buffer.from(bytes.subarray(at));
  }
}

/** The content of DATA without its padding. */
export function contentOf({ flags }: FrameKind, payload: Buffer): Buffer {
  return (flags & FLAG.padded) === 0 ? payload : payload.subarray(1, payload.length - (payload[0] ?? 0));
}

export function readSettings(payload: Buffer): readonly (readonly [setting: number, value: number])[] {
  return Array.from({ length: Math.floor(payload.length / 6) }, (_, index) => [
    payload.readUInt16BE(6 * index),
    payload.readUInt32BE(6 * index + 2),
  ]);
}

/** The window that we give to the other end: more of a connection's whenever enough of it was used. */
export class ReceiveWindow {
  #used = 0;

  /** Of all streams, and what there is to be said of the connection's first. */
  static readonly OPENING = windowUpdate(0, LARGEST_WINDOW - INITIAL_WINDOW);

  /** @returns what gives it back, or null. */
  take(bytes: number): Buffer | null {
    this.#used += bytes;
    if (this.#used < GIVEN_BACK_BYTES) return null;
    const update = windowUpdate(0, this.#used);
    this.#used = 0;
    return update;
  }
}
