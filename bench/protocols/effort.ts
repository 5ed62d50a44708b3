// How long the comparison of protocols takes.

import type { PairedEffort } from '../proxy/paired.ts';

interface Period {
  readonly rounds: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface ProtocolEffort {
  /** Of each proxy, before any of its rounds. */
  readonly warmUpMs: number;
  readonly saturation: Period;
  readonly latency: Period;
  readonly paired: PairedEffort;
  /** Of TCP: bytes one way, and new connections. */
  readonly streaming: Period;
  readonly connecting: Period;
}

export const FULL_PROTOCOLS: ProtocolEffort = {
  warmUpMs: 2_500,
  saturation: { rounds: 3, warmupMs: 400, measureMs: 2_000 },
  latency: { rounds: 3, warmupMs: 500, measureMs: 1_500 },
  paired: { rounds: 50, sliceMs: 80 },
  streaming: { rounds: 3, warmupMs: 300, measureMs: 2_000 },
  connecting: { rounds: 3, warmupMs: 300, measureMs: 1_500 },
};

export const QUICK_PROTOCOLS: ProtocolEffort = {
  warmUpMs: 300,
  saturation: { rounds: 1, warmupMs: 200, measureMs: 500 },
  latency: { rounds: 1, warmupMs: 100, measureMs: 500 },
  paired: { rounds: 4, sliceMs: 60 },
  streaming: { rounds: 1, warmupMs: 200, measureMs: 500 },
  connecting: { rounds: 1, warmupMs: 100, measureMs: 500 },
};

/** The same with another number of rounds; slices have theirs. */
export function withProtocolRounds(effort: ProtocolEffort, rounds: number): ProtocolEffort {
  const { saturation, latency, streaming, connecting } = effort;
  return {
    ...effort,
    saturation: { ...saturation, rounds },
    latency: { ...latency, rounds },
    streaming: { ...streaming, rounds },
    connecting: { ...connecting, rounds },
  };
}
