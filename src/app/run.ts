// The sidecar as a process: logs to standard output, drains on the first signal, ends on the second, never lives on half-broken.

import { constants } from 'node:os';
import { LogDestination } from '../telemetry/log-destination.ts';
import { createLogWriter } from '../telemetry/log-writer.ts';
import { createLogger } from '../telemetry/logger.ts';
import type { Config } from './config.ts';
import { LOG_FLUSH_MS, MAX_PENDING_LOG_BYTES } from './log-limits.ts';
import { type CreatePlane, createLocalPlane } from './plane.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const EXIT_FAILURE = 1;
/** What a shell calls the end by signal n: 128 + n. */
const EXIT_SIGNAL_BASE = 128;

/**
 * Ends the process when the sidecar has drained: a log nobody reads would keep it for as long as its pipe is open.
 * @throws {StartError} when it does not start.
 */
export async function runUntilSignalled(config: Config): Promise<void> {
  const destination = new LogDestination(createLogWriter(process.stdout), MAX_PENDING_LOG_BYTES);
  const log = createLogger({ level: config.log.level, destination });
  let sidecar: Sidecar | null = null;
  const exit = (exitCode: number): void => {
    try {
      sidecar?.flush();
    } finally {
      destination.flushSync(LOG_FLUSH_MS);
      process.exit(exitCode);
    }
  };
  // Of workers, what they logged before comes first.
  const exitAfterWorkers = (exitCode: number): void => {
    if (config.workers === 1 || sidecar === null) exit(exitCode);
    else void sidecar.endWorkers().finally(() => exit(exitCode));
  };
  const die = (err: unknown): void => {
    log.fatal({ err }, 'uncaught error, ending');
    exitAfterWorkers(EXIT_FAILURE);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  const stop = new AbortController();
  const signalled = firstSignal((signal) => {
    log.warn({ signal }, 'another signal received, ending at once');
    exitAfterWorkers(EXIT_SIGNAL_BASE + constants.signals[signal]);
  });
  void signalled.then(() => stop.abort());
  try {
    sidecar = await startSidecar({
      config,
      log,
      decisionLog: destination,
      logWriteFailures: () => destination.failures,
      createPlane: await planeFor(config, destination),
      onRequest: null,
      endpointSocket: process.env['SPIFFE_ENDPOINT_SOCKET'] ?? null,
      signal: stop.signal,
    });
    log.info({ signal: await signalled }, 'signal received');
    await sidecar.drain();
    log.info('drained');
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
    log.info({ signal: await signalled }, 'signal received before the start was over, ending');
  } finally {
    await destination.flush(LOG_FLUSH_MS);
  }
  process.exit(0);
}

async function planeFor({ workers }: Config, logDestination: LogDestination): Promise<CreatePlane> {
  if (workers === 1) return createLocalPlane;
  const { fleetOn } = await import('./workers/fleet.ts');
  return fleetOn({ program: process.argv[1] ?? '', logDestination });
}

function firstSignal(onAnother: (signal: NodeJS.Signals) => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isFirst = true;
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, () => {
        if (!isFirst) onAnother(name);
        isFirst = false;
        resolve(name);
      });
    }
  });
}
