// The figures of one load over one protocol: each measurement adds one sample of each of its figures.

import type { LoadKind, LoadPlan } from '../load/plan.ts';
import { CLIENTS } from '../proxy/contender.ts';
import { type Accounted, accountFor } from '../proxy/measurements.ts';
import type { FigureKind, Samples } from '../samples.ts';
import type { Serving } from './contender.ts';

export interface ProtocolBench {
  readonly directory: string;
  readonly samples: Samples;
}

/** What is asked, and how figures of it are called. */
export interface Load extends Pick<LoadPlan, 'target' | 'asks' | 'connections'> {
  readonly id: string;
  readonly title: string;
  readonly one: string;
  readonly at: string;
}

interface Period {
  readonly warmupMs: number;
  readonly measureMs: number;
}

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const PERCENTILES = [50, 99];

/** As many as there are, one after the other as fast as they are answered. */
export async function measureSaturation(
  bench: ProtocolBench,
  serving: Serving,
  { load, period }: { readonly load: Load; readonly period: Period },
): Promise<string> {
  const { load: found, cpu } = await account(bench, serving, { load, period, kind: { kind: 'closed' } });
  const { title, one, at } = load;
  const add = adder(bench, load, serving);
  const cpuMicros = (cpu / found.done) * 1e6;
  add({ id: 'cpu', title: `${title}: CPU per ${one}, ${at}`, unit: 'µs', decimals: 1 }, cpuMicros);
  add({ id: 'rate', title: `${title}: ${one}s per second at saturation`, unit: '/s', decimals: 0 }, found.perSecond);
  add(
    { id: 'busy', title: `${title}: of its CPU the proxy used`, unit: '%', decimals: 0 },
    (cpu / found.elapsedMs) * 1e5,
  );
  const generatorMicros = (found.generatorCpuMs / found.done) * 1e3;
  const generator = `${title}: CPU of the load generator per ${one}`;
  add({ id: 'generator', title: generator, unit: 'µs', decimals: 1 }, generatorMicros);
  for (const percent of PERCENTILES)
    add(
      { id: `saturated-p${percent}`, title: `${title}: p${percent} at saturation`, unit: 'µs', decimals: 0 },
      found.latency.percentile(percent) / 1e3,
    );
  return `${title}: ${cpuMicros.toFixed(1)} µs CPU a ${one}, ${found.perSecond.toFixed(0)}/s`;
}

export async function measureAtRate(
  bench: ProtocolBench,
  serving: Serving,
  of: { readonly load: Load; readonly period: Period; readonly ratePerSecond: number },
): Promise<string> {
  const { load, period, ratePerSecond } = of;
  const { load: found } = await account(bench, serving, { load, period, kind: { kind: 'open', ratePerSecond } });
  const add = adder(bench, load, serving);
  const at = `at ${ratePerSecond.toLocaleString('en')}/s`;
  for (const percent of PERCENTILES)
    add(
      { id: `p${percent}`, title: `${load.title}: latency p${percent} ${at}`, unit: 'µs', decimals: 0 },
      found.latency.percentile(percent) / 1e3,
    );
  add(
    {
      id: 'answered',
      title: `${load.title}: answered of ${ratePerSecond.toLocaleString('en')}/s`,
      unit: '%',
      decimals: 1,
    },
    (found.perSecond / ratePerSecond) * 100,
  );
  for (const percent of PERCENTILES) {
    const kind: FigureKind = {
      id: `lateness-${load.id}-p${percent}`,
      title: `${load.title}: the generator's own lateness p${percent} ${at}`,
      unit: 'µs',
      decimals: 0,
      better: 'lower',
    };
    bench.samples.add(kind, serving.name, found.lateness.percentile(percent) / 1e3);
  }
  const [p50, p99] = PERCENTILES.map((percent) => (found.latency.percentile(percent) / 1e3).toFixed(0));
  return `${load.title}: p50 ${p50} µs, p99 ${p99} µs ${at}`;
}

/** Bytes through one connection, one way. */
export async function measureBytes(
  bench: ProtocolBench,
  serving: Serving,
  { load, period }: { readonly load: Load; readonly period: Period },
): Promise<string> {
  const { load: found, cpu } = await account(bench, serving, { load, period, kind: { kind: 'closed' } });
  const add = adder(bench, load, serving);
  const cpuMs = (cpu * 1e3) / (found.bytes / GIB);
  add({ id: 'cpu', title: `CPU per GiB ${load.title}`, unit: 'ms', decimals: 0 }, cpuMs);
  const rate = (found.bytes / MIB / found.elapsedMs) * 1e3;
  add({ id: 'rate', title: `Through one connection, ${load.title}`, unit: 'MiB/s', decimals: 0 }, rate);
  return `${cpuMs.toFixed(0)} ms CPU a GiB ${load.title}, ${rate.toFixed(0)} MiB/s`;
}

/** Connections one after the other, each from the beginning to the first byte of the upstream. */
export async function measureConnecting(
  bench: ProtocolBench,
  serving: Serving,
  { load, period }: { readonly load: Load; readonly period: Period },
): Promise<string> {
  const { load: found, cpu } = await account(bench, serving, { load, period, kind: { kind: 'connect' } });
  const add = adder(bench, load, serving);
  for (const percent of PERCENTILES)
    add(
      { id: `p${percent}`, title: `Connecting until the first byte, p${percent}`, unit: 'µs', decimals: 0 },
      found.latency.percentile(percent) / 1e3,
    );
  const cpuMicros = (cpu / found.done) * 1e6;
  add({ id: 'cpu', title: 'CPU per connection', unit: 'µs', decimals: 0 }, cpuMicros);
  return `${(found.latency.percentile(50) / 1e3).toFixed(0)} µs to connect, ${cpuMicros.toFixed(0)} µs CPU`;
}

/** For compilers that compile what is used most. */
export async function warmUp(
  bench: ProtocolBench,
  serving: Serving,
  of: { readonly load: Load; readonly ms: number },
): Promise<string> {
  const period = { warmupMs: of.ms, measureMs: 0 };
  await account(bench, serving, { load: of.load, period, kind: { kind: 'closed' } });
  return 'warmed up';
}

type AddFigure = (kind: Omit<FigureKind, 'better'>, value: number) => void;

function adder({ samples }: ProtocolBench, { id }: Load, { name }: Serving): AddFigure {
  return (kind, value) => {
    const better = kind.unit.endsWith('/s') || kind.id === 'answered' ? 'higher' : 'lower';
    samples.add({ ...kind, id: `${id}-${kind.id}`, better }, name, value);
  };
}

function account(
  { directory }: ProtocolBench,
  serving: Serving,
  { load, period, kind }: { readonly load: Load; readonly period: Period; readonly kind: LoadKind },
): Promise<Accounted> {
  const { target, asks, connections } = load;
  const plan: LoadPlan = { directory, clients: CLIENTS, target, asks, connections, ...period, ...kind };
  return accountFor(plan, 1, () => serving.cpuSeconds());
}
