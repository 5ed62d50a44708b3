// How long a run takes, before it does: counted from what it will measure, on a machine with nothing else to do.

import type { BenchOptions, Part } from './options.ts';
import { FULL_PROXY, type ProxyEffort, QUICK_PROXY, withRounds } from './proxy/effort.ts';
import type { ProxyPart } from './proxy/compare.ts';

/** Starting a load generator and opening its connections. */
const LOAD_START_MS = 700;
/** Bundling, certificates, upstream, and starting everybody. */
const SET_UP_MS = 12_000;
/** A connection with its handshake, on both ends. */
const IDLE_CONNECTION_MS = 1.1;
const [EVERYBODY, ONE_MODE_EACH, IN_SLICES, RATES] = [9, 5, 5, 3];
/** As it was measured: quick and at full length. */
const OTHER_SECONDS: Readonly<Record<Exclude<Part, 'proxy'>, readonly [number, number]>> = {
  decide: [15, 50],
  codec: [1, 3],
  hash: [2, 12],
  extauthz: [2, 30],
  audit: [4, 50],
  profile: [12, 30],
  readme: [0, 0],
};

export function estimateSeconds({ parts, isQuick, rounds, proxyParts }: BenchOptions): number {
  const effort = isQuick ? QUICK_PROXY : FULL_PROXY;
  const seconds = parts.map((part) =>
    part === 'proxy'
      ? proxySeconds(rounds === null ? effort : withRounds(effort, rounds), proxyParts)
      : OTHER_SECONDS[part][isQuick ? 0 : 1],
  );
  return seconds.reduce((sum, each) => sum + each, 0);
}

function proxySeconds(effort: ProxyEffort, parts: readonly ProxyPart[]): number {
  const { requests, paired, saturation, latency, handshakes, streaming, idle, start } = effort;
  const loads = (count: number, of: { rounds: number; warmupMs: number; measureMs: number }): number =>
    count * of.rounds * (of.warmupMs + of.measureMs + LOAD_START_MS);
  const milliseconds: Readonly<Record<ProxyPart, number>> = {
    requests: loads(EVERYBODY, requests),
    'requests-paired': IN_SLICES * paired.rounds * (paired.sliceMs + 10) + effort.warmUpMs + loads(1, requests),
    saturation: 2 * loads(ONE_MODE_EACH, saturation),
    latency: RATES * loads(ONE_MODE_EACH + 1, { ...latency, warmupMs: 2 * latency.warmupMs }),
    handshakes: loads(ONE_MODE_EACH, handshakes),
    streaming: loads(ONE_MODE_EACH + 1, streaming),
    idle:
      ONE_MODE_EACH *
      idle.rounds *
      (Math.max(...idle.connections) * IDLE_CONNECTION_MS + idle.connections.length * (idle.settleMs + LOAD_START_MS)),
    start: ONE_MODE_EACH * start.rounds * (start.settleMs + 200),
  };
  const warmUp = EVERYBODY * (effort.warmUpMs + LOAD_START_MS);
  return (SET_UP_MS + warmUp + parts.reduce((sum, part) => sum + milliseconds[part], 0)) / 1000;
}
