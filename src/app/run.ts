// The sidecar as a process: logs to standard output, drains on the first signal, ends on the second, never lives on half-broken.

import { LogDestination } from '../telemetry/log-destination.ts';
import { createLogWriter } from '../telemetry/log-writer.ts';
import { createLogger } from '../telemetry/logger.ts';
import type { Config } from './config.ts';
import { describeStartFailure, startSidecar } from './sidecar.ts';

const MAX_PENDING_LOG_BYTES = 8 * 1024 * 1024;
const LOG_FLUSH_MS = 1_000;
const EXIT_FAILURE = 1;
const EXIT_INTERRUPTED = 130;

/** @returns the exit code, once everything has ended. */
export async function runUntilSignalled(config: Config): Promise<number> {
  const destination = new LogDestination(createLogWriter(process.stdout), MAX_PENDING_LOG_BYTES);
  const log = createLogger({ level: config.log.level, destination });
  const die = (err: unknown): void => {
    log.fatal({ err }, 'uncaught error, ending');
    destination.flushSync(LOG_FLUSH_MS);
    process.exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  const signalled = firstSignal();
  try {
    const sidecar = await startSidecar({
      config,
      log,
      decisionLog: destination,
      logWriteFailures: () => destination.failures,
      onRequest: null,
    });
    const signal = await signalled;
    log.info({ signal }, 'signal received');
    for (const again of ['SIGTERM', 'SIGINT'] as const) {
      process.on(again, () => {
        destination.flushSync(LOG_FLUSH_MS);
        process.exit(EXIT_INTERRUPTED);
      });
    }
    await sidecar.drain();
    log.info('drained');
    return 0;
  } catch (error) {
    process.stderr.write(`${describeStartFailure(error)}\n`);
    return EXIT_FAILURE;
  } finally {
    await destination.flush(LOG_FLUSH_MS);
  }
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}
