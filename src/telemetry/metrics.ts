// What is counted while the proxy works: plain numbers and typed arrays, read by `exposition.ts` when somebody scrapes.
//
// Decisions are interned by their compiled policy, so the hot path finds a counter by object identity. The counters
// themselves belong to label values and outlive the policy: when one is replaced only the way to them is forgotten.

import type { Decision } from '../policy/decision.ts';
import { COARSE_STEPS, decadeBounds, FINE_STEPS, Histogram } from './histogram.ts';
import { ABANDONED, type Recorder, type RequestRecord, type WatchedMaterial } from './recorder.ts';
import { OVERFLOW, type Series, SeriesTable } from './series-table.ts';

/** Label value for a component nobody could tell. */
const UNKNOWN = 'unknown';
/** Label value for the verb of a request whose verb nobody could tell. */
const NO_VERB = 'none';

const MAX_LISTENERS = 256;
const MAX_DECISION_SERIES = 10_000;
const MAX_SERIES = 1_000;
const MAX_REMEMBERED_DECISIONS = 20_000;
const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

export class Metrics implements Recorder {
  readonly decisions = new SeriesTable(
    ['listener', 'source', 'target', 'verb', 'effect', 'reason'],
    MAX_DECISION_SERIES,
  );
  readonly refusals = new SeriesTable(['listener', 'reason'], MAX_SERIES);
  readonly responses = new SeriesTable(['listener', 'status'], STATUS_CLASSES.length * (MAX_LISTENERS + 1));
  readonly bytes = new SeriesTable(['listener', 'direction'], 2 * (MAX_LISTENERS + 1));
  readonly handshakes = new SeriesTable(['result', 'reason'], MAX_SERIES);
  readonly terminations = new SeriesTable(['reason'], MAX_SERIES);
  readonly reloads = new SeriesTable(['what', 'result'], MAX_SERIES);
  readonly newDestinations = new SeriesTable(['listener'], MAX_LISTENERS + 1);
  readonly clockJumps = new SeriesTable(['direction'], MAX_SERIES);
  readonly decisionDuration = new Histogram(decadeBounds(FINE_STEPS, 50e-9, 10e-3));
  readonly overhead = new Histogram(decadeBounds(FINE_STEPS, 10e-6, 1));
  readonly requestDuration = new Histogram([...decadeBounds(COARSE_STEPS, 100e-6, 250), 300]);
  readonly upstreamDuration = new Histogram([...decadeBounds(COARSE_STEPS, 100e-6, 250), 300]);
  readonly #listeners = new Map<string, ListenerCounts>();
  #connectionsOpen = 0;
  #cacheDisagreements = 0;

  constructor() {
    // A rate over a counter that appears with its first event misses that event: what can happen is there from the start.
    for (const what of ['policy', 'identity', 'trust-bundle']) {
      for (const result of ['success', 'failure']) this.reloads.series(what, result);
    }
    for (const direction of ['forward', 'backward']) this.clockJumps.series(direction);
  }

  get connectionsOpen(): number {
    return this.#connectionsOpen;
  }

  get cacheDisagreements(): number {
    return this.#cacheDisagreements;
  }

  request(record: RequestRecord): void {
    const listener = this.#listeners.get(record.listener) ?? this.#addListener(record.listener);
    const { decision, refusal } = record;
    if (decision === null) this.#undecided(listener, record).value += 1;
    else (listener.decisions.get(decision) ?? this.#rememberDecision(listener, decision)).value += 1;
    if (refusal !== null) (listener.refusals.get(refusal) ?? this.#rememberRefusal(listener, refusal)).value += 1;
    listener.status(record.status).value += 1;
    listener.upstreamBytes.value += record.requestBytes;
    listener.downstreamBytes.value += record.responseBytes;
    this.decisionDuration.observe(record.decisionSeconds);
    this.overhead.observe(record.overheadSeconds);
    this.requestDuration.observe(record.durationSeconds);
    this.upstreamDuration.observe(record.upstreamSeconds);
  }

  handshake(result: 'accepted' | 'refused', reason: string): void {
    this.handshakes.series(result, reason).value += 1;
  }

  connectionOpened(): void {
    this.#connectionsOpen += 1;
  }

  connectionClosed(): void {
    this.#connectionsOpen -= 1;
  }

  connectionTerminated(reason: string): void {
    this.terminations.series(reason).value += 1;
  }

  reload(what: WatchedMaterial, result: 'success' | 'failure'): void {
    this.reloads.series(what, result).value += 1;
    if (what === 'policy' && result === 'success') this.#forgetDecisions();
  }

  clockJump(direction: 'forward' | 'backward'): void {
    this.clockJumps.series(direction).value += 1;
  }

  cacheDisagreement(): void {
    this.#cacheDisagreements += 1;
  }

  newDestination(listener: string): void {
    this.newDestinations.series(listener).value += 1;
  }

  #addListener(name: string): ListenerCounts {
    const known = this.#listeners.size < MAX_LISTENERS ? name : OVERFLOW;
    const existing = this.#listeners.get(known);
    if (existing !== undefined) return existing;
    const listener = new ListenerCounts(known, this.responses, this.bytes);
    this.#listeners.set(known, listener);
    return listener;
  }

  #rememberDecision(listener: ListenerCounts, decision: Decision): Series {
    const series = this.decisions.series(
      listener.name,
      decision.component ?? UNKNOWN,
      decision.target,
      decision.verb ?? NO_VERB,
      decision.effect,
      decision.reason,
    );
    // A policy that does not intern, or one nobody announced: start over rather than keep them all.
    if (listener.decisions.size >= MAX_REMEMBERED_DECISIONS) listener.decisions.clear();
    listener.decisions.set(decision, series);
    return series;
  }

  /**
   * Refused before it was decided is denied: nothing let it through. That holds for 503 and 408 as for 401 (the reason
   * tells them apart), so that decisions add up to requests. Who asked for which verb was never established.
   */
  #undecided(listener: ListenerCounts, record: RequestRecord): Series {
    const target = record.target ?? UNKNOWN;
    const reason = record.refusal ?? ABANDONED;
    const byReason = listener.undecided.get(target);
    const existing = byReason?.get(reason);
    if (existing !== undefined) return existing;
    const series = this.decisions.series(listener.name, UNKNOWN, target, NO_VERB, 'deny', reason);
    if (byReason !== undefined && byReason.size < MAX_SERIES) byReason.set(reason, series);
    else if (listener.undecided.size < MAX_SERIES) listener.undecided.set(target, new Map([[reason, series]]));
    return series;
  }

  #rememberRefusal(listener: ListenerCounts, reason: string): Series {
    const series = this.refusals.series(listener.name, reason);
    if (listener.refusals.size < MAX_SERIES) listener.refusals.set(reason, series);
    return series;
  }

  #forgetDecisions(): void {
    for (const listener of this.#listeners.values()) listener.decisions.clear();
  }
}

/** The ways from what a record says to its counters, for one listener. */
class ListenerCounts {
  readonly name: string;
  readonly decisions = new Map<Decision, Series>();
  /** By target, then by reason. */
  readonly undecided = new Map<string, Map<string, Series>>();
  readonly refusals = new Map<string, Series>();
  readonly upstreamBytes: Series;
  readonly downstreamBytes: Series;
  readonly #noStatus: Series;
  readonly #statuses: readonly Series[];

  constructor(name: string, responses: SeriesTable, bytes: SeriesTable) {
    this.name = name;
    this.upstreamBytes = bytes.series(name, 'upstream');
    this.downstreamBytes = bytes.series(name, 'downstream');
    this.#statuses = STATUS_CLASSES.map((status) => responses.series(name, status));
    this.#noStatus = responses.series(name, STATUS_CLASSES[0]);
  }

  status(status: number): Series {
    return this.#statuses[Math.floor(status / 100)] ?? this.#noStatus;
  }
}
