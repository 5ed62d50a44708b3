// How long to wait before the next attempt to reach the agent: longer with each that fails, never so long that our SVID runs out meanwhile.
// SPIFFE_Workload_Endpoint.md §6

const FIRST_CEILING_MS = 100;
const MIN_CEILING_MS = 1_000;
const MAX_CEILING_MS = 30_000;
const MAX_DOUBLINGS = 30;

/**
 * Anything from zero up to a ceiling that doubles with each attempt ("full jitter"), so that workloads that lost their agent together do not
 * come back together. `random` is from 0 to 1.
 */
export function backoffMs(failedAttempts: number, maxMs: number, random: number): number {
  return random * Math.min(maxMs, FIRST_CEILING_MS * 2 ** Math.min(failedAttempts, MAX_DOUBLINGS));
}

/** The longest wait while the SVID in use still lives this long: several attempts always fit. */
export function maxBackoffMs(remainingLifeMs: number): number {
  return Math.min(MAX_CEILING_MS, Math.max(MIN_CEILING_MS, remainingLifeMs / 4));
}
