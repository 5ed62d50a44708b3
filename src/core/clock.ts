// Time as an argument: wall time decides validity, monotonic time decides deadlines.

export interface Clock {
  /** Milliseconds since the Unix epoch; may jump both ways. */
  wallMs(): number;
  /** Milliseconds from an arbitrary start; never goes back. Fractional, sub-microsecond resolution. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** Calls back once, after `delayMs`; returns the way out. */
export type Schedule = (delayMs: number, callback: () => void) => () => void;

export const systemSchedule: Schedule = (delayMs, callback) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};
