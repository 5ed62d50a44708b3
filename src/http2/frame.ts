// The numbers of HTTP/2 frames (RFC 9113 §6, §7, §11).

/** The beginning of what a client sends (RFC 9113 §3.4). */
export const CLIENT_PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const FRAME_HEADER_BYTES = 9;
/** RFC 9113 §4.2: what every end takes, and as much as we ever announce. */
export const MIN_MAX_FRAME_BYTES = 16_384;
export const MAX_STREAM_ID = 2 ** 31 - 1;
export const MAX_WINDOW_BYTES = 2 ** 31 - 1;
export const INITIAL_WINDOW_BYTES = 65_535;

export const FRAME_TYPE = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const SETTING = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  enableConnectProtocol: 0x8,
} as const;

export const ERROR_CODE = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  enhanceYourCalm: 0xb,
} as const;

export type ErrorCode = (typeof ERROR_CODE)[keyof typeof ERROR_CODE];

/** As how many frames of DATA octets are sent at least. */
export function dataFrames(bytes: number): number {
  return Math.ceil(bytes / MIN_MAX_FRAME_BYTES);
}
