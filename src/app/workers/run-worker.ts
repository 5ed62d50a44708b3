// A worker as a process: does what it is told over the channel it was started with, and does not outlive it.

import { systemClock } from '../../core/clock.ts';
import { LogDestination } from '../../telemetry/log-destination.ts';
import { createLogWriter } from '../../telemetry/log-writer.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { LOG_FLUSH_MS, MAX_PENDING_LOG_BYTES } from '../log-limits.ts';
import { StartError } from '../start-error.ts';
import { BEAT_MS, type FromWorker, MAX_SILENCE_MS, readToWorker, type ToWorker } from './messages.ts';
import { PrimaryWatch } from './primary-watch.ts';
import { Serving } from './serving.ts';
import { sharedOffsetMs } from './shared-time.ts';
import type { StartMessage } from './worker-slot.ts';

const EXIT_FAILURE = 1;

/** Returns at once; the process ends when it is told to, or when nobody is left to tell it. @throws {StartError} when nobody started it. */
export function runWorker(): void {
  if (process.send === undefined) {
    throw new StartError(['sallyport: `worker` is started by `sallyport run`, where the configuration has `workers`']);
  }
  const destination = new LogDestination(createLogWriter(process.stdout), MAX_PENDING_LOG_BYTES);
  const log = createLogger({ level: 'info', destination });
  let serving: Serving | null = null;

  const exit = (exitCode: number): never => {
    try {
      serving?.flush();
    } finally {
      destination.flushSync(LOG_FLUSH_MS);
      process.exit(exitCode);
    }
  };
  const die = (err: unknown): void => {
    log.fatal({ err }, 'uncaught error, ending');
    exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  // Sent to all processes at once by a terminal or a service manager; when to end is for the first of them to say.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => undefined);
  // Nobody says any more what is revoked.
  process.on('disconnect', () => exit(EXIT_FAILURE));

  const offsetMs = sharedOffsetMs(systemClock);
  const watch = new PrimaryWatch({
    clock: systemClock,
    maxSilenceMs: MAX_SILENCE_MS,
    // After the phase of the event loop in which channels are read.
    afterReading: (callback) => void setImmediate(callback),
    onSilence: () => {
      log.fatal('the process that says what is in force is silent, ending');
      exit(EXIT_FAILURE);
    },
  });
  setInterval(() => watch.look(), BEAT_MS);

  const start = async (message: StartMessage): Promise<void> => {
    log.level = message.config.log.level;
    serving = new Serving(message, { log, destination, assertCurrent: () => watch.assertCurrent() });
    try {
      await serving.listen();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      await tell({ kind: 'refused', lines: error.message.split('\n') });
      exit(EXIT_FAILURE);
    }
    await tell({ kind: 'in-force', sequence: serving.sequence });
    await tell({ kind: 'listening' });
  };
  const leave = async (): Promise<void> => {
    serving?.close();
    // The others may have to drain for long, and figures are asked for meanwhile.
    await tellReport();
    await destination.flush(LOG_FLUSH_MS);
    process.exit(0);
  };
  const obey = async (message: ToWorker): Promise<void> => {
    switch (message.kind) {
      case 'start':
        return start(message);
      case 'change':
        serving?.apply(message.sequence, message.change);
        return tellInForce();
      case 'beat':
        watch.heard(message.saidMs - offsetMs);
        return tellInForce();
      case 'reverify':
        serving?.reverify();
        return;
      case 'report':
        return tellReport();
      case 'drain':
        await serving?.drain();
        return leave();
      case 'end':
        return leave();
    }
  };
  const tellReport = async (): Promise<void> => {
    if (serving !== null) await tell({ kind: 'report', metrics: await serving.report() });
  };
  const tellInForce = async (): Promise<void> => {
    if (serving !== null) await tell({ kind: 'in-force', sequence: serving.sequence });
  };
  process.on('message', (message) => void obey(readToWorker(message)));
  void tell({ kind: 'up' });
}

/** Resolves when it has been handed over; that nobody takes it shows in the channel's end. */
function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });
}
