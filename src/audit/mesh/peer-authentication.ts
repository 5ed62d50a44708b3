// Which mode of mutual TLS Istio's PeerAuthentications give to a port of a workload.
// https://istio.io/latest/docs/reference/config/security/peer_authentication/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { formatObject, type KubeObject } from '../kube-object.ts';
import { compileEquality, matchLabels, type Match, type Selector } from '../selector.ts';
import type { Workload } from '../workload.ts';
import { describeUnread, findUnread } from './readable.ts';

export type PeerMode = 'STRICT' | 'PERMISSIVE' | 'DISABLE';

/** What a policy says: `UNSET` leaves it to the wider scope, `malformed` is none of the modes. */
export type StatedMode = PeerMode | 'UNSET' | 'malformed';

export interface PeerAuthentication {
  readonly object: KubeObject;
  readonly namespace: string;
  /** Null when it selects no workloads, but is for all. */
  readonly selector: Selector | null;
  readonly mode: StatedMode;
  /** By the port of the workload, not that of a Service. */
  readonly ports: ReadonlyMap<number, StatedMode>;
}

export interface PeerDecision {
  readonly mode: PeerMode | 'UNKNOWN';
  /** The policy that says so; null when it is Istio's default, or not certain. */
  readonly by: KubeObject | null;
  readonly source: string;
}

export class PeerAuthentications {
  readonly #cluster: Cluster;
  readonly #rootNamespace: string;
  readonly #byNamespace = new Map<string, PeerAuthentication[]>();
  readonly #candidates = new Map<Workload, readonly Candidate[]>();

  constructor(cluster: Cluster, rootNamespace: string) {
    this.#cluster = cluster;
    this.#rootNamespace = rootNamespace;
    for (const object of cluster.byKind(GROUP, KIND)) {
      const policy = readPeerAuthentication(cluster, object);
      const policies = this.#byNamespace.get(policy.namespace) ?? [];
      policies.push(policy);
      this.#byNamespace.set(policy.namespace, policies);
    }
  }

  in(namespace: string): readonly PeerAuthentication[] {
    return this.#byNamespace.get(namespace) ?? [];
  }

  get all(): readonly PeerAuthentication[] {
    return [...this.#byNamespace.values()].flat();
  }

  /** Ports that a policy for the workload speaks of. */
  portsNamedFor(workload: Workload): ReadonlySet<number> {
    const policies = this.#ofWorkload(workload).map(({ policy }) => policy);
    return new Set(policies.flatMap(({ ports }) => [...ports.keys()]));
  }

  /** `port` is null for one of which no policy speaks. */
  decide(workload: Workload, port: number | null): PeerDecision {
    const { namespace } = workload;
    const isRoot = namespace === this.#rootNamespace;
    const unread = this.#findUnread(namespace);
    if (unread !== null) return { mode: 'UNKNOWN', by: null, source: unread };
    const ofWorkload = isRoot ? [null] : possibleWinners(this.#ofWorkload(workload));
    const ofNamespace = isRoot ? [null] : possibleWinners(withoutSelector(this.in(namespace)));
    const ofMesh = possibleWinners(withoutSelector(this.in(this.#rootNamespace)));
    const effects = combineEffects([
      { scope: 'port', stated: ofWorkload.map((policy) => effectOf(policy, stateOfPort(policy, port))) },
      { scope: 'workload', stated: ofWorkload.map((policy) => effectOf(policy, policy?.mode ?? 'UNSET')) },
      { scope: 'namespace', stated: ofNamespace.map((policy) => effectOf(policy, policy?.mode ?? 'UNSET')) },
      { scope: 'mesh', stated: ofMesh.map((policy) => effectOf(policy, policy?.mode ?? 'UNSET')) },
    ]);
    return this.#toDecision(effects, namespace);
  }

  #ofWorkload(workload: Workload): readonly Candidate[] {
    const known = this.#candidates.get(workload) ?? this.#findCandidates(workload);
    this.#candidates.set(workload, known);
    return known;
  }

  #findCandidates({ namespace, labels }: Workload): readonly Candidate[] {
    if (namespace === this.#rootNamespace) return [];
    return this.in(namespace).flatMap((policy): readonly Candidate[] => {
      if (policy.selector === null) return [];
      const match = matchLabels(policy.selector, labels);
      return match === 'no' ? [] : [{ policy, match }];
    });
  }

  #findUnread(namespace: string): string | null {
    const unread = findUnread(this.#cluster, { group: GROUP, kind: KIND, namespace });
    return unread === null || unread.kind === null ? null : describeUnread(unread);
  }

  #toDecision(effects: readonly Effect[], namespace: string): PeerDecision {
    // The mesh's own policy matters only where no narrower one decides.
    const unread = effects.some(({ scope }) => scope === null || scope === 'mesh')
      ? this.#findUnread(this.#rootNamespace)
      : null;
    if (unread !== null) return { mode: 'UNKNOWN', by: null, source: unread };
    const [first] = effects;
    const policies = [...new Set(effects.flatMap(({ policy }) => (policy === null ? [] : formatPolicy(policy))))];
    if (first === undefined || effects.some(({ stated }) => stated === 'malformed')) {
      return { mode: 'UNKNOWN', by: null, source: `${policies.join(', ')}: not a mode of mutual TLS` };
    }
    if (effects.some(({ stated }) => stated !== first.stated)) {
      const source = `which of ${[...policies, 'no other'].slice(0, Math.max(policies.length, 2)).join(', ')} counts is not known: ${DOUBT}`;
      return { mode: 'UNKNOWN', by: null, source };
    }
    const { stated, policy, scope } = first;
    if (policies.length === 0) {
      const source = `Istio's default: no PeerAuthentication in namespace ${namespace} or for the mesh says otherwise`;
      return { mode: 'PERMISSIVE', by: null, source };
    }
    const by = policies.length === 1 ? (policy?.object ?? null) : null;
    return { mode: toMode(stated), by, source: `${policies.join(' or ')}, ${SCOPES[scope ?? 'mesh']}` };
  }
}

const DOUBT = 'the oldest does, and not all say when they were created or whom they select';

const GROUP = 'security.istio.io';
const KIND = 'PeerAuthentication';

type Scope = 'port' | 'workload' | 'namespace' | 'mesh';

const SCOPES: Readonly<Record<Scope, string>> = {
  port: 'for this port',
  workload: 'for the workload',
  namespace: 'for the namespace',
  mesh: 'for the mesh',
};

interface Candidate {
  readonly policy: PeerAuthentication;
  readonly match: Exclude<Match, 'no'>;
}

function readPeerAuthentication(cluster: Cluster, object: KubeObject): PeerAuthentication {
  const spec = cluster.field(object, 'spec');
  const selector = spec.get('selector');
  const compiled = compileEquality(selector.get('matchLabels'));
  const isWhole = !selector.isPresent || selector.kind === 'map';
  const isForAll = isWhole && compiled.isEmpty && !selector.get('matchExpressions').isPresent;
  const ports = new Map<number, StatedMode>();
  for (const [key, field] of spec.get('portLevelMtls').asMap()) {
    const port = /^[1-9][0-9]{0,4}$/.test(key) ? Number(key) : 65_536;
    if (port > 65_535) field.noteWrong('the setting of a port');
    else ports.set(port, readMode(field));
  }
  return {
    object,
    namespace: object.namespace ?? '',
    // Istio knows no matchExpressions here, and what becomes of the policy depends on who lets it pass.
    selector: isForAll
      ? null
      : { ...compiled, isMalformed: compiled.isMalformed || compiled.requirements.length === 0 },
    mode: readMode(spec.get('mtls')),
    ports,
  };
}

function readMode(mtls: Field): StatedMode {
  const field = mtls.get('mode');
  if (!field.isPresent) return mtls.isPresent && mtls.kind !== 'map' ? 'malformed' : 'UNSET';
  const text = field.asText();
  switch (text) {
    case 'STRICT':
    case 'PERMISSIVE':
    case 'DISABLE':
    case 'UNSET':
      return text;
    case null:
    default:
      field.noteWrong('UNSET, DISABLE, PERMISSIVE or STRICT');
      return 'malformed';
  }
}

function withoutSelector(policies: readonly PeerAuthentication[]): readonly Candidate[] {
  return policies.flatMap((policy) => (policy.selector === null ? { policy, match: 'yes' } : []));
}

/**
 * In one scope the oldest counts and the others do not; created in the same second, the one whose name comes first. Of what was not created
 * yet, nobody knows which will be the oldest.
 */
function possibleWinners(candidates: readonly Candidate[]): readonly (PeerAuthentication | null)[] {
  const isCertain = candidates.some(({ match }) => match === 'yes');
  if (candidates.length > 1 && candidates.some(({ policy }) => policy.object.createdMs === null)) {
    const all = candidates.map(({ policy }) => policy);
    return isCertain ? all : [...all, null];
  }
  const winners: (PeerAuthentication | null)[] = [];
  for (const { policy, match } of [...candidates].sort(compareAge)) {
    winners.push(policy);
    if (match === 'yes') return winners;
  }
  return [...winners, null];
}

function compareAge({ policy: left }: Candidate, { policy: right }: Candidate): number {
  const age = (left.object.createdMs ?? 0) - (right.object.createdMs ?? 0);
  if (age !== 0) return age;
  return left.object.name < right.object.name ? -1 : 1;
}

interface Effect {
  readonly policy: PeerAuthentication | null;
  readonly stated: StatedMode;
  /** Where it was decided; null for nowhere. */
  readonly scope: Scope | null;
}

function effectOf(policy: PeerAuthentication | null, stated: StatedMode): Effect {
  return { policy, stated, scope: null };
}

function stateOfPort(policy: PeerAuthentication | null, port: number | null): StatedMode {
  return policy === null || port === null ? 'UNSET' : (policy.ports.get(port) ?? 'UNSET');
}

interface ScopeEffects {
  readonly scope: Scope;
  readonly stated: readonly Effect[];
}

/**
 * What can come of scopes, of which each may leave it to the next. A port and its workload have the same policy, so that the second is only
 * asked by those policies whose port says nothing.
 */
function combineEffects(scopes: readonly ScopeEffects[]): readonly Effect[] {
  const decided: Effect[] = [];
  let left: ReadonlySet<PeerAuthentication | null> | null = null;
  for (const { scope, stated } of scopes) {
    const isOfWorkload = scope === 'workload';
    const asked = isOfWorkload && left !== null ? stated.filter(({ policy }) => left?.has(policy)) : stated;
    const silent = new Set<PeerAuthentication | null>();
    for (const effect of asked) {
      if (effect.stated === 'UNSET') silent.add(effect.policy);
      else decided.push({ ...effect, scope });
    }
    if (silent.size === 0) return decided;
    left = silent;
  }
  return [...decided, { policy: null, stated: 'PERMISSIVE', scope: null }];
}

function toMode(stated: StatedMode): PeerDecision['mode'] {
  return stated === 'UNSET' || stated === 'malformed' ? 'UNKNOWN' : stated;
}

function formatPolicy({ object }: PeerAuthentication): string {
  return `PeerAuthentication ${formatObject(object).replace(/\[PeerAuthentication\]$/, '')}`;
}
