// What a process of the load generator is told, and what it tells.

import type { HistogramCells } from './histogram.ts';

export type LoadPlan = {
  readonly target: Target;
  readonly asks: Asks;
  /** Holds `bundle.pem` and, for each client, `client-N.pem` and `client-N.key`. */
  readonly directory: string;
  readonly clients: number;
  readonly connections: number;
  readonly warmupMs: number;
  readonly measureMs: number;
} & LoadKind;

/** A port of loopback, or the path of a Unix socket. */
export type Target =
  | { readonly kind: 'mtls'; readonly port: number }
  | { readonly kind: 'plain'; readonly at: number | string };

export type Asks = Http1Asks | Http2Asks | TcpAsks;

export interface Http1Asks {
  readonly protocol: 'http1';
  /** Of GET. `#` in it stands for a number that no other request of the process has. */
  readonly path: string;
}

export interface TcpAsks {
  readonly protocol: 'tcp';
  /** `down`: bytes without end, read as fast as they come; `up`: the same, sent; `echo`: a byte, and the same byte back. */
  readonly direction: 'down' | 'up' | 'echo';
}

export interface Http2Asks {
  readonly protocol: 'http2';
  readonly path: string;
  /** Of a connection, at a time. */
  readonly streams: number;
  /** A message of gRPC in base64, to be sent by POST; null is GET. */
  readonly message: string | null;
  /** What every answer has to begin with, in base64. */
  readonly answer: string;
}

export type LoadKind =
  /** Every connection, or stream of one, asks again as soon as it was answered. */
  | { readonly kind: 'closed' }
  /** Requests are due at a constant rate and wait for a free connection; latency counts from when they were due. */
  | { readonly kind: 'open'; readonly ratePerSecond: number }
  /** As `closed`, for the time of a slice whenever standard input says so, and until all of it is answered. */
  | { readonly kind: 'slices'; readonly sliceMs: number }
  /** Each of the connections is made, asks once, and is made again. */
  | { readonly kind: 'connect' }
  /** Connections are made, each asks once, and then they stay until standard input ends. */
  | { readonly kind: 'idle' };

export interface LoadOutcome {
  /** Of `closed` and `open` requests, of `connect` connections. */
  readonly done: number;
  readonly elapsedMs: number;
  readonly bytes: number;
  /** Of the generator itself, user and system. */
  readonly cpuMs: number;
  /** That it was ready to run and something else had its CPU; null where the kernel does not tell. */
  readonly waitedMs: number | null;
  /** Nanoseconds. */
  readonly latency: HistogramCells;
  /** How late the generator itself sent what was due although a connection was free; nanoseconds. */
  readonly lateness: HistogramCells;
}
