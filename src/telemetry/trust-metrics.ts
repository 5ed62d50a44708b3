// The metrics of trust: how long our own identity lasts, how old what we know of others is, and who is revoked.

import type { Sample, SampledMetric } from './exposition.ts';

/** Ages are seconds since the source last said so. */
export interface TrustFigures {
  readonly svid: { readonly notAfterSeconds: number; readonly secondsLeft: number } | null;
  readonly domains: readonly TrustDomainFigures[];
  /** Null when our identity comes from files. */
  readonly agent: AgentFigures | null;
  readonly revocation: readonly RevocationFigures[];
}

interface TrustDomainFigures {
  readonly trustDomain: string;
  readonly x509Authorities: number;
  readonly jwtKeys: number;
  /** `spiffe_sequence`; null where the source has none. */
  readonly sequence: number | null;
  readonly ageSeconds: number | null;
}

interface AgentFigures {
  readonly state: 'waiting' | 'current' | 'stale' | 'withdrawn' | 'stopped';
  /** Null before the first. */
  readonly lastMessageAgeSeconds: number | null;
  readonly discardedMessages: number;
}

interface RevocationFigures {
  readonly list: 'file' | 'redis' | 'crl';
  readonly entries: number;
  readonly ageSeconds: number | null;
  readonly isCurrent: boolean;
}

const AGENT_STATES = ['waiting', 'current', 'stale', 'withdrawn', 'stopped'] as const;

/** `read` is asked for each metric of each scrape. */
export function trustMetrics(read: () => TrustFigures): readonly SampledMetric[] {
  return [...svidMetrics(read), ...bundleMetrics(read), ...agentMetrics(read), ...revocationMetrics(read)];
}

function svidMetrics(read: () => TrustFigures): readonly SampledMetric[] {
  return [
    {
      type: 'gauge',
      name: 'sallyport_svid_expiry_timestamp_seconds',
      help:
        'When the X.509-SVID this proxy serves with expires, in seconds since the Unix epoch; ' +
        'absent while there is none that may be used.',
      labelNames: [],
      read: () => optional(read().svid?.notAfterSeconds ?? null),
    },
    {
      type: 'gauge',
      name: 'sallyport_svid_seconds_left',
      help: 'Until the X.509-SVID this proxy serves with expires; absent while there is none that may be used.',
      labelNames: [],
      read: () => optional(read().svid?.secondsLeft ?? null),
    },
  ];
}

function bundleMetrics(read: () => TrustFigures): readonly SampledMetric[] {
  const ofDomains = (figure: (domain: TrustDomainFigures) => number | null): (() => Sample[]) => {
    return () => read().domains.flatMap((domain) => optional(figure(domain), { trust_domain: domain.trustDomain }));
  };
  const labelNames = ['trust_domain'];
  return [
    {
      type: 'gauge',
      name: 'sallyport_trust_bundle_authorities',
      help: 'Authorities in the bundle of each trust domain; with 0 every X.509-SVID of that trust domain is refused.',
      labelNames,
      read: ofDomains(({ x509Authorities }) => x509Authorities),
    },
    {
      type: 'gauge',
      name: 'sallyport_trust_bundle_jwt_keys',
      help: 'Keys for JWT-SVIDs in the bundle of each trust domain.',
      labelNames,
      read: ofDomains(({ jwtKeys }) => jwtKeys),
    },
    {
      type: 'gauge',
      name: 'sallyport_trust_bundle_sequence',
      help: 'spiffe_sequence of the bundle of each trust domain, where its source has one; rounded from 2^53 on, /identity has it in full.',
      labelNames,
      read: ofDomains(({ sequence }) => sequence),
    },
    {
      type: 'gauge',
      name: 'sallyport_trust_bundle_age_seconds',
      help: 'Since the bundle of each trust domain was last given, or confirmed, by where it comes from; of a file, since it was loaded.',
      labelNames,
      read: ofDomains(({ ageSeconds }) => ageSeconds),
    },
  ];
}

function agentMetrics(read: () => TrustFigures): readonly SampledMetric[] {
  return [
    {
      type: 'gauge',
      name: 'sallyport_workload_api_state',
      help: '1 for the state that the source of our identity is in; absent when it comes from files.',
      labelNames: ['state'],
      read: () => {
        const { agent } = read();
        if (agent === null) return [];
        return AGENT_STATES.map((state) => ({ labels: { state }, value: state === agent.state ? 1 : 0 }));
      },
    },
    {
      type: 'gauge',
      name: 'sallyport_workload_api_last_message_age_seconds',
      help: 'Since the agent last said something that could be used.',
      labelNames: [],
      read: () => optional(read().agent?.lastMessageAgeSeconds ?? null),
    },
    {
      type: 'counter',
      name: 'sallyport_workload_api_discarded_messages_total',
      help: 'Messages of the agent that could not be used; what was known before stayed in force.',
      labelNames: [],
      read: () => optional(read().agent?.discardedMessages ?? null),
    },
  ];
}

function revocationMetrics(read: () => TrustFigures): readonly SampledMetric[] {
  const ofLists = (figure: (list: RevocationFigures) => number | null): (() => Sample[]) => {
    return () => read().revocation.flatMap((each) => optional(figure(each), { list: each.list }));
  };
  return [
    {
      type: 'gauge',
      name: 'sallyport_revocation_entries',
      help: 'What is revoked, by where it is listed; for crl the serial numbers of all CRLs.',
      labelNames: ['list'],
      read: ofLists(({ entries }) => entries),
    },
    {
      type: 'gauge',
      name: 'sallyport_revocation_list_age_seconds',
      help: 'Since each list was last read; of a file, since it was loaded.',
      labelNames: ['list'],
      read: ofLists(({ ageSeconds }) => ageSeconds),
    },
    {
      type: 'gauge',
      name: 'sallyport_revocation_list_current',
      help: '1 while each list is known as it is now; with 0 the last one known holds.',
      labelNames: ['list'],
      read: ofLists(({ isCurrent }) => (isCurrent ? 1 : 0)),
    },
  ];
}

function optional(value: number | null, labels: Readonly<Record<string, string>> = {}): Sample[] {
  return value === null ? [] : [{ labels, value }];
}
