// Everything about identity and trust as it is at this moment: what the metrics count and the admin listener shows.

import type { Clock } from '../core/clock.ts';
import type { TrustFigures } from '../telemetry/trust-metrics.ts';
import type { FederationState } from '../federation/bundle-refresher.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundle } from '../spiffe/trust-bundle.ts';
import type { WorkloadMaterials, WorkloadState } from '../workload-api/source.ts';
import type { Config } from './config.ts';
import type { Materials } from './materials/materials.ts';
import type { TrustOrigin } from './materials/trust-composition.ts';

/** Ages and times left are seconds; times are RFC 3339. */
export interface TrustReport {
  readonly svid: SvidReport | null;
  readonly source: SourceReport;
  /** By name. */
  readonly trustDomains: readonly TrustDomainReport[];
  readonly revocation: readonly RevocationReport[];
}

interface SvidReport {
  readonly spiffeId: string;
  readonly sha256: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly secondsLeft: number;
  /** Issued by the development CA. */
  readonly isDevelopment: boolean;
}

export interface SourceReport {
  readonly kind: 'files' | 'workload-api';
  readonly state: 'current' | 'waiting' | 'stale' | 'withdrawn' | 'stopped' | 'reload-failing';
  /** Why it is not current; null when it is. */
  readonly reason: string | null;
  /** Since the last message of the agent; null for files, and before the first. */
  readonly lastMessageAgeSeconds: number | null;
  /** Until the agent is asked again; null when it is not waited for. */
  readonly nextAttemptSeconds: number | null;
  readonly discardedMessages: number;
  /** Null when they are not asked for, and while nothing of the agent is in force. */
  readonly jwtBundles: { readonly state: WorkloadState['kind']; readonly reason: string | null } | null;
}

export interface TrustDomainReport {
  readonly trustDomain: string;
  readonly isOwn: boolean;
  readonly origin: 'file' | 'workload-api' | 'federation';
  readonly x509Authorities: readonly { readonly sha256: string; readonly notAfter: string }[];
  readonly jwtKeyIds: readonly string[];
  /** As text: 64 bits. */
  readonly sequence: string | null;
  /** Since its source last gave or confirmed it; of a file, since it was loaded. */
  readonly ageSeconds: number | null;
  /** The URL that answered, after redirects. */
  readonly fetchedFrom: string | null;
  /** Why nothing newer is known, or the bundle is not in force; null when all is well. */
  readonly problem: string | null;
}

export interface RevocationReport {
  readonly list: 'file' | 'redis' | 'crl';
  readonly entries: number;
  readonly isCurrent: boolean;
  /** Since it was last read; of a file, since it was loaded. */
  readonly ageSeconds: number | null;
  readonly problem: string | null;
}

/** Of the materials, what is shown of them. */
type Shown = Pick<
  Materials,
  | 'identity'
  | 'trust'
  | 'revocations'
  | 'agent'
  | 'agentDiscardedMessages'
  | 'federation'
  | 'redis'
  | 'fileFailures'
  | 'listedInFile'
  | 'revocationsLoadedSecondsAgo'
  | 'bundleFile'
>;

export function reportTrust(config: Config, materials: Shown, clock: Clock): TrustReport {
  return {
    svid: reportSvid(materials, clock),
    source: reportSource(materials, clock),
    trustDomains: reportTrustDomains(config, materials, clock),
    revocation: reportRevocation(config, materials, clock),
  };
}

export function toTrustFigures({ svid, source, trustDomains, revocation }: TrustReport): TrustFigures {
  return {
    svid: svid === null ? null : { notAfterSeconds: Date.parse(svid.notAfter) / 1000, secondsLeft: svid.secondsLeft },
    domains: trustDomains.map(({ trustDomain, x509Authorities, jwtKeyIds, sequence, ageSeconds }) => ({
      trustDomain,
      x509Authorities: x509Authorities.length,
      jwtKeys: jwtKeyIds.length,
      sequence: sequence === null ? null : Number(sequence),
      ageSeconds,
    })),
    agent:
      source.kind === 'files' || source.state === 'reload-failing'
        ? null
        : {
            state: source.state,
            lastMessageAgeSeconds: source.lastMessageAgeSeconds,
            discardedMessages: source.discardedMessages,
          },
    revocation,
  };
}

function reportSvid({ identity }: Shown, clock: Clock): SvidReport | null {
  const { value } = identity.current;
  if (value === null) return null;
  const { id, leafSha256, notBeforeMs, notAfterMs } = value.svid;
  return {
    spiffeId: id,
    sha256: leafSha256,
    notBefore: toTime(notBeforeMs),
    notAfter: toTime(notAfterMs),
    secondsLeft: Math.floor((notAfterMs - clock.wallMs()) / 1000),
    isDevelopment: value.isDevelopment,
  };
}

function reportSource(materials: Shown, clock: Clock): SourceReport {
  const { agent, agentDiscardedMessages: discardedMessages } = materials;
  const never = { lastMessageAgeSeconds: null, nextAttemptSeconds: null, jwtBundles: null };
  const none = { reason: null, ...never, discardedMessages };
  if (agent === null) {
    const failure = materials.fileFailures.get('identity') ?? null;
    if (failure === null) return { kind: 'files', state: 'current', ...none };
    return { kind: 'files', state: 'reload-failing', ...none, reason: messageOf(failure) };
  }
  const since = (ms: number): number => secondsSince(ms, clock);
  const received = 'receivedMs' in agent ? { lastMessageAgeSeconds: since(agent.receivedMs) } : {};
  const reason = reasonOf(agent);
  const jwt = 'materials' in agent ? agent.materials.jwtBundles : null;
  const jwtBundles = jwt === null ? null : { state: jwt.kind, reason: reasonOf(jwt) };
  const nextMs = 'nextAttemptMs' in agent ? agent.nextAttemptMs : null;
  const nextAttemptSeconds = nextMs === null ? null : Math.max(0, -since(nextMs));
  return { kind: 'workload-api', state: agent.kind, ...none, ...received, reason, nextAttemptSeconds, jwtBundles };
}

function reasonOf(state: WorkloadState | NonNullable<WorkloadMaterials['jwtBundles']>): string | null {
  return 'reason' in state ? state.reason : null;
}

function reportTrustDomains(config: Config, materials: Shown, clock: Clock): readonly TrustDomainReport[] {
  const federated = new Map(materials.federation.map((state) => [state.trustDomain, state]));
  const bundles = materials.trust.view.current.value;
  const names = new Set([config.trustDomain, ...bundles.keys(), ...federated.keys()]);
  return [...names].toSorted().map((trustDomain) => {
    const origin = materials.trust.originOf(trustDomain);
    const state = federated.get(trustDomain) ?? null;
    return {
      trustDomain,
      isOwn: trustDomain === config.trustDomain,
      origin: nameOrigin(origin, config),
      ...describeBundle(bundles.get(trustDomain)),
      sequence: state?.document?.sequence?.toString() ?? null,
      ageSeconds: ageOfBundle(trustDomain, state, { materials, clock }),
      fetchedFrom: state?.fetchedFrom ?? null,
      problem: problemOfBundle(trustDomain, state, { materials, isKnown: bundles.has(trustDomain) }),
    };
  });
}

function nameOrigin(origin: TrustOrigin, { identity }: Config): TrustDomainReport['origin'] {
  if (origin === 'federation') return 'federation';
  return origin === 'bundle-file' || identity.kind === 'files' ? 'file' : 'workload-api';
}

function describeBundle(bundle: TrustBundle | undefined): Pick<TrustDomainReport, 'x509Authorities' | 'jwtKeyIds'> {
  const authorities = bundle?.authorities ?? [];
  return {
    x509Authorities: authorities.map(({ sha256, notAfterMs }) => ({ sha256, notAfter: toTime(notAfterMs) })),
    jwtKeyIds: [...(bundle?.jwtAuthorities.keys() ?? [])],
  };
}

interface Situation {
  readonly materials: Shown;
}

function ageOfBundle(
  trustDomain: TrustDomain,
  state: FederationState | null,
  { materials, clock }: Situation & { readonly clock: Clock },
): number | null {
  if (state !== null) return ageOfFetch(state, clock);
  const { agent } = materials;
  const file = materials.bundleFile(trustDomain);
  if (file !== null) return file.loadedSecondsAgo;
  return agent !== null && 'receivedMs' in agent ? secondsSince(agent.receivedMs, clock) : null;
}

/** As its maximum age is judged: monotonic time stands still while the machine is asleep. */
function ageOfFetch({ fetchedMs, fetchedWallMs }: FederationState, clock: Clock): number | null {
  if (fetchedMs === null || fetchedWallMs === null) return null;
  return Math.max(secondsSince(fetchedMs, clock), Math.floor((clock.wallMs() - fetchedWallMs) / 1000));
}

function problemOfBundle(
  trustDomain: TrustDomain,
  state: FederationState | null,
  { materials, isKnown }: Situation & { readonly isKnown: boolean },
): string | null {
  const failed = state?.failure?.reason ?? null;
  if (state?.expired === true) return `past its maximum age, not in force${failed === null ? '' : `: ${failed}`}`;
  if (failed !== null) return failed;
  if (!isKnown) return 'no bundle, so that everybody of this trust domain is refused';
  const failure = materials.bundleFile(trustDomain)?.failure ?? null;
  return failure === null ? null : messageOf(failure);
}

function reportRevocation(config: Config, materials: Shown, clock: Clock): readonly RevocationReport[] {
  const { redis, agent } = materials;
  const revocations = materials.revocations.current.value;
  const reports: RevocationReport[] = [];
  if (config.revocation.file !== null) {
    const failure = materials.fileFailures.get('revocation') ?? null;
    reports.push({
      list: 'file',
      entries: materials.listedInFile,
      isCurrent: failure === null,
      ageSeconds: materials.revocationsLoadedSecondsAgo,
      problem: failure === null ? null : messageOf(failure),
    });
  }
  if (redis !== null) {
    reports.push({
      list: 'redis',
      entries: redis.entries.length,
      isCurrent: redis.kind === 'current',
      ageSeconds: redis.kind === 'waiting' ? null : secondsSince(redis.receivedMs, clock),
      problem: redis.kind === 'current' ? (redis.problems[0]?.message ?? null) : redis.message,
    });
  }
  if (agent !== null) {
    const overdue = revocations.staleCrlCount(clock.wallMs());
    reports.push({
      list: 'crl',
      entries: revocations.crlSerials,
      isCurrent: agent.kind === 'current' && overdue === 0,
      ageSeconds: 'receivedMs' in agent ? secondsSince(agent.receivedMs, clock) : null,
      problem: overdue === 0 ? null : `${overdue} of ${revocations.crlCount} CRLs past their next update`,
    });
  }
  return reports;
}

function secondsSince(ms: number, clock: Clock): number {
  return Math.floor((clock.monotonicMs() - ms) / 1000);
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : 'unknown error';
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
