// Keeps the bundle of one foreign trust domain fresh: fetches, puts in force what may follow, holds the last good, and knows its age.
// SPIFFE_Federation.md §4, §6.2

import type { Clock, Schedule } from '../core/clock.ts';
import {
  type BundleDocument,
  BundleDocumentError,
  type BundleDocumentErrorCode,
  parseBundleDocument,
} from '../spiffe/bundle-document.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import { parseEndpointUrl } from './endpoint-url.ts';
import { FederationError, type FederationErrorCode } from './federation-error.ts';
import type { FetchDocument } from './fetch-document.ts';
import { type FederationTiming, refreshDelayMs, retryDelayMs } from './refresh-times.ts';
import { endpointAuthentication, type FederatedTrustDomain } from './relationship.ts';
import { type Predecessor, succeed } from './succession.ts';

export interface RefresherPorts {
  /** Of every bundle in force, of whatever source: for endpoints whose ID is of another trust domain than the one they serve. */
  readonly trust: () => TrustBundles;
  readonly fetchDocument: FetchDocument;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly timing: FederationTiming;
}

/** Times are monotonic unless their names say wall. */
export interface FederationState {
  readonly trustDomain: TrustDomain;
  /** The last good one, or the initial one; null as long as there has been neither. */
  readonly document: BundleDocument | null;
  /** When the endpoint last confirmed or replaced it; null for the initial one. */
  readonly fetchedMs: number | null;
  readonly fetchedWallMs: number | null;
  /** The URL that answered then, after redirects (§7.6: for forensics). */
  readonly fetchedFrom: string | null;
  /** Of the last attempt; null when it succeeded. `sinceMs` is the first failure in a row. */
  readonly failure: FederationFailure | null;
  /** Null while one is under way, before the start and after the end. */
  readonly nextAttemptMs: number | null;
  /** The document is past its maximum age: its bundle is not in force. */
  readonly expired: boolean;
}

export interface FederationFailure {
  readonly code: FederationErrorCode | BundleDocumentErrorCode | 'internal';
  readonly reason: string;
  readonly sinceMs: number;
  readonly attempts: number;
}

type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'waiting'; readonly nextAttemptMs: number; readonly cancel: () => void }
  | { readonly kind: 'fetching'; readonly controller: AbortController }
  | { readonly kind: 'closed' };

interface Held extends Predecessor {
  readonly fetchedFrom: string | null;
  readonly since: { readonly monotonicMs: number; readonly wallMs: number };
}

// A timer beyond 2^31 ms would fire at once.
const MAX_TIMER_MS = 86_400_000;
/** However soon a bundle is too old. */
const MIN_DELAY_MS = 1_000;

export class BundleRefresher {
  readonly #relationship: FederatedTrustDomain;
  readonly #ports: RefresherPorts;
  readonly #onChange: (state: FederationState) => void;
  readonly #url: URL;
  #phase: Phase = { kind: 'idle' };
  #held: Held | null;
  #failure: FederationFailure | null = null;
  #isExpired = false;
  #cancelExpiry: () => void = () => undefined;

  /** @throws {FederationError} when the URL is not one of a bundle endpoint. */
  constructor(relationship: FederatedTrustDomain, ports: RefresherPorts, onChange: (state: FederationState) => void) {
    this.#relationship = relationship;
    this.#ports = ports;
    this.#onChange = onChange;
    this.#url = parseEndpointUrl(relationship.url);
    const { initial } = relationship;
    this.#held = initial === null ? null : this.#hold(succeed(null, initial), null);
  }

  get trustDomain(): TrustDomain {
    return this.#relationship.trustDomain;
  }

  get state(): FederationState {
    const fetched = this.#held?.fetchedFrom === null ? null : this.#held;
    return {
      trustDomain: this.trustDomain,
      document: this.#held?.document ?? null,
      fetchedMs: fetched?.since.monotonicMs ?? null,
      fetchedWallMs: fetched?.since.wallMs ?? null,
      fetchedFrom: fetched?.fetchedFrom ?? null,
      failure: this.#failure,
      nextAttemptMs: this.#phase.kind === 'waiting' ? this.#phase.nextAttemptMs : null,
      expired: this.#isExpired,
    };
  }

  /** Null when there is none, or none young enough. */
  get bundle(): TrustBundle | null {
    return this.#held === null || this.#isExpired ? null : this.#held.document.bundle;
  }

  start(): void {
    if (this.#phase.kind !== 'idle') return;
    this.#watchAge();
    void this.#attempt();
  }

  /** Does not wait for the next attempt; one that is under way is recent enough. */
  refreshNow(): void {
    if (this.#phase.kind !== 'waiting') return;
    this.#phase.cancel();
    void this.#attempt();
    if (this.#watchAge()) this.#onChange(this.state);
  }

  close(): void {
    const phase = this.#phase;
    this.#phase = { kind: 'closed' };
    this.#cancelExpiry();
    if (phase.kind === 'waiting') phase.cancel();
    if (phase.kind === 'fetching') phase.controller.abort();
  }

  async #attempt(): Promise<void> {
    const controller = new AbortController();
    this.#phase = { kind: 'fetching', controller };
    const { timing, schedule } = this.#ports;
    const cancelDeadline = schedule(timing.deadlineMs, () => {
      const message = `${this.#url.href}: no bundle after ${timing.deadlineMs} ms`;
      controller.abort(new FederationError('timeout', message));
    });
    try {
      const next = await this.#fetch(controller.signal);
      if (!this.#isFetching()) return;
      this.#held = next;
      this.#failure = null;
    } catch (error) {
      if (!this.#isFetching()) return;
      // Whatever it is, the last good bundle stays; a partner's bytes must not be able to end this process.
      this.#failure = this.#toFailure(error);
    } finally {
      cancelDeadline();
    }
    this.#watchAge();
    this.#wait();
    this.#onChange(this.state);
  }

  async #fetch(signal: AbortSignal): Promise<Held> {
    const { fetchDocument, trust } = this.#ports;
    const authentication = endpointAuthentication(this.#relationship, {
      latest: this.#held?.document.bundle ?? null,
      trust: trust(),
    });
    const { body, url } = await fetchDocument({ url: this.#url, authentication, signal });
    return this.#hold(succeed(this.#held, parseBundleDocument(this.trustDomain, body, url)), url);
  }

  #hold(predecessor: Predecessor, fetchedFrom: string | null): Held {
    const { clock } = this.#ports;
    return { ...predecessor, fetchedFrom, since: { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() } };
  }

  /** Asked after an await, which close() may have come in between. */
  #isFetching(): boolean {
    return this.#phase.kind === 'fetching';
  }

  #toFailure(error: unknown): FederationFailure {
    const isKnown = error instanceof FederationError || error instanceof BundleDocumentError;
    return {
      code: isKnown ? error.code : 'internal',
      reason: error instanceof Error ? error.message : String(error),
      sinceMs: this.#failure?.sinceMs ?? this.#ports.clock.monotonicMs(),
      attempts: (this.#failure?.attempts ?? 0) + 1,
    };
  }

  #wait(): void {
    const { clock, schedule, timing, random } = this.#ports;
    const hintMs = this.#held?.document.refreshHintMs ?? null;
    const plannedMs =
      this.#failure === null
        ? refreshDelayMs(hintMs, timing, random())
        : retryDelayMs(this.#failure.attempts, hintMs, { timing, random: random() });
    // A healthy partner must not be dropped because it is asked less often than its bundle may grow old.
    const { maxAgeMs } = this.#relationship;
    const delayMs = maxAgeMs === null ? plannedMs : Math.min(plannedMs, Math.max(MIN_DELAY_MS, maxAgeMs / 3));
    const cancel = schedule(delayMs, () => void this.#attempt());
    this.#phase = { kind: 'waiting', nextAttemptMs: clock.monotonicMs() + delayMs, cancel };
  }

  /** Plans to look again when the maximum age is reached. Gives whether it has been since the last look. */
  #watchAge(): boolean {
    this.#cancelExpiry();
    const { maxAgeMs } = this.#relationship;
    if (this.#held === null || maxAgeMs === null) return false;
    const leftMs = maxAgeMs - this.#ageMs(this.#held);
    const wasExpired = this.#isExpired;
    this.#isExpired = leftMs <= 0;
    if (!this.#isExpired) {
      this.#cancelExpiry = this.#ports.schedule(Math.min(leftMs, MAX_TIMER_MS), () => {
        if (this.#watchAge()) this.#onChange(this.state);
      });
    }
    return this.#isExpired && !wasExpired;
  }

  /** The monotonic clock stands still while the machine is suspended; the wall clock may be set. The older of the two counts. */
  #ageMs({ since }: Held): number {
    const { clock } = this.#ports;
    return Math.max(clock.monotonicMs() - since.monotonicMs, clock.wallMs() - since.wallMs);
  }
}
