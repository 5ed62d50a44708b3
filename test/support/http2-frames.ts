// HTTP/2 by hand: frames and header blocks as bytes, written here once more so that ours is not its own witness.

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const CODE = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export const SETTING = { maxConcurrentStreams: 3 } as const;

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEADER_OCTETS = 9;
const MAX_FRAME_OCTETS = 16_384;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const header = Buffer.alloc(HEADER_OCTETS);
  header.writeUIntBE(bytes.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, bytes]);
}

/** The whole frames that `bytes` begin with, and what is left. */
export function framesOf(bytes: Buffer): { readonly frames: readonly Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= HEADER_OCTETS) {
    const end = at + HEADER_OCTETS + bytes.readUIntBE(at, 3);
    if (bytes.length < end) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      streamId: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + HEADER_OCTETS, end),
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** RFC 7541 §6.2.2, literal without indexing and without Huffman: any octets at all. */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

/** In as many frames as it takes. */
export function headers(streamId: number, fields: readonly (readonly [string, string])[], end = false): Buffer {
  const block = headerBlock(fields);
  const pieces = Math.max(1, Math.ceil(block.length / MAX_FRAME_OCTETS));
  return Buffer.concat(
    Array.from({ length: pieces }, (_, at) => {
      const flags = (at === 0 && end ? FLAG.endStream : 0) | (at === pieces - 1 ? FLAG.endHeaders : 0);
      const piece = block.subarray(at * MAX_FRAME_OCTETS, (at + 1) * MAX_FRAME_OCTETS);
      return frame(at === 0 ? FRAME.headers : FRAME.continuation, flags, streamId, piece);
    }),
  );
}

export function data(streamId: number, bytes: string | Buffer, end = false): Buffer {
  return frame(FRAME.data, end ? FLAG.endStream : 0, streamId, Buffer.from(bytes));
}

export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [at, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  }
  return frame(FRAME.settings, 0, 0, payload);
}

export function reset(streamId: number, code: number): Buffer {
  return frame(FRAME.rstStream, 0, streamId, uint32(code));
}

export function goaway(lastStreamId: number, code: number): Buffer {
  return frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code)]));
}

/** A 32-bit number as the payload of RST_STREAM or WINDOW_UPDATE. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const GET: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'registry'],
  [':path', '/x'],
];

export const POST: readonly (readonly [string, string])[] = [[':method', 'POST'], ...GET.slice(1)];

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([prefixedInteger(bytes.length), bytes]);
}

/** RFC 7541 §5.1, with a prefix of seven bits. */
function prefixedInteger(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const octets = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128);
  octets.push(rest);
  return Buffer.from(octets);
}
