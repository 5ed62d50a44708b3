// Our own identity and the trust bundles of all whom we may meet, from a SPIFFE Workload API: kept up to date, and given up when the agent
// takes them back.
// SPIFFE_Workload_API.md §4, §5.2.1, §6.2.2

import type { Clock, Schedule } from '../core/clock.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle, TrustBundles } from '../spiffe/trust-bundle.ts';
import { AgentStream, type WorkloadReport } from './agent-stream.ts';
import { maxBackoffMs } from './backoff.ts';
import { ANSWER_TIMEOUT_MS } from './client.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import {
  type JwtBundles,
  readJwtBundles,
  readX509Svids,
  type SvidSelection,
  type X509Materials,
} from './message-content.ts';
import { FETCH_JWT_BUNDLES, FETCH_X509_SVID } from './messages.ts';
import { materialsOf, type StreamState } from './stream-state.ts';

export interface WorkloadMaterials extends X509Materials {
  /** Our own and the federated ones: X.509 authorities and, as far as `jwtBundles` has brought them, JWT authorities. */
  readonly bundles: TrustBundles;
  /** Null when JWT bundles were not asked for. */
  readonly jwtBundles: StreamState<JwtBundles> | null;
}

/** Of the stream of X.509-SVIDs; what becomes of that of JWT bundles is part of the materials. */
export type WorkloadState = StreamState<WorkloadMaterials>;

export interface WorkloadApiSourceOptions {
  readonly address: EndpointAddress;
  readonly trustDomain: TrustDomain;
  readonly select: SvidSelection;
  /** Whether JWT authorities are wanted; an agent that has none is good for X.509 all the same. */
  readonly jwtBundles: boolean;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export class WorkloadApiSource {
  readonly #clock: Clock;
  readonly #x509: AgentStream<X509Materials>;
  readonly #jwt: AgentStream<JwtBundles> | null;
  readonly #subscribers = new Set<(state: WorkloadState) => void>();
  readonly #reporters = new Set<(report: WorkloadReport) => void>();
  #state: WorkloadState;
  #discardedMessages = 0;

  constructor({ address, trustDomain, select, jwtBundles, clock, schedule, random }: WorkloadApiSourceOptions) {
    this.#clock = clock;
    const port = { agent: { address, answerTimeoutMs: ANSWER_TIMEOUT_MS, schedule }, clock, random };
    const use = {
      maxBackoffMs: () => this.#maxBackoffMs(),
      onChange: () => this.#publish(),
      report: (report: WorkloadReport) => this.#report(report),
    };
    this.#x509 = new AgentStream(port, {
      method: FETCH_X509_SVID,
      read: (message) =>
        readX509Svids(message, trustDomain, { ...select, knownCrls: materialsOf(this.#x509.state)?.crls ?? [] }),
      ...use,
    });
    this.#jwt = jwtBundles
      ? new AgentStream(port, {
          method: FETCH_JWT_BUNDLES,
          read: (message) => readJwtBundles(message, trustDomain),
          ...use,
        })
      : null;
    this.#state = joinStates(this.#x509.state, this.#jwt?.state ?? null);
  }

  get state(): WorkloadState {
    return this.#state;
  }

  /** Messages that could not be used, of both streams. */
  get discardedMessages(): number {
    return this.#discardedMessages;
  }

  /** Calls `subscriber` after each change, never for the present state; returns the way out. */
  subscribe(subscriber: (state: WorkloadState) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => {
      this.#subscribers.delete(subscriber);
    };
  }

  /** Calls `reporter` with what goes wrong without a change of state; returns the way out. */
  subscribeReports(reporter: (report: WorkloadReport) => void): () => void {
    this.#reporters.add(reporter);
    return () => {
      this.#reporters.delete(reporter);
    };
  }

  /** To be called once. */
  start(): void {
    this.#x509.start();
    this.#jwt?.start();
  }

  /** The state stays as it is; nobody is told of anything any more. */
  close(): void {
    this.#x509.close();
    this.#jwt?.close();
  }

  #publish(): void {
    const state = joinStates(this.#x509.state, this.#jwt?.state ?? null);
    if (state === this.#state) return;
    this.#state = state;
    for (const subscriber of this.#subscribers) subscriber(state);
  }

  #report(report: WorkloadReport): void {
    if (report.kind === 'message-discarded') this.#discardedMessages += 1;
    for (const reporter of this.#reporters) reporter(report);
  }

  #maxBackoffMs(): number {
    const { state } = this.#x509;
    // Before the first SVID somebody waits for us to start, and an agent that is not there is cheap to ask. One that says no has to find
    // out each time who we are.
    if (state.kind === 'waiting') return maxBackoffMs(0);
    const materials = materialsOf(state);
    return maxBackoffMs(materials === null ? Infinity : materials.identity.svid.notAfterMs - this.#clock.wallMs());
  }
}

const NO_JWT_BUNDLES: JwtBundles = new Map();

function joinStates(x509: StreamState<X509Materials>, jwt: StreamState<JwtBundles> | null): WorkloadState {
  if (x509.kind !== 'current' && x509.kind !== 'stale') return x509;
  const { materials } = x509;
  const jwtBundles = (jwt === null ? null : materialsOf(jwt)) ?? NO_JWT_BUNDLES;
  return { ...x509, materials: { ...materials, bundles: joinBundles(materials.bundles, jwtBundles), jwtBundles: jwt } };
}

/** A bundle for each trust domain that has one of either kind. */
function joinBundles(x509: TrustBundles, jwt: JwtBundles): TrustBundles {
  const joined = new Map<TrustDomain, TrustBundle>(x509);
  for (const [trustDomain, jwtAuthorities] of jwt) {
    const authorities = x509.get(trustDomain)?.authorities ?? [];
    joined.set(trustDomain, { trustDomain, authorities, jwtAuthorities });
  }
  return joined;
}
