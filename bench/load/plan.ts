// What a process of the load generator is told, and what it tells.

import type { HistogramCells } from './histogram.ts';

/** `#` in a path stands for a number that no other request of the process has. */
export type LoadPlan = {
  readonly port: number;
  /** Holds `bundle.pem` and, for each client, `client-N.pem` and `client-N.key`; null is TLS without a client certificate. */
  readonly directory: string;
  readonly clients: number;
  readonly connections: number;
  readonly path: string;
  readonly warmupMs: number;
  readonly measureMs: number;
} & LoadKind;

export type LoadKind =
  /** Every connection asks again as soon as it was answered. */
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
