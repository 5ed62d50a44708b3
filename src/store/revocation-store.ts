// The revocation list in Redis, kept up to date by push; when Redis is away or has forgotten the list, the last known one holds.

import type { Revocation } from '../revocation/revocation.ts';
import { type ListContents, NO_CONTENTS, readListContents, type StoredProblem, unexpired } from './list-contents.ts';
import { ListSession, type ListSource, type SessionPort, type SessionTiming } from './list-session.ts';
import { type Doubt, succeed } from './list-succession.ts';
import type { StoreError, StoreErrorCode } from './store-error.ts';

/** Times are monotonic. `entries` is what to enforce, whatever the kind; it is another array only when something in it changed. */
export type RevocationStoreState =
  /** No whole list was read yet. What Redis holds without being a whole list counts all the same. */
  | (InForce & Absence & { readonly kind: 'waiting' })
  | (InForce & Reception & { readonly kind: 'current' })
  /** The last list that was whole holds, with whatever Redis would add to it. */
  | (InForce & Reception & Absence & { readonly kind: 'away' });

interface InForce {
  readonly entries: readonly Revocation[];
  /** Broken entries; everything else counts. */
  readonly problems: readonly StoredProblem[];
}

interface Reception {
  /** When the whole list was last read, changed or not. */
  readonly receivedMs: number;
}

interface Absence {
  readonly reason: AbsenceReason;
  /** For people. */
  readonly message: string;
  /** Since when there has been no current list. */
  readonly sinceMs: number;
}

export type AbsenceReason = 'starting' | StoreErrorCode | Doubt;

export interface StorePort extends SessionPort {
  readonly timing: StoreTiming;
}

export interface StoreTiming extends SessionTiming {
  /** Before the first attempt to connect again; doubles with each. */
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
}

export const STORE_TIMING: StoreTiming = {
  connectMs: 5_000,
  replyMs: 5_000,
  pingMs: 3_000,
  rereadMs: 30_000,
  restMs: 50,
  minBackoffMs: 100,
  maxBackoffMs: 5_000,
};

const DOUBTS: Readonly<Record<Doubt, string>> = {
  'no-list':
    'Redis holds no revocation list; it was never declared, or it was lost: `sallyport revoke init` declares what is there to be the list',
  'list-lost':
    'Redis has lost the revocation list, the last one known holds; add what is missing, then `sallyport revoke init` declares it whole',
  'list-rolled-back':
    'Redis holds an older revocation list than before, the last one known holds; add what is missing, then `sallyport revoke init --force` declares it whole',
};

/** Reports states and logs nothing. Neither starts by itself nor throws for anything that Redis does. */
export class RevocationStore {
  readonly #source: ListSource;
  readonly #port: StorePort;
  readonly #subscribers = new Set<(state: RevocationStoreState) => void>();
  #state: RevocationStoreState;
  /** The last list that was whole, and what is in force, which is the same or more. */
  #whole: ListContents = NO_CONTENTS;
  #inForce: ListContents = NO_CONTENTS;
  #session: ListSession | null = null;
  #retry: (() => void) | null = null;
  #failures = 0;
  #readSinceMs: number | null = null;

  constructor(source: ListSource, port: StorePort) {
    this.#source = source;
    this.#port = port;
    const sinceMs = port.clock.monotonicMs();
    const message = 'no attempt to read the list has ended yet';
    this.#state = { kind: 'waiting', entries: [], problems: [], reason: 'starting', message, sinceMs };
  }

  get state(): RevocationStoreState {
    return this.#state;
  }

  /** Called after every change but that of `receivedMs`; returns the way out. */
  subscribe(subscriber: (state: RevocationStoreState) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
    };
  }

  /** To be called once. */
  start(): void {
    this.#readSinceMs = null;
    const session = new ListSession(this.#source, this.#port, {
      onReply: async (reply) => {
        const found = await readListContents(reply, this.#inForce);
        if (this.#session === session) this.#take(found);
      },
      onEnd: (error) => this.#retryAfter(error),
    });
    this.#session = session;
    session.open();
  }

  /** The state stays as it is, and nothing is reported any more. */
  close(): void {
    this.#subscribers.clear();
    this.#retry?.();
    this.#session?.close();
    this.#session = null;
  }

  #take(found: ListContents): void {
    const { clock } = this.#port;
    const nowMs = clock.monotonicMs();
    const { inForce, doubt } = succeed(this.#whole, found);
    this.#inForce = inForce;
    this.#readSinceMs ??= nowMs;
    const { problems } = inForce;
    const entries = sameOr(this.#state.entries, unexpired(inForce.entries, clock.wallMs()));
    if (doubt !== null) return this.#miss({ entries, problems }, doubt, DOUBTS[doubt]);
    this.#whole = inForce;
    this.#enter({ kind: 'current', entries, problems, receivedMs: nowMs });
  }

  #retryAfter(error: StoreError): void {
    const { clock, random, schedule, timing } = this.#port;
    this.#session = null;
    // A connection that held for a while was a good one; those that break at once must not follow each other at once.
    const heldMs = this.#readSinceMs === null ? 0 : clock.monotonicMs() - this.#readSinceMs;
    if (heldMs >= timing.maxBackoffMs) this.#failures = 0;
    const backoffMs = Math.min(timing.maxBackoffMs, timing.minBackoffMs * 2 ** this.#failures);
    this.#failures += 1;
    // To read too large a list again costs as much as the first time.
    const delayMs = error.code === 'list-too-large' ? timing.rereadMs : backoffMs;
    this.#retry = schedule(delayMs * (0.5 + 0.5 * random()), () => this.start());
    this.#miss(this.#state, error.code, error.message);
  }

  #miss({ entries, problems }: InForce, reason: AbsenceReason, message: string): void {
    const { state } = this;
    const sinceMs = state.kind === 'current' ? this.#port.clock.monotonicMs() : state.sinceMs;
    const absence = { entries, problems, reason, message, sinceMs };
    if (state.kind === 'waiting') this.#enter({ kind: 'waiting', ...absence });
    else this.#enter({ kind: 'away', ...absence, receivedMs: state.receivedMs });
  }

  #enter(state: RevocationStoreState): void {
    const before = this.#state;
    this.#state = state;
    if (isSame(before, state)) return;
    for (const subscriber of this.#subscribers) subscriber(state);
  }
}

function isSame(before: RevocationStoreState, after: RevocationStoreState): boolean {
  if (before.kind !== after.kind || before.entries !== after.entries) return false;
  const isSameReason = before.kind === 'current' || after.kind === 'current' || before.message === after.message;
  return isSameReason && describe(before.problems) === describe(after.problems);
}

function describe(problems: readonly StoredProblem[]): string {
  const texts = problems.map(({ field, code, message }) => `${field} ${code} ${message}`);
  return texts.sort().join('\n');
}

/** What was there before when nothing changed, so that who compares references sees that nothing did. Redis keeps no order. */
function sameOr(before: readonly Revocation[], after: readonly Revocation[]): readonly Revocation[] {
  const known = new Set(before);
  return before.length === after.length && after.every((entry) => known.has(entry)) ? before : after;
}
