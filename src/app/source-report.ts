// What is told in the log of sources that are not files: each change once, not every attempt.

import type { Clock } from '../core/clock.ts';
import type { FederationState } from '../federation/bundle-refresher.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { RevocationStoreState } from '../store/revocation-store.ts';
import type { Logger } from '../telemetry/logger.ts';
import { RateLimit } from '../telemetry/rate-limit.ts';
import type { WorkloadReport } from '../workload-api/agent-stream.ts';
import type { WorkloadMaterials, WorkloadState } from '../workload-api/source.ts';
import type { MaterialEvents, Materials } from './materials/materials.ts';
import { describeMaterial } from './reload-report.ts';

type SourceEvents = Pick<MaterialEvents, 'agent' | 'agentReport' | 'federation' | 'redis'>;

/** An agent that keeps sending what cannot be used should not fill the log. */
const MAX_AGENT_REPORTS_PER_SECOND = 5;

export interface SourceReportParts {
  readonly log: Logger;
  readonly clock: Clock;
  /** Another identity, or none, is in force. */
  readonly onIdentity: () => void;
}

export function createSourceReport(materials: Materials, parts: SourceReportParts): SourceEvents {
  const { log, clock } = parts;
  const agent = new AgentReport(materials, parts);
  const reports = new RateLimit(MAX_AGENT_REPORTS_PER_SECOND);
  const federation = new Map<TrustDomain, string>();
  const redis = new RedisReport(log);
  return {
    agent: (state) => agent.tell(state),
    agentReport: (report) => {
      if (reports.admits(report.kind, clock.monotonicMs())) tellAgentReport(report, log);
    },
    federation: (state) => {
      const told = federation.get(state.trustDomain);
      const summary = summariseFederation(state);
      federation.set(state.trustDomain, summary);
      if (summary !== told) tellFederation(state, log);
    },
    redis: (state) => redis.tell(state),
  };
}

class AgentReport {
  readonly #materials: Materials;
  readonly #parts: SourceReportParts;
  #kind: WorkloadState['kind'] = 'waiting';
  #reason = '';
  #jwt = '';
  #identityEpoch = 1;
  #spiffeId: string | null = null;

  constructor(materials: Materials, parts: SourceReportParts) {
    this.#materials = materials;
    this.#parts = parts;
  }

  tell(state: WorkloadState): void {
    const reason = 'reason' in state ? state.reason : '';
    if (state.kind !== this.#kind || reason !== this.#reason) this.#tellState(state, reason);
    this.#kind = state.kind;
    this.#reason = reason;
    if ('materials' in state) this.#tellJwt(state.materials.jwtBundles);
    const { epoch, value } = this.#materials.identity.current;
    if (epoch === this.#identityEpoch) return;
    this.#identityEpoch = epoch;
    if (value !== null) {
      const fields = describeMaterial(this.#materials, 'identity');
      const before = this.#spiffeId;
      this.#spiffeId = value.svid.id;
      if (before === null || before === value.svid.id) this.#parts.log.info(fields, 'own SVID received');
      // Without `spiffeId` or `hint` it is the agent that says who we are, by the order of its list.
      else this.#parts.log.warn({ ...fields, before }, 'own SVID received, of another SPIFFE ID than before');
    }
    this.#parts.onIdentity();
  }

  #tellState(state: WorkloadState, reason: string): void {
    const { log } = this.#parts;
    switch (state.kind) {
      case 'waiting':
        log.info({ reason }, 'waiting for the first SVID from the Workload API');
        return;
      case 'current':
        if (this.#kind !== 'waiting') log.info('the Workload API is back');
        return;
      case 'stale':
        log.warn(
          { reason, retries: state.nextAttemptMs !== null },
          'the Workload API is away, what it last said stays in force',
        );
        return;
      case 'withdrawn':
        log.error({ reason }, 'the Workload API has withdrawn our SVID, nothing is served with it any more');
        return;
      case 'stopped':
        log.error({ reason }, 'the Workload API will not serve us, it is not asked again');
    }
  }

  /** Null when nobody asks for them. */
  #tellJwt(state: WorkloadMaterials['jwtBundles']): void {
    if (state === null || state.kind === 'waiting') return;
    const reason = 'reason' in state ? state.reason : '';
    const summary = `${state.kind} ${reason}`;
    if (summary === this.#jwt) return;
    this.#jwt = summary;
    const { log } = this.#parts;
    switch (state.kind) {
      case 'current':
        log.info('the JWT bundles of the Workload API are in force');
        return;
      case 'stale':
        log.warn({ reason }, 'the Workload API does not renew its JWT bundles, the last ones stay in force');
        return;
      case 'withdrawn':
      case 'stopped':
        log.warn({ reason }, 'the Workload API gives no JWT bundles, JWT-SVIDs are refused');
    }
  }
}

function tellAgentReport(report: WorkloadReport, log: Logger): void {
  switch (report.kind) {
    case 'message-discarded':
      log.error(
        { method: report.method, detail: report.error.message },
        'a message of the Workload API cannot be used, the one before it holds',
      );
      return;
    case 'bundle-rejected': {
      const { trustDomain, error } = report.rejected;
      log.error(
        { method: report.method, trustDomain, detail: error.message },
        'a bundle of the Workload API cannot be used, nobody of that trust domain is trusted',
      );
    }
  }
}

function summariseFederation({ document, failure, expired }: FederationState): string {
  const authorities = document?.bundle.authorities.map(({ sha256 }) => sha256);
  const keyIds = document === null ? [] : [...document.bundle.jwtAuthorities.keys()];
  return JSON.stringify([document?.sequence?.toString(), authorities, keyIds, failure?.reason, expired]);
}

function keyCount(document: FederationState['document']): number {
  return document === null ? 0 : document.bundle.authorities.length + document.bundle.jwtAuthorities.size;
}

function tellFederation(state: FederationState, log: Logger): void {
  const { trustDomain, document, failure, expired } = state;
  const fields = { trustDomain, sequence: document?.sequence?.toString() ?? null, keys: keyCount(document) };
  if (expired)
    log.error(
      { ...fields, reason: failure?.reason ?? null },
      'the bundle of a federated trust domain is too old, it is not used any more',
    );
  else if (failure !== null) {
    log.warn({ ...fields, reason: failure.reason }, 'fetching the bundle of a federated trust domain failed');
  } else log.info(fields, 'the bundle of a federated trust domain is in force');
}

class RedisReport {
  readonly #log: Logger;
  #told: RevocationStoreState | null = null;
  #summary = '';

  constructor(log: Logger) {
    this.#log = log;
  }

  tell(state: RevocationStoreState): void {
    const told = this.#told;
    const known = new Set(told?.problems.map(describeProblem));
    const added = state.problems.filter((problem) => !known.has(describeProblem(problem)));
    for (const { field, code, message } of added) {
      this.#log.error(
        { field, code, detail: message },
        'the revocation list in Redis has an entry that somebody has to mend',
      );
    }
    // Whose message differs from one attempt to the next is away for the same reason.
    const summary = state.kind === 'current' ? state.kind : `${state.kind} ${state.reason}`;
    if (summary !== this.#summary || state.entries !== told?.entries) this.#tellState(state);
    this.#told = state;
    this.#summary = summary;
  }

  #tellState(state: RevocationStoreState): void {
    const entries = state.entries.length;
    switch (state.kind) {
      case 'waiting':
        this.#log.info({ reason: state.message }, 'waiting for the revocation list in Redis');
        return;
      case 'current':
        this.#log.info({ entries }, 'the revocation list in Redis is in force');
        return;
      case 'away':
        this.#log.warn(
          { entries, reason: state.message },
          'the revocation list in Redis is away, the last known one holds',
        );
    }
  }
}

function describeProblem({ field, code, message }: RevocationStoreState['problems'][number]): string {
  return `${field} ${code} ${message}`;
}
