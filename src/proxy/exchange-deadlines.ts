// Which deadline an exchange has missed, by how far it is and how long nothing of it has moved.

import type { ListenerLimits, UpstreamDeadlines } from './context.ts';
import type { Refusal, Termination } from './refusal.ts';

/** `expecting`: the peer holds its body back until it is told to go on. `congested`: the upstream takes no more at present. */
export type RequestPhase = 'expecting' | 'arriving' | 'congested' | 'complete';

export interface ExchangeProgress {
  readonly request: RequestPhase;
  readonly isAnswering: boolean;
  /** A call of gRPC, whose messages come when they come. */
  readonly isCall: boolean;
  readonly isTunnel: boolean;
  /** The peer takes what it is sent more slowly than it comes. */
  readonly isPeerCongested: boolean;
  /** Since anything moved. */
  readonly stillMs: number;
  /** How long the body has been waited for altogether, and what has come of it. */
  readonly bodyWaitMs: number;
  readonly requestBytes: number;
}

export interface ExchangeBounds {
  readonly limits: Pick<ListenerLimits, 'minBodyBytesPerSecond' | 'bodyGraceMs' | 'tunnelIdleTimeoutMs'>;
  readonly deadlines: UpstreamDeadlines;
}

/** `cut` ends it wherever it is; `fail` answers `refusal`, or ends what has begun by `otherwise`. */
export type Overdue =
  | { readonly kind: 'cut'; readonly termination: Termination }
  | { readonly kind: 'fail'; readonly refusal: Refusal; readonly otherwise: Termination };

const UPSTREAM_LATE: Overdue = { kind: 'fail', refusal: 'upstream-timeout', otherwise: 'upstream-failed' };

/** Of a request that has been sent on; null while nothing is late. */
export function findOverdue(of: ExchangeProgress, { limits, deadlines }: ExchangeBounds): Overdue | null {
  if (mayBeQuiet(of)) return null;
  const { request, stillMs } = of;
  if (of.isAnswering) {
    if (of.isTunnel && request === 'arriving' && !of.isPeerCongested) {
      return stillMs < limits.tunnelIdleTimeoutMs ? null : { kind: 'cut', termination: 'idle-timeout' };
    }
    if (stillMs < deadlines.bodyIdleTimeoutMs) return null;
    return of.isPeerCongested ? { kind: 'cut', termination: 'peer-stalled' } : UPSTREAM_LATE;
  }
  switch (request) {
    case 'arriving':
      if (stillMs < deadlines.bodyIdleTimeoutMs && !isBodyTooSlow(of, limits)) return null;
      return { kind: 'fail', refusal: 'body-timeout', otherwise: 'limit' };
    case 'expecting':
    case 'congested':
      return stillMs < deadlines.bodyIdleTimeoutMs ? null : UPSTREAM_LATE;
    case 'complete':
      return stillMs < deadlines.responseHeadTimeoutMs ? null : UPSTREAM_LATE;
  }
}

/** The messages of a call come when they come, in both directions, and only what is sent has to be taken. */
function mayBeQuiet({ request, isAnswering, isCall, isPeerCongested }: ExchangeProgress): boolean {
  if (!isCall || isPeerCongested) return false;
  return request === 'arriving' || (request === 'complete' && isAnswering);
}

function isBodyTooSlow({ bodyWaitMs, requestBytes }: ExchangeProgress, limits: ExchangeBounds['limits']): boolean {
  const { minBodyBytesPerSecond, bodyGraceMs } = limits;
  if (minBodyBytesPerSecond === 0) return false;
  return bodyWaitMs > bodyGraceMs + (requestBytes * 1000) / minBodyBytesPerSecond;
}
