// How long the comparison takes: enough for figures to believe in, or enough to see that everything works.

export interface ProxyEffort {
  /** Of each proxy, before any of its rounds. */
  readonly warmUpMs: number;
  /** CPU per request with 64 connections. */
  readonly requests: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  /** Requests per second with one connection and with many. */
  readonly saturation: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  readonly latency: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  readonly handshakes: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  readonly streaming: { readonly rounds: number; readonly warmupMs: number; readonly measureMs: number };
  readonly idle: { readonly rounds: number; readonly connections: readonly number[]; readonly settleMs: number };
  readonly start: { readonly rounds: number; readonly settleMs: number };
}

export const FULL_PROXY: ProxyEffort = {
  warmUpMs: 4_000,
  requests: { rounds: 5, warmupMs: 500, measureMs: 5_000 },
  saturation: { rounds: 3, warmupMs: 500, measureMs: 2_000 },
  latency: { rounds: 3, warmupMs: 800, measureMs: 3_000 },
  handshakes: { rounds: 3, warmupMs: 300, measureMs: 4_000 },
  streaming: { rounds: 3, warmupMs: 300, measureMs: 4_000 },
  idle: { rounds: 2, connections: [1_000, 5_000], settleMs: 1_000 },
  start: { rounds: 5, settleMs: 500 },
};

export const QUICK_PROXY: ProxyEffort = {
  warmUpMs: 1_500,
  requests: { rounds: 1, warmupMs: 500, measureMs: 1_000 },
  saturation: { rounds: 1, warmupMs: 200, measureMs: 500 },
  latency: { rounds: 1, warmupMs: 500, measureMs: 1_000 },
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
