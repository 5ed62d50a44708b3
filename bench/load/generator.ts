// A process of the load generator. Usage: node bench/load/generator.ts PLAN; writes `start` when the measurement begins and a line of
// JSON, a LoadOutcome, when it is over; with slices, how many were answered in each.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { SecureContext } from 'node:tls';
import { fail, LoadConnection, loadClients } from './connection.ts';
import { LatencyHistogram } from './histogram.ts';
import type { LoadOutcome, LoadPlan } from './plan.ts';
import { ArrivalSchedule } from './schedule.ts';

/** Connections opened at a time, so that no queue of handshakes outlives anyone's patience. */
const BATCH = 16;
const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
const contexts = loadClients(plan);
const [beforePath, afterPath] =
  `GET ${plan.path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nX-Request-Id: 0123456789abcdef\r\n\r\n`.split(
    '#',
  );
const latency = new LatencyHistogram();
const lateness = new LatencyHistogram();
let done = 0;
let opened = 0;
let unique = 0;
let isMeasuring = false;
const connections: LoadConnection[] = [];

switch (plan.kind) {
  case 'closed':
    await openAll((connection) => {
      count(connection);
      ask(connection, nowNs());
    });
    for (const connection of connections) ask(connection, nowNs());
    await measure();
    break;
  case 'open':
    await driveOpenLoop(plan.ratePerSecond);
    break;
  case 'slices':
    await driveSlices(plan.sliceMs);
    break;
  case 'connect':
    for (let index = 0; index < plan.connections; index += 1) connectAgain();
    await measure();
    break;
  case 'idle':
    // A few at a time: thousands that ask at once are more than anybody keeps connections to an upstream for.
    await Promise.all(
      Array.from({ length: BATCH }, async (_, first) => {
        for (let index = first; index < plan.connections; index += BATCH) await openAndAsk(contextFor(index));
      }),
    );
    tell('start');
    process.stdin.on('end', () => process.exit(0)).resume();
    break;
}

function nowNs(): number {
  return performance.now() * 1e6;
}

function requestText(): string {
  if (afterPath === undefined) return beforePath ?? '';
  unique += 1;
  return `${beforePath}${process.pid.toString(36)}-${unique.toString().padStart(8, '0')}${afterPath}`;
}

function ask(connection: LoadConnection, intendedNs: number): void {
  connection.intendedNs = intendedNs;
  connection.ask(requestText());
}

function count(connection: LoadConnection): void {
  if (!isMeasuring) return;
  done += 1;
  latency.record(nowNs() - connection.intendedNs);
}

async function openAll(onAnswer: (connection: LoadConnection) => void): Promise<void> {
  while (connections.length < plan.connections) {
    const wanted = Math.min(BATCH, plan.connections - connections.length);
    await Promise.all(
      Array.from(
        { length: wanted },
        () =>
          new Promise<void>((resolve) => {
            connections.push(
              new LoadConnection(plan, contextFor(connections.length), {
                open: () => resolve(),
                answer: onAnswer,
              }),
            );
          }),
      ),
    );
  }
}

async function openAndAsk(context: SecureContext): Promise<void> {
  await new Promise<void>((resolve) => {
    const connection = new LoadConnection(plan, context, {
      open: () => ask(connection, nowNs()),
      answer: () => resolve(),
    });
  });
}

function contextFor(index: number): SecureContext {
  return contexts[index % contexts.length] ?? fail('there is no client');
}

function connectAgain(): void {
  opened += 1;
  const intendedNs = nowNs();
  const connection = new LoadConnection(plan, contextFor(opened), {
    open: () => ask(connection, intendedNs),
    answer: () => {
      count(connection);
      connection.finish();
      connectAgain();
    },
  });
}

async function driveOpenLoop(ratePerSecond: number): Promise<void> {
  const free: LoadConnection[] = [];
  let isPractising = true;
  await openAll((connection) => {
    count(connection);
    if (isPractising) ask(connection, nowNs());
    else free.push(connection);
  });
  // As fast as can be at first: a rate of a thousand would have this very code compiled in the middle of the measurement.
  for (const connection of connections) ask(connection, nowNs());
  await pause(plan.warmupMs);
  isPractising = false;
  const schedule = new ArrivalSchedule(nowNs(), ratePerSecond);
  // Since when a connection has been waiting for something to be due; what is late beyond that is our own doing.
  let readyNs = nowNs();
  const turn = (): void => {
    for (;;) {
      const connection = free.at(-1);
      if (connection === undefined) {
        readyNs = Number.NaN;
        break;
      }
      const now = nowNs();
      if (Number.isNaN(readyNs)) readyNs = now;
      const due = schedule.take(now);
      if (Number.isNaN(due)) break;
      free.pop();
      if (isMeasuring) lateness.record(now - Math.max(due, readyNs));
      ask(connection, due);
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
  await openAll((connection) => {
    answered += 1;
    if (performance.now() < untilMs) {
      ask(connection, 0);
      return;
    }
    underWay -= 1;
    if (underWay === 0) tell(String(answered));
  });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', () => {
    answered = 0;
    underWay = connections.length;
    untilMs = performance.now() + sliceMs;
    for (const connection of connections) ask(connection, 0);
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
  return connections.reduce((sum, { bytes }) => sum + bytes, 0);
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
