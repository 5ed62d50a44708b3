// SIGINT and SIGTERM for commands that stay: the first one ends them in order, another one at once.

import { systemClock } from '../core/clock.ts';

/** Ctrl-C in an npm script comes twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export interface StopSignal {
  readonly signal: AbortSignal;
  /** From then on signals do what they would have done without. */
  readonly release: () => void;
}

export function stopOnSignal(): StopSignal {
  const controller = new AbortController();
  let stoppedMs: number | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = systemClock.monotonicMs();
    if (stoppedMs === null) {
      stoppedMs = nowMs;
      controller.abort();
    } else if (nowMs - stoppedMs > SAME_SIGNAL_MS) {
      release();
      process.kill(process.pid, signal);
    }
  };
  const release = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return { signal: controller.signal, release };
}
