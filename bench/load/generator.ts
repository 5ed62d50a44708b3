// A process of the load generator. Usage: node bench/load/generator.ts PLAN; writes `start` when the measurement begins and a line of
// JSON, a LoadOutcome, when it is over; with slices, how many were answered in each.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Asker, OnAnswer } from './asker.ts';
import { LatencyHistogram } from './histogram.ts';
import { createOpener } from './open.ts';
import type { LoadOutcome, LoadPlan } from './plan.ts';
import { ArrivalSchedule } from './schedule.ts';

/** Connections opened at a time, so that no queue of handshakes outlives anyone's patience. */
const BATCH = 16;
const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
const openConnection = createOpener(plan);
const latency = new LatencyHistogram();
const lateness = new LatencyHistogram();
let done = 0;
let isMeasuring = false;
const askers: Asker[] = [];

switch (plan.kind) {
  case 'closed':
    await openAll((asker) => {
      count(asker);
      ask(asker, nowNs());
    });
    for (const asker of askers) ask(asker, nowNs());
    await measure();
    break;
  case 'open':
    await driveOpenLoop(plan.ratePerSecond);
    break;
  case 'slices':
    await driveSlices(plan.sliceMs);
    break;
  case 'connect':
    for (let index = 0; index < plan.connections; index += 1) void connectAgain();
    await measure();
    break;
  case 'idle':
    // A few at a time: thousands that ask at once are more than anybody keeps connections to an upstream for.
    await Promise.all(
      Array.from({ length: BATCH }, async (_, first) => {
        for (let index = first; index < plan.connections; index += BATCH) await openAndAsk();
      }),
    );
    tell('start');
    process.stdin.on('end', () => process.exit(0)).resume();
    break;
}

function nowNs(): number {
  return performance.now() * 1e6;
}

function ask(asker: Asker, intendedNs: number): void {
  asker.intendedNs = intendedNs;
  asker.ask();
}

function count({ intendedNs }: Asker): void {
  if (!isMeasuring) return;
  done += 1;
  latency.record(nowNs() - intendedNs);
}

async function openAll(answer: OnAnswer): Promise<void> {
  for (let opened = 0; opened < plan.connections; opened += BATCH) {
    const wanted = Math.min(BATCH, plan.connections - opened);
    const found = await Promise.all(Array.from({ length: wanted }, () => openConnection(answer)));
    askers.push(...found.flat());
  }
}

async function openAndAsk(): Promise<void> {
  const answered = Promise.withResolvers<Asker>();
  for (const asker of await openConnection(answered.resolve)) ask(asker, nowNs());
  await answered.promise;
}

async function connectAgain(): Promise<void> {
  const intendedNs = nowNs();
  const opened = await openConnection((asker) => {
    count(asker);
    asker.finish();
    void connectAgain();
  });
  for (const asker of opened) ask(asker, intendedNs);
}

async function driveOpenLoop(ratePerSecond: number): Promise<void> {
  const free: Asker[] = [];
  let isPractising = true;
  await openAll((asker) => {
    count(asker);
    if (isPractising) ask(asker, nowNs());
    else free.push(asker);
  });
  // As fast as can be at first: a rate of a thousand would have this very code compiled in the middle of the measurement.
  for (const asker of askers) ask(asker, nowNs());
  await pause(plan.warmupMs);
  isPractising = false;
  const schedule = new ArrivalSchedule(nowNs(), ratePerSecond);
  // Since when an asker has been waiting for something to be due; what is late beyond that is our own doing.
  let readyNs = nowNs();
  const turn = (): void => {
    for (;;) {
      const asker = free.at(-1);
      if (asker === undefined) {
        readyNs = Number.NaN;
        break;
      }
      const now = nowNs();
      if (Number.isNaN(readyNs)) readyNs = now;
      const due = schedule.take(now);
      if (Number.isNaN(due)) break;
      free.pop();
      if (isMeasuring) lateness.record(now - Math.max(due, readyNs));
      ask(asker, due);
    }
    // Timers are a millisecond wide, ten requests at ten thousand a second; so time is looked at in every turn of the loop.
    setImmediate(turn);
  };
  turn();
  await measure();
}

/** Every slice ends with all of its requests answered, so that whoever counts CPU counts the same requests. */
async function driveSlices(sliceMs: number): Promise<void> {
  let untilMs = 0;
  let answered = 0;
  let underWay = 0;
  await openAll((asker) => {
    answered += 1;
    if (performance.now() < untilMs) {
      ask(asker, 0);
      return;
    }
    underWay -= 1;
    if (underWay === 0) tell(String(answered));
  });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', () => {
    answered = 0;
    underWay = askers.length;
    untilMs = performance.now() + sliceMs;
    for (const asker of askers) ask(asker, 0);
  });
  lines.on('close', () => process.exit(0));
  tell('start');
}

async function measure(): Promise<never> {
  await pause(plan.warmupMs);
  tell('start');
  isMeasuring = true;
  const startMs = performance.now();
  const bytesBefore = bytesSoFar();
  const cpuBefore = process.cpuUsage();
  const waitedBefore = waitedMs();
  await pause(plan.measureMs);
  const cpu = process.cpuUsage(cpuBefore);
  const outcome: LoadOutcome = {
    done,
    elapsedMs: performance.now() - startMs,
    bytes: bytesSoFar() - bytesBefore,
    cpuMs: (cpu.user + cpu.system) / 1000,
    waitedMs: waitedBefore === null ? null : (waitedMs() ?? Number.NaN) - waitedBefore,
    latency: latency.toCells(),
    lateness: lateness.toCells(),
  };
  tell(JSON.stringify(outcome));
  process.exit(0);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Of the main thread, from the kernel's accounting: ran, waited, times run. */
function waitedMs(): number | null {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    // A kernel without schedstat.
    return null;
  }
}

function bytesSoFar(): number {
  return askers.reduce((sum, { bytes }) => sum + bytes, 0);
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
