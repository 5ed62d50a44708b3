// How long a run takes, before it does: counted from what it will measure, on a machine with nothing else to do.

import type { BenchOptions, Part } from './options.ts';
import { FULL_PROTOCOLS, type ProtocolEffort, QUICK_PROTOCOLS, withProtocolRounds } from './protocols/effort.ts';
import type { ProtocolPart } from './protocols/compare.ts';
import { FULL_PROXY, type ProxyEffort, QUICK_PROXY, withRounds } from './proxy/effort.ts';
import type { ProxyPart } from './proxy/compare.ts';

/** Starting a load generator and opening its connections. */
const LOAD_START_MS = 700;
/** Bundling, certificates, upstream, and starting everybody. */
const SET_UP_MS = 12_000;
/** The same of the protocols, for which fewer connections are opened and one program is bundled. */
const [PROTOCOL_LOAD_START_MS, PROTOCOL_SET_UP_MS] = [400, 6_000];
/** A connection with its handshake, on both ends. */
const IDLE_CONNECTION_MS = 1.1;
const [EVERYBODY, ONE_MODE_EACH, IN_SLICES, RATES] = [9, 5, 5, 3];
/** Quick and at full length, as they were measured; all audits and the profile are reckoned. */
const OTHER_SECONDS: Readonly<Record<Exclude<Part, 'proxy' | 'protocols' | 'extauthz'>, readonly [number, number]>> = {
  decide: [11, 74],
  codec: [1, 3],
  hash: [1, 9],
  audit: [8, 50],
  profile: [12, 30],
  readme: [0, 0],
};

/** Who is compared over each protocol, with what answers in their place. */
const SERVING: Readonly<Record<ProtocolPart | 'checks', number>> = { grpc: 4, http2: 5, pair: 2, tcp: 3, checks: 1 };

export function estimateSeconds(options: BenchOptions): number {
  return options.parts.map((part) => secondsOf(part, options)).reduce((sum, each) => sum + each, 0);
}

function secondsOf(part: Part, { isQuick, rounds, proxyParts, protocolParts }: BenchOptions): number {
  switch (part) {
    case 'proxy': {
      const effort = isQuick ? QUICK_PROXY : FULL_PROXY;
      return proxySeconds(rounds === null ? effort : withRounds(effort, rounds), proxyParts);
    }
    case 'protocols':
    case 'extauthz': {
      const effort = isQuick ? QUICK_PROTOCOLS : FULL_PROTOCOLS;
      const chosen = rounds === null ? effort : withProtocolRounds(effort, rounds);
      return protocolSeconds(chosen, part === 'extauthz' ? ['checks'] : protocolParts);
    }
    case 'decide':
    case 'codec':
    case 'hash':
    case 'audit':
    case 'profile':
    case 'readme':
      return OTHER_SECONDS[part][isQuick ? 0 : 1];
  }
}

function protocolSeconds(effort: ProtocolEffort, parts: readonly (ProtocolPart | 'checks')[]): number {
  const { warmUpMs, saturation, latency, paired, streaming, connecting } = effort;
  const load = (of: { rounds: number; warmupMs: number; measureMs: number }): number =>
    of.rounds * (of.warmupMs + of.measureMs + PROTOCOL_LOAD_START_MS);
  const requests = load(saturation) + load({ ...latency, warmupMs: 2 * latency.warmupMs });
  const slices = 2 * (paired.rounds * (paired.sliceMs + 10) + PROTOCOL_LOAD_START_MS);
  const milliseconds = parts.map((part) => {
    const each = part === 'tcp' ? 2 * load(streaming) + load(connecting) : requests;
    const inTurns = part === 'tcp' || part === 'checks' ? 0 : slices;
    return SERVING[part] * (warmUpMs + PROTOCOL_LOAD_START_MS + each) + inTurns;
  });
  return (PROTOCOL_SET_UP_MS + milliseconds.reduce((sum, each) => sum + each, 0)) / 1000;
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
