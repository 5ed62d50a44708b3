// Starts processes of the load generator, all on one CPU, and adds up what they tell.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { LatencyHistogram } from './histogram.ts';
import type { LoadOutcome, LoadPlan } from './plan.ts';

export interface LoadResult {
  readonly done: number;
  readonly elapsedMs: number;
  readonly perSecond: number;
  readonly bytes: number;
  readonly generatorCpuMs: number;
  /** Of the measurement, the share in which a process of the generator waited for its CPU. */
  readonly waitedShare: number | null;
  readonly latency: LatencyHistogram;
  readonly lateness: LatencyHistogram;
}

export interface LoadPlace {
  readonly cpu: string;
  readonly processes: number;
}

/** Load that is on for a slice of time whenever it is asked to be. */
export interface SlicedLoad {
  /** How many were answered, once all of them are. */
  slice(): Promise<number>;
  close(): Promise<void>;
}

/** Room for what some seconds leave behind, so that a measurement holds few collections of garbage or none. */
const COLLECT_SELDOM = ['--min-semi-space-size=64', '--max-semi-space-size=64'];

/** `at` is called when all processes begin to measure, and again when they have. */
export async function runLoad(
  plan: LoadPlan,
  place: LoadPlace,
  at: { readonly start: () => void; readonly end: () => void },
): Promise<LoadResult> {
  const shares = sharesOf(plan, place.processes);
  let started = 0;
  const outcomes = await Promise.all(
    shares.map((share) =>
      readOutcome(startGenerator(share, place.cpu), () => {
        started += 1;
        if (started === shares.length) at.start();
      }),
    ),
  );
  at.end();
  return mergeOutcomes(outcomes);
}

/** Connections and rate are divided; what does not divide goes to the first. */
export function sharesOf(plan: LoadPlan, processes: number): readonly LoadPlan[] {
  const count = Math.min(processes, plan.connections);
  return Array.from({ length: count }, (_, index) => {
    const connections = Math.floor(plan.connections / count) + (index < plan.connections % count ? 1 : 0);
    return plan.kind === 'open'
      ? { ...plan, connections, ratePerSecond: plan.ratePerSecond / count }
      : { ...plan, connections };
  });
}

export function mergeOutcomes(outcomes: readonly LoadOutcome[]): LoadResult {
  const latency = new LatencyHistogram();
  const lateness = new LatencyHistogram();
  let [done, bytes, generatorCpuMs, perSecond, elapsedMs] = [0, 0, 0, 0, 0];
  let waited: number | null = 0;
  for (const outcome of outcomes) {
    latency.add(LatencyHistogram.fromCells(outcome.latency));
    lateness.add(LatencyHistogram.fromCells(outcome.lateness));
    done += outcome.done;
    bytes += outcome.bytes;
    generatorCpuMs += outcome.cpuMs;
    waited = waited === null || outcome.waitedMs === null ? null : waited + outcome.waitedMs / outcome.elapsedMs;
    perSecond += (outcome.done / outcome.elapsedMs) * 1000;
    elapsedMs = Math.max(elapsedMs, outcome.elapsedMs);
  }
  const waitedShare = waited === null ? null : waited / outcomes.length;
  return { done, elapsedMs, perSecond, bytes, generatorCpuMs, waitedShare, latency, lateness };
}

/** Opens connections that stay until the returned function is called. */
export async function holdConnections(plan: LoadPlan, { cpu }: LoadPlace): Promise<() => Promise<void>> {
  const child = startGenerator(plan, cpu);
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  const failed = exited.then(() => Promise.reject(new Error('the load generator ended before its connections stood')));
  await Promise.race([firstLine(child), failed]);
  failed.catch(() => {});
  return async () => {
    child.stdin?.end();
    await exited;
  };
}

export async function startSlices(plan: LoadPlan, { cpu }: LoadPlace): Promise<SlicedLoad> {
  const child = startGenerator(plan, cpu);
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  const lines = createInterface({ input: outputOf(child) })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the load generator ended before its slices were over');
    return value;
  };
  await next();
  return {
    slice: async () => {
      child.stdin?.write('go\n');
      return Number(await next());
    },
    close: async () => {
      child.stdin?.end();
      await exited;
    },
  };
}

/**
 * In the scheduler's idle class: the open loop looks at the clock all the time, and whenever the upstream on the same CPU has
 * something to do it goes first.
 */
function startGenerator(plan: LoadPlan, cpu: string): ChildProcess {
  const idleClass = plan.kind === 'open' ? ['chrt', '--idle', '0'] : [];
  const generator = [
    process.execPath,
    ...COLLECT_SELDOM,
    join(import.meta.dirname, 'generator.ts'),
    JSON.stringify(plan),
  ];
  return spawn('taskset', ['-c', cpu, ...idleClass, ...generator], { stdio: ['pipe', 'pipe', 'inherit'] });
}

async function readOutcome(child: ChildProcess, onStart: () => void): Promise<LoadOutcome> {
  for await (const line of createInterface({ input: outputOf(child) })) {
    if (line !== 'start') return JSON.parse(line) as LoadOutcome;
    onStart();
  }
  throw new Error('the load generator ended without a result');
}

async function firstLine(child: ChildProcess): Promise<void> {
  const lines = createInterface({ input: outputOf(child) });
  await new Promise<void>((resolve) => lines.once('line', () => resolve()));
}

function outputOf({ stdout }: ChildProcess): Readable {
  if (stdout === null) throw new Error('the load generator has no standard output');
  return stdout;
}
