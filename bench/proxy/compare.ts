// The proxies side by side: same upstream, same certificates, same load; rounds taken in turn, so that whatever else the machine does
// falls on all alike.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figure, Samples } from '../samples.ts';
import { bundleSallyport } from './bundle.ts';
import { CADDY } from './caddy.ts';
import { CLIENTS, type Contender } from './contender.ts';
import { writeCredentials } from './credentials.ts';
import type { ProxyEffort } from './effort.ts';
import { ENVOY } from './envoy.ts';
import { HAPROXY } from './haproxy.ts';
import {
  type Bench,
  measureHandshakes,
  measureIdleConnections,
  measureLatency,
  measureRequests,
  measureStart,
  measureStreaming,
  type Running,
  warmUp,
} from './measurements.ts';
import { NGINX, NGINX_NEEDS, NGINX_TUNED, NO_PROXY, startUpstream } from './nginx.ts';
import { measurePaired, type Pair, type Turn } from './paired.ts';
import { cpuSeconds, maxOpenFiles } from './process-accounting.ts';
import { findVersion, freePort, type Program } from './programs.ts';
import { sallyportContenders } from './sallyport.ts';

export const PROXY_PARTS = [
  'requests',
  'requests-paired',
  'saturation',
  'latency',
  'handshakes',
  'streaming',
  'idle',
  'start',
] as const;

export type ProxyPart = (typeof PROXY_PARTS)[number];

export interface ProxyChoice {
  readonly effort: ProxyEffort;
  readonly parts: readonly ProxyPart[];
  /** Part of a contender's name; empty is everybody. */
  readonly contenders: readonly string[];
  /** Processes of the load generator. */
  readonly processes: number;
}

export interface ProxyFigures {
  readonly figures: readonly Figure[];
  readonly paired: readonly Figure[];
  readonly versions: Readonly<Record<string, string>>;
  /** Who could not be measured, and what would make it so. */
  readonly missing: readonly string[];
}

type Progress = (line: string) => void;

const STREAM_BYTES = 1024 ** 3;
const RATES = [1_000, 5_000, 10_000];
const MANY_CONNECTIONS = 512;
const PROGRAMS_NEEDED = [
  NGINX_NEEDS,
  ...['taskset', 'chrt'].map((program) => ({
    program,
    versionArgs: ['--version'],
    install: 'apt-get install util-linux',
  })),
];
/** One towards the peer and, should the answer be awaited, one towards the upstream. */
const FILES_PER_CONNECTION = 2.5;
/** What deciding costs shows in CPU per request; of everything else this one is measured. */
const SINGLE_MODE = 'Sallyport enforce';
/** What differs between two processes of the same program is no difference between programs. */
const TWIN = 'enforce in another process';
const PAIRS: readonly Pair[] = [
  ['enforce', 'passthrough'],
  ['enforce-log-all', 'enforce'],
  ['enforce', 'nginx'],
  [TWIN, 'enforce'],
];
/** Neighbours are what is to be told apart most finely. */
const TURNS = ['nginx', 'passthrough', 'enforce', 'enforce-log-all'];
const STREAMED_BESIDE_TUNED = {
  id: 'stream-cpu-tuned',
  title: `CPU per GiB streamed, beside ${NGINX_TUNED.name}`,
  unit: '×',
  decimals: 2,
  better: 'lower' as const,
};

export async function compareProxies(choice: ProxyChoice, progress: Progress): Promise<ProxyFigures> {
  const missing = PROGRAMS_NEEDED.filter(({ program, versionArgs }) => findVersion(program, versionArgs) === null).map(
    ({ program, install }) => `no proxy: ${program} is not installed (${install})`,
  );
  if (missing.length > 0) return { figures: [], paired: [], versions: {}, missing };
  progress('bundling Sallyport, with and without its decision');
  const everybody = [NGINX, HAPROXY, ENVOY, CADDY, ...sallyportContenders(await bundleSallyport())];
  const versions: Record<string, string> = {};
  const contenders = everybody.filter((contender) => {
    if (!isChosen(contender, choice)) return false;
    if (contender.needs === null) return true;
    const { program, versionArgs, install } = contender.needs;
    const version = findVersion(program, versionArgs);
    if (version !== null) versions[contender.name] = version;
    else missing.push(`${contender.name}: not measured, ${program} is not installed (${install})`);
    return version !== null;
  });
  const { idle } = choice.effort;
  const connections = idle.connections.filter((count) => FILES_PER_CONNECTION * count <= maxOpenFiles());
  if (connections.length < idle.connections.length)
    missing.push(`memory of ${idle.connections.at(-1)} connections: too few files may be open (ulimit -n 16384)`);
  const effort = { ...choice.effort, idle: { ...idle, connections } };
  const measured = await measureAll(contenders, { ...choice, effort }, progress);
  return { ...measured, versions, missing };
}

function isChosen({ name }: Contender, { contenders }: ProxyChoice): boolean {
  return contenders.length === 0 || contenders.some((part) => name === part || name === `Sallyport ${part}`);
}

async function measureAll(
  contenders: readonly Contender[],
  { effort, parts, processes }: ProxyChoice,
  progress: Progress,
): Promise<Pick<ProxyFigures, 'figures' | 'paired'>> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const samples = new Samples();
  const paired: Figure[] = [];
  const programs: Program[] = [];
  try {
    await writeCredentials(directory, CLIENTS);
    const upstream = await startUpstream(directory, STREAM_BYTES);
    programs.push(upstream.program);
    const bench: Bench = { site: { directory, upstreamPort: upstream.port }, samples, processes };
    const run = new Rounds(bench, programs, progress);
    const running = parts.some((part) => part !== 'idle' && part !== 'start') ? await run.startAll(contenders) : [];
    const withoutModes = running.filter(({ contender }) => isOneMode(contender));
    const single = contenders.filter((contender) => isOneMode(contender));
    await run.take(1, running, (each) => warmUp(bench, each, effort.warmUpMs));
    for (const part of parts) {
      switch (part) {
        case 'requests':
          await run.take(effort.requests.rounds, running, (each) =>
            measureRequests(bench, each, { ...effort.requests, connections: 64 }),
          );
          break;
        case 'requests-paired': {
          const turns = turnsOf(running);
          const own = contenders.filter(({ name }) => name === SINGLE_MODE);
          // As long under load as its twin: two ages of the same program are two programs to a just-in-time compiler.
          const { rounds, warmupMs, measureMs } = effort.requests;
          const agedMs = effort.warmUpMs + (parts.includes('requests') ? rounds * (warmupMs + measureMs) : 0);
          for (const twin of await run.startAll(own)) {
            progress(`${TWIN}: ${await warmUp(bench, twin, agedMs)}`);
            turns.push(turnOf(TWIN, twin));
          }
          progress(`${effort.paired.rounds} rounds of slices of ${turns.map(({ name }) => name).join(', ')}`);
          paired.push(await measurePaired(directory, turns, { ...effort.paired, pairs: PAIRS }));
          break;
        }
        case 'saturation':
          for (const connections of [1, MANY_CONNECTIONS])
            await run.take(effort.saturation.rounds, withoutModes, (each) =>
              measureRequests(bench, each, { ...effort.saturation, connections }),
            );
          break;
        case 'latency': {
          const floor = await run.startAll([NO_PROXY]);
          for (const ratePerSecond of RATES)
            await run.take(effort.latency.rounds, [...floor, ...withoutModes], (each) =>
              measureLatency(bench, each, { ...effort.latency, ratePerSecond }),
            );
          break;
        }
        case 'handshakes':
          await run.take(effort.handshakes.rounds, withoutModes, (each) =>
            measureHandshakes(bench, each, effort.handshakes),
          );
          break;
        case 'streaming': {
          const tuned = await run.startAll(contenders.includes(NGINX) ? [NGINX_TUNED] : []);
          await run.take(effort.streaming.rounds, [...tuned, ...withoutModes], (each) =>
            measureStreaming(bench, each, effort.streaming),
          );
          samples.addRatios('stream-cpu', NGINX_TUNED.name, STREAMED_BESIDE_TUNED);
          break;
        }
        case 'idle':
          await run.takeFresh(effort.idle.rounds, single, (each) => measureIdleConnections(bench, each, effort.idle));
          break;
        case 'start':
          await run.takeFresh(effort.start.rounds, single, (each) => measureStart(bench, each, effort.start));
          break;
      }
    }
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
  return { figures: samples.toFigures(NGINX.name), paired };
}

function turnsOf(running: readonly Running[]): Turn[] {
  return TURNS.flatMap((name) => {
    const found = running.find(({ contender }) => contender.name === name || contender.name === `Sallyport ${name}`);
    return found === undefined ? [] : [turnOf(name, found)];
  });
}

function turnOf(name: string, { contender, port, program }: Running): Turn {
  const asks = { protocol: 'http1', path: contender.path } as const;
  return {
    name,
    plan: { target: { kind: 'mtls', port }, asks, connections: 64 },
    cpuSeconds: () => cpuSeconds(program.pid),
  };
}

function isOneMode({ name }: Contender): boolean {
  return !name.startsWith('Sallyport ') || name === SINGLE_MODE;
}

class Rounds {
  readonly #bench: Bench;
  /** Whatever was started, for whoever has to stop it. */
  readonly #programs: Program[];
  readonly #progress: Progress;
  #started = 0;

  constructor(bench: Bench, programs: Program[], progress: Progress) {
    this.#bench = bench;
    this.#programs = programs;
    this.#progress = progress;
  }

  async startAll(contenders: readonly Contender[]): Promise<readonly Running[]> {
    const running: Running[] = [];
    for (const contender of contenders) running.push(await this.#start(contender));
    return running;
  }

  async take(rounds: number, running: readonly Running[], measure: (each: Running) => Promise<string>): Promise<void> {
    for (let round = 1; round <= rounds; round += 1) {
      for (const each of running) this.#progress(`${round}/${rounds} ${each.contender.name}: ${await measure(each)}`);
    }
  }

  /** Each in a process of its own, which ends with the measurement. */
  async takeFresh(
    rounds: number,
    contenders: readonly Contender[],
    measure: (each: Running) => Promise<string>,
  ): Promise<void> {
    for (let round = 1; round <= rounds; round += 1) {
      for (const contender of contenders) {
        const running = await this.#start(contender);
        this.#progress(`${round}/${rounds} ${contender.name}: ${await measure(running)}`);
        await running.program.stop();
      }
    }
  }

  async #start(contender: Contender): Promise<Running> {
    const { site } = this.#bench;
    this.#started += 1;
    const directory = join(site.directory, `proxy-${this.#started}`);
    mkdirSync(directory);
    const port = await freePort();
    const program = await contender.start(site, { directory, port });
    this.#programs.push(program);
    return { contender, port, program };
  }
}
