// Until when an admitted connection, stream or request may live, and what becomes of it then.

/** What an admission rested on and rests on no longer. */
export type LapseReason =
  | 'svid-expired'
  | 'token-expired'
  /** The bundle or key is gone, or the chain does not verify any more. */
  | 'trust-changed'
  | 'revoked'
  | 'policy-changed'
  | 'maximum-age'
  /** Our own SVID is not ours to use any more. */
  | 'own-svid-withdrawn';

/** `drain`: a request in flight may finish within the grace, nothing new is taken. `reset`: it is cut where it stands. */
export type LapseAction = 'drain' | 'reset';

export interface LeaseTerms {
  readonly graceMs: number;
  readonly onLapse: Readonly<Record<LapseReason, LapseAction>>;
}

/**
 * The gravest first. With our SVID the agent takes its bundles back: that a peer is not trusted any more follows from that then, that it is
 * revoked does not.
 */
const GRAVITY: readonly LapseReason[] = [
  'revoked',
  'own-svid-withdrawn',
  'trust-changed',
  'policy-changed',
  'svid-expired',
  'token-expired',
  'maximum-age',
];

export function graver(one: LapseReason | null, other: LapseReason | null): LapseReason | null {
  if (one === null || other === null) return one ?? other;
  return GRAVITY.indexOf(one) <= GRAVITY.indexOf(other) ? one : other;
}

/** What is asked before each request and several times a second while one is in flight. */
export interface Lease {
  /** Why the holder may go on no longer, the gravest reason first; null while it may. */
  lapse(): LapseReason | null;
}
