// Listens in on what the sidecar records, so that the demo can say of each request what was decided, why, and at what cost.

import type { Effect } from '../../policy/decision.ts';
import { PEER_ABORTED, type RequestRecord } from '../../telemetry/recorder.ts';

/** One request, as its record told it. */
export interface Observation {
  /** `refuse`: the sidecar answered before the matrix was asked. `cut`: it ended an answer that it had let begin. */
  readonly effect: Effect | 'refuse' | 'cut';
  /** Of the decision; of a peer without identity, why it has none; else why the sidecar refused or cut. */
  readonly reason: string;
  /** What more there is to say of a peer without identity; else empty. */
  readonly detail: string;
  readonly status: number;
  /** NaN when there was no request to measure. */
  readonly overheadSeconds: number;
}

/** Why a peer was not authenticated. */
export interface AnonymousPeer {
  readonly reason: string;
  readonly detail: string;
}

/** `record` must not be kept. */
export type ObservationListener = (observation: Observation, record: RequestRecord) => void;

/** Knows a request by its decision id until so many others have come. */
const MAX_OBSERVATIONS = 64;

export class DecisionTap {
  readonly #lastAnonymous: () => AnonymousPeer;
  readonly #observations = new Map<string, Observation>();
  #onRequest: ObservationListener = () => undefined;

  /** `lastAnonymous`: the peer that was not authenticated last. */
  constructor(lastAnonymous: () => AnonymousPeer) {
    this.#lastAnonymous = lastAnonymous;
  }

  request(record: RequestRecord): void {
    const observation = this.#observe(record);
    this.#observations.set(record.decisionId, observation);
    if (this.#observations.size > MAX_OBSERVATIONS) {
      const [oldest] = this.#observations.keys();
      if (oldest !== undefined) this.#observations.delete(oldest);
    }
    this.#onRequest(observation, record);
  }

  find(decisionId: string): Observation | undefined {
    return this.#observations.get(decisionId);
  }

  /** Calls `onRequest`, and nobody else any more, with each request from now on. */
  listen(onRequest: ObservationListener): void {
    this.#onRequest = onRequest;
  }

  #observe(record: RequestRecord): Observation {
    const { decision, refusal, status, overheadSeconds } = record;
    const measured = { detail: '', status, overheadSeconds };
    if (decision !== null && isCut(record)) return { effect: 'cut', reason: refusal ?? 'unknown', ...measured };
    if (decision !== null) return { effect: decision.effect, reason: decision.reason, ...measured };
    // A peer is told no right after its handshake, so the last one is this one.
    const why = refusal === 'no-identity' ? this.#lastAnonymous() : { reason: refusal ?? 'unknown' };
    return { effect: 'refuse', ...measured, ...why };
  }
}

function isCut({ refusal, status }: RequestRecord): boolean {
  return refusal !== null && refusal !== PEER_ABORTED && status > 0 && status < 400;
}
