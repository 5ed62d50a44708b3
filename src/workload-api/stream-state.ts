// What a stream of full-state messages has brought us so far, and whether it may be used: the one state machine of the Workload API client.
// SPIFFE_Workload_API.md §4.3 to §4.5, §5.2.1; SPIFFE_Workload_Endpoint.md §6

/** Times are monotonic. */
export type StreamState<Materials> =
  /** Nothing received yet. */
  | { readonly kind: 'waiting'; readonly reason: string; readonly sinceMs: number }
  | { readonly kind: 'current'; readonly materials: Materials; readonly receivedMs: number }
  /** The agent is away, and the last it said stays in force. */
  | {
      readonly kind: 'stale';
      readonly materials: Materials;
      readonly receivedMs: number;
      readonly reason: string;
      readonly sinceMs: number;
      /** Past while an attempt is under way; null when there will be none. */
      readonly nextAttemptMs: number | null;
    }
  /** The agent took back what it gave: nothing may be used any more. */
  | {
      readonly kind: 'withdrawn';
      readonly reason: string;
      readonly sinceMs: number;
      /** Past while an attempt is under way; null when none is planned, since the stream stands and its next message decides, or since there will be none. */
      readonly nextAttemptMs: number | null;
    }
  /** The agent refused for good before anything came. */
  | { readonly kind: 'stopped'; readonly reason: string };

export type StreamEvent<Materials> =
  | { readonly kind: 'received'; readonly materials: Materials; readonly atMs: number }
  /** A message that cannot be used; the stream stands. */
  | { readonly kind: 'discarded'; readonly reason: string; readonly atMs: number }
  /** A message without what we had, or PermissionDenied. */
  | {
      readonly kind: 'withdrawn';
      readonly reason: string;
      readonly atMs: number;
      readonly nextAttemptMs: number | null;
    }
  /** The stream has ended, or did not come about. */
  | {
      readonly kind: 'failed';
      readonly reason: string;
      readonly atMs: number;
      /** Null: never again. */
      readonly nextAttemptMs: number | null;
    };

export function nextState<Materials>(
  state: StreamState<Materials>,
  event: StreamEvent<Materials>,
): StreamState<Materials> {
  switch (event.kind) {
    case 'received':
      // §4.3: every message is the full state, so there is nothing to keep, whichever is the newer certificate.
      return { kind: 'current', materials: event.materials, receivedMs: event.atMs };
    case 'discarded':
      // §4.5: what an earlier message said still holds.
      return state.kind === 'waiting' || state.kind === 'stale' ? withReason(state, event.reason) : state;
    case 'withdrawn': {
      const { reason, nextAttemptMs, atMs } = event;
      return { kind: 'withdrawn', reason, sinceMs: state.kind === 'withdrawn' ? state.sinceMs : atMs, nextAttemptMs };
    }
    case 'failed':
      return afterFailure(state, event);
  }
}

function afterFailure<Materials>(
  state: StreamState<Materials>,
  { reason, atMs, nextAttemptMs }: Extract<StreamEvent<Materials>, { readonly kind: 'failed' }>,
): StreamState<Materials> {
  switch (state.kind) {
    case 'waiting':
      return nextAttemptMs === null ? { kind: 'stopped', reason } : withReason(state, reason);
    case 'current':
      return { ...state, kind: 'stale', reason, sinceMs: atMs, nextAttemptMs };
    case 'stale':
      return { ...state, reason, nextAttemptMs };
    case 'withdrawn':
      // That the agent is away as well gives nothing back.
      return { ...state, nextAttemptMs };
    case 'stopped':
      return state;
  }
}

/** The same state when nothing is new: it is told to people. */
function withReason<State extends { readonly reason: string }>(state: State, reason: string): State {
  return state.reason === reason ? state : { ...state, reason };
}

/** What may be used at present; null when nothing may. */
export function materialsOf<Materials>(state: StreamState<Materials>): Materials | null {
  return state.kind === 'current' || state.kind === 'stale' ? state.materials : null;
}
