// Monotonic time that means the same in every process of this machine: both clocks count the same ticks, each from its own start.

import type { Clock } from '../../core/clock.ts';

const NANOSECONDS_PER_MS = 1e6;

/** To be added to what `clock` says, which has to be the system's. */
export function sharedOffsetMs(clock: Pick<Clock, 'monotonicMs'>): number {
  return Number(process.hrtime.bigint()) / NANOSECONDS_PER_MS - clock.monotonicMs();
}
