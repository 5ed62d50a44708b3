// The figures of a proxy that runs: each measurement adds one sample of each of its figures.

import { type LoadPlace, type LoadResult, holdConnections, runLoad } from '../load/run-load.ts';
import type { LoadKind, LoadPlan } from '../load/plan.ts';
import type { FigureKind, Samples } from '../samples.ts';
import { CLIENTS, type Contender, LOAD_CPU, type Site, STREAM_PATH } from './contender.ts';
import { cpuSeconds, forgetPeak, peakBytes, residentBytes } from './process-accounting.ts';
import type { Program } from './programs.ts';

export interface Running {
  readonly contender: Contender;
  readonly port: number;
  readonly program: Program;
}

export interface Bench {
  readonly site: Site;
  readonly samples: Samples;
  readonly processes: number;
}

interface Period {
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface Accounted {
  readonly load: LoadResult;
  /** Seconds of the proxy, while the load was measured. */
  readonly cpu: number;
}

const LATENCY_CONNECTIONS = 64;
const HANDSHAKE_CONNECTIONS = 8;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const PERCENTILES = [50, 90, 99, 99.9];

export async function measureRequests(
  { site, samples, processes }: Bench,
  { contender, port, program }: Running,
  { connections, ...period }: Period & { readonly connections: number },
): Promise<string> {
  const plan = planOf(site, { port, connections, path: contender.path, ...period }, { kind: 'closed' });
  const { load, cpu } = await account(plan, processes, program);
  const at = `${connections} connection${connections === 1 ? '' : 's'}`;
  const figure = (id: string, title: string, unit: string): FigureKind => ({
    id: `${id}-${connections}`,
    title: `${title}, ${at}`,
    unit,
    decimals: unit === 'µs' ? 1 : 0,
    better: unit === '/s' ? 'higher' : 'lower',
  });
  const cpuMicros = (cpu / load.done) * 1e6;
  samples.add(figure('cpu-per-request', 'CPU per request', 'µs'), contender.name, cpuMicros);
  samples.add(figure('requests-per-second', 'Requests per second at saturation', '/s'), contender.name, load.perSecond);
  samples.add(figure('busy', 'Of its CPU the proxy used', '%'), contender.name, (cpu / load.elapsedMs) * 1e5);
  const generatorMicros = (load.generatorCpuMs / load.done) * 1e3;
  samples.add(figure('generator', 'CPU of the load generator per request', 'µs'), contender.name, generatorMicros);
  return `${cpuMicros.toFixed(1)} µs CPU a request, ${load.perSecond.toFixed(0)}/s with ${at}`;
}

/** For compilers that compile what is used most: without it the first rounds would be of another program than the last. */
export async function warmUp(
  { site, processes }: Bench,
  { contender, port, program }: Running,
  milliseconds: number,
): Promise<string> {
  const period = { warmupMs: milliseconds, measureMs: 0 };
  const plan = planOf(site, { port, connections: 64, path: contender.path, ...period }, { kind: 'closed' });
  await account(plan, processes, program);
  return 'warmed up';
}

export async function measureLatency(
  { site, samples, processes }: Bench,
  { contender, port, program }: Running,
  { ratePerSecond, ...period }: Period & { readonly ratePerSecond: number },
): Promise<string> {
  const plan = planOf(
    site,
    { port, connections: LATENCY_CONNECTIONS, path: contender.path, ...period },
    { kind: 'open', ratePerSecond },
  );
  const { load } = await account(plan, processes, program);
  const at = `${ratePerSecond.toLocaleString('en')}/s`;
  for (const percent of PERCENTILES) {
    const kind = {
      id: `p${percent}-${ratePerSecond}`,
      title: `Latency p${percent} at ${at}`,
      unit: 'µs',
      decimals: 0,
      better: 'lower' as const,
    };
    samples.add(kind, contender.name, load.latency.percentile(percent) / 1e3);
  }
  samples.add(
    { id: `answered-${ratePerSecond}`, title: `Answered of ${at}`, unit: '%', decimals: 1, better: 'higher' },
    contender.name,
    (load.perSecond / ratePerSecond) * 100,
  );
  for (const percent of PERCENTILES) {
    const kind = {
      id: `lateness-p${percent}-${ratePerSecond}`,
      title: `The generator's own lateness p${percent} at ${at}`,
      unit: 'µs',
      decimals: 0,
      better: 'lower' as const,
    };
    samples.add(kind, contender.name, load.lateness.percentile(percent) / 1e3);
  }
  if (load.waitedShare !== null) {
    const title = `Of its time the generator waited for its CPU at ${at}`;
    samples.add(
      { id: `waited-${ratePerSecond}`, title, unit: '%', decimals: 1, better: 'lower' },
      contender.name,
      load.waitedShare * 100,
    );
  }
  const [p50, p99] = [50, 99].map((percent) => (load.latency.percentile(percent) / 1e3).toFixed(0));
  return `p50 ${p50} µs, p99 ${p99} µs at ${at}, generator late by ${(load.lateness.percentile(99) / 1e3).toFixed(0)} µs at p99`;
}

export async function measureHandshakes(
  { site, samples, processes }: Bench,
  { contender, port, program }: Running,
  period: Period,
): Promise<string> {
  const plan = planOf(
    site,
    { port, connections: HANDSHAKE_CONNECTIONS, path: contender.path, ...period },
    { kind: 'connect' },
  );
  const { load, cpu } = await account(plan, processes, program);
  const cpuMicros = (cpu / load.done) * 1e6;
  samples.add(
    {
      id: 'handshake',
      title: 'CPU per new connection: mTLS handshake, one request, close',
      unit: 'µs',
      decimals: 0,
      better: 'lower' as const,
    },
    contender.name,
    cpuMicros,
  );
  return `${cpuMicros.toFixed(0)} µs CPU a new connection, ${load.perSecond.toFixed(0)}/s`;
}

export async function measureStreaming(
  { site, samples }: Bench,
  { contender, port, program }: Running,
  period: Period,
): Promise<string> {
  const plan = planOf(site, { port, connections: 1, path: STREAM_PATH, ...period }, { kind: 'closed' });
  forgetPeak(program.pid);
  const { load, cpu } = await account(plan, 1, program);
  const gibibytes = load.bytes / GIB;
  const cpuMs = (cpu * 1e3) / gibibytes;
  const peak = peakBytes(program.pid) / MIB;
  samples.add(
    { id: 'stream-cpu', title: 'CPU per GiB streamed', unit: 'ms', decimals: 0, better: 'lower' },
    contender.name,
    cpuMs,
  );
  samples.add(
    { id: 'stream-rate', title: 'Streamed over one connection', unit: 'MiB/s', decimals: 0, better: 'higher' },
    contender.name,
    (load.bytes / MIB / load.elapsedMs) * 1e3,
  );
  samples.add(
    { id: 'stream-peak', title: 'Peak memory while streaming', unit: 'MiB', decimals: 0, better: 'lower' },
    contender.name,
    peak,
  );
  return `${cpuMs.toFixed(0)} ms CPU a GiB, peak ${peak.toFixed(0)} MiB`;
}

export async function accountFor(plan: LoadPlan, processes: number, cpuSoFar: () => number): Promise<Accounted> {
  let [before, after] = [Number.NaN, Number.NaN];
  const load = await runLoad(plan, placeOf(processes), {
    start: () => {
      before = cpuSoFar();
    },
    end: () => {
      after = cpuSoFar();
    },
  });
  return { load, cpu: after - before };
}

/** Of a process that has just started. */
export async function measureIdleConnections(
  { site, samples }: Bench,
  { contender, port, program }: Running,
  { connections, settleMs }: { readonly connections: readonly number[]; readonly settleMs: number },
): Promise<string> {
  const before = residentBytes(program.pid);
  const releases: (() => Promise<void>)[] = [];
  const said: string[] = [];
  let open = 0;
  for (const wanted of connections) {
    const period = { warmupMs: 0, measureMs: 0 };
    const plan = planOf(site, { port, connections: wanted - open, path: contender.path, ...period }, { kind: 'idle' });
    releases.push(await holdConnections(plan, placeOf(1)));
    open = wanted;
    await pause(settleMs);
    const each = (residentBytes(program.pid) - before) / open / 1024;
    const title = `Memory per idle connection, ${wanted.toLocaleString('en')}`;
    samples.add(
      { id: `idle-connection-${wanted}`, title, unit: 'KiB', decimals: 1, better: 'lower' },
      contender.name,
      each,
    );
    said.push(`${each.toFixed(1)} KiB with ${wanted}`);
  }
  for (const release of releases) await release();
  return `an idle connection ${said.join(', ')}`;
}

/** Of a process that has just started and has not been asked anything. */
export async function measureStart(
  { samples }: Bench,
  { contender, program }: Running,
  { settleMs }: { readonly settleMs: number },
): Promise<string> {
  samples.add(
    { id: 'start', title: 'Start to ready', unit: 'ms', decimals: 0, better: 'lower' },
    contender.name,
    program.startMs,
  );
  await pause(settleMs);
  const resident = residentBytes(program.pid) / MIB;
  samples.add(
    { id: 'idle-memory', title: 'Idle memory', unit: 'MiB', decimals: 1, better: 'lower' },
    contender.name,
    resident,
  );
  return `ready after ${program.startMs.toFixed(0)} ms, ${resident.toFixed(1)} MiB`;
}

async function account(plan: LoadPlan, processes: number, { pid }: Program): Promise<Accounted> {
  return accountFor(plan, processes, () => cpuSeconds(pid));
}

function planOf(
  { directory }: Site,
  {
    port,
    path,
    ...plan
  }: Pick<LoadPlan, 'connections' | 'warmupMs' | 'measureMs'> & {
    readonly port: number;
    readonly path: string;
  },
  kind: LoadKind,
): LoadPlan {
  const asks = { protocol: 'http1', path } as const;
  return { directory, clients: CLIENTS, target: { kind: 'mtls', port }, asks, ...plan, ...kind };
}

function placeOf(processes: number): LoadPlace {
  return { cpu: LOAD_CPU, processes };
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((done) => setTimeout(done, milliseconds));
}
