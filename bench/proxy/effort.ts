// How long the comparison takes: enough for figures to believe in, or enough to see that everything works.

import type { PairedEffort } from './paired.ts';

export interface ProxyEffort {
  /** Of each proxy, before any of its rounds. */
  readonly warmUpMs: number;
  /** CPU per request with 64 connections. */
  readonly requests: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  /** Modes against each other, in slices. */
  readonly paired: PairedEffort;
  /** Requests per second with one connection and with many. */
  readonly saturation: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  readonly latency: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  readonly handshakes: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  readonly streaming: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  readonly idle: { readonly rounds: number; readonly connections: readonly number[]; readonly settleMs: number };
  readonly start: { readonly rounds: number; readonly settleMs: number };
}

export const FULL_PROXY: ProxyEffort = {
  warmUpMs: 3_000,
  requests: { rounds: 3, warmupMs: 500, measureMs: 5_000 },
  paired: { rounds: 100, sliceMs: 80 },
  saturation: { rounds: 3, warmupMs: 400, measureMs: 1_200 },
  latency: { rounds: 3, warmupMs: 500, measureMs: 2_000 },
  handshakes: { rounds: 3, warmupMs: 300, measureMs: 2_500 },
  streaming: { rounds: 3, warmupMs: 300, measureMs: 2_500 },
  idle: { rounds: 2, connections: [1_000, 5_000], settleMs: 1_000 },
  start: { rounds: 3, settleMs: 500 },
};

export const QUICK_PROXY: ProxyEffort = {
  warmUpMs: 1_000,
  requests: { rounds: 1, warmupMs: 300, measureMs: 1_000 },
  paired: { rounds: 12, sliceMs: 60 },
  saturation: { rounds: 1, warmupMs: 200, measureMs: 500 },
  latency: { rounds: 1, warmupMs: 250, measureMs: 600 },
  handshakes: { rounds: 1, warmupMs: 200, measureMs: 1_000 },
  streaming: { rounds: 1, warmupMs: 200, measureMs: 1_000 },
  idle: { rounds: 1, connections: [1_000], settleMs: 500 },
  start: { rounds: 1, settleMs: 500 },
};

/** The same with another number of rounds throughout. */
export function withRounds(effort: ProxyEffort, rounds: number): ProxyEffort {
  const { requests, saturation, latency, handshakes, streaming, idle, start } = effort;
  return {
    ...effort,
    requests: { ...requests, rounds },
    saturation: { ...saturation, rounds },
    latency: { ...latency, rounds },
    handshakes: { ...handshakes, rounds },
    streaming: { ...streaming, rounds },
    idle: { ...idle, rounds },
    start: { ...start, rounds },
  };
}
