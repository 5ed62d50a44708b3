// When to fetch next: as often as the publisher suggests, within bounds, and never all at the same moment.
// SPIFFE_Federation.md §4.1, §6.2, SPIFFE_Trust_Domain_and_Bundle.md §6.2

export interface FederationTiming {
  /** Bounds for the refresh hint, which a partner may set to anything. */
  readonly minRefreshMs: number;
  readonly maxRefreshMs: number;
  /** Without a hint. */
  readonly defaultRefreshMs: number;
  /** After the first failure; doubled with each further one, up to the refresh interval. */
  readonly firstRetryMs: number;
  /** For a whole fetch, redirects included. */
  readonly deadlineMs: number;
}

export const FEDERATION_TIMING: FederationTiming = {
  minRefreshMs: 60_000,
  maxRefreshMs: 86_400_000,
  defaultRefreshMs: 300_000,
  firstRetryMs: 10_000,
  deadlineMs: 30_000,
};

/** `random` is from 0 to 1. Spread over a fifth of the interval, within the bounds. */
export function refreshDelayMs(hintMs: number | null, timing: FederationTiming, random: number): number {
  return clamp(intervalMs(hintMs, timing) * (0.9 + random * 0.2), timing);
}

/** §6.2 would have a client wait for the next polling interval; it is the upper bound here, since a partner's revocation cannot wait. */
export function retryDelayMs(
  failures: number,
  hintMs: number | null,
  { timing, random }: { readonly timing: FederationTiming; readonly random: number },
): number {
  const backoffMs = Math.min(timing.firstRetryMs * 2 ** (failures - 1), intervalMs(hintMs, timing));
  return backoffMs * (0.5 + random * 0.5);
}

function intervalMs(hintMs: number | null, timing: FederationTiming): number {
  return clamp(hintMs ?? timing.defaultRefreshMs, timing);
}

function clamp(durationMs: number, { minRefreshMs, maxRefreshMs }: FederationTiming): number {
  return Math.min(Math.max(durationMs, minRefreshMs), maxRefreshMs);
}
