// Verdicts about entries, told of the object that opens them.

import type { Cluster } from '../../cluster.ts';
import {
  refToCluster,
  refToObject,
  SEVERITIES,
  type Json,
  type Remediation,
  type ResourceRef,
  type Rule,
  type RuleInfo,
  type Severity,
  type Verdict,
} from '../../finding.ts';
import type { KubeObject } from '../../kube-object.ts';
import { failed, passed, unknown, unknownWithout } from '../../verdict.ts';
import { exposedWorkloads } from '../exposed-workloads.ts';
import { isFromOutside, type EntryKind, type Exposure } from '../exposure.ts';

export interface ExposureRule {
  readonly info: Pick<RuleInfo, 'id' | 'title' | 'severity' | 'help'> & Partial<RuleInfo>;
  readonly entry: EntryKind;
  /** Group and kind of what opens such an entry; an object that opens none passes. */
  readonly kinds: readonly (readonly [string, string])[];
  /** Whether without any of them nothing can be said. Of a kind that few clusters have, files without it have none. */
  readonly isEssential: boolean;
  /** Of the objects of `kinds`, those that it is about. */
  readonly isCandidate?: (cluster: Cluster, object: KubeObject) => boolean;
  readonly severityOf: (exposure: Exposure) => Severity;
  readonly remedy: string;
  readonly held: string;
}

export function exposureRule(rule: ExposureRule): Rule {
  return {
    info: {
      tenets: ['T1', 'T2'],
      aliases: [],
      atlas: [],
      subject: 'object',
      check: 'external-access',
      ...rule.info,
    },
    *evaluate(cluster: Cluster): Iterable<Verdict> {
      const byObject = Map.groupBy(
        exposedWorkloads(cluster).filter(({ entry }) => entry === rule.entry),
        ({ object }) => object,
      );
      yield* judgeUnread(cluster, rule);
      for (const object of rule.kinds.flatMap(([group, kind]) => cluster.byKind(group, kind))) {
        if (rule.isCandidate?.(cluster, object) === false) continue;
        const exposures = byObject.get(object) ?? [];
        if (exposures.length === 0) yield passed(refToObject(object), [], rule.held);
        else yield judgeEntries(refToObject(object), exposures, rule);
      }
    },
  };
}

function* judgeUnread(cluster: Cluster, { kinds, isEssential }: ExposureRule): Iterable<Verdict> {
  for (const [group, kind] of kinds) {
    const known = cluster.isKnown(group, kind);
    if (known === true || known.reason === 'absent-kind') continue;
    const isNoneOfFiles = known.reason === 'not-given' && cluster.inventory.completeKinds === 'as-given';
    if (!isNoneOfFiles || isEssential) yield unknownWithout(refToCluster(), [], known);
  }
}

/** One verdict for all that an object opens: the gravest. */
export function judgeEntries(
  resource: ResourceRef,
  exposures: readonly Exposure[],
  rule: Pick<ExposureRule, 'severityOf' | 'remedy'>,
): Verdict {
  const open = exposures.filter(isFromOutside);
  const [gravest] = open.toSorted((left, right) => rank(rule.severityOf(left)) - rank(rule.severityOf(right)));
  if (gravest === undefined) {
    const doubtful = exposures.find(({ reach }) => reach.kind === 'unknown');
    if (doubtful?.reach.kind === 'unknown') {
      const { reason, why } = doubtful.reach;
      return unknown(resource, { at: doubtful.at, reason, detail: `who gets there is not known: ${why}` });
    }
    const why = exposures[0]?.reach.why ?? '';
    return passed(resource, exposures[0]?.at ?? [], `not from outside: ${why}`);
  }
  const remediation: Remediation = { text: rule.remedy, patch: null, manifest: null };
  return failed(resource, {
    at: gravest.at,
    detail: describe(gravest, open),
    evidence: evidenceOf(gravest, open),
    remediation,
    severity: rule.severityOf(gravest),
  });
}

/** For what carries requests: plain text is worst, and nobody who asks who is there comes next. */
export function severityOfRequests({ reach, tls, authentication }: Exposure): Severity {
  const isPlain = tls === 'none' || tls === 'optional';
  if (reach.kind === 'listed') return isPlain ? 'medium' : 'low';
  if (isPlain) return 'high';
  return authentication === null ? 'medium' : 'low';
}

const MAX_SHOWN = 20;

function rank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}

function describe({ reach, tls, authentication, hosts }: Exposure, all: readonly Exposure[]): string {
  const workloads = [...new Set(all.flatMap(({ workload }) => workload?.ref ?? []))];
  const whom = workloads.length === 0 ? 'what stands behind it, and was not given' : list(workloads);
  const asks =
    authentication === null ? 'nothing that is seen asks who is there' : `${authentication} asks who is there`;
  const name = hosts.length === 0 ? '' : ` as ${list(hosts)}`;
  return `${WHO[reach.kind]} (${reach.why}) to ${whom}${name}${TLS[tls]}; ${asks}`;
}

const WHO = {
  anybody: 'anybody gets',
  listed: 'some networks get',
  node: 'whoever reaches a node gets',
  private: 'nobody outside gets',
  unknown: 'nobody knows who gets',
} as const;

const TLS = {
  none: ', in plain text',
  optional: ', in plain text if he likes',
  terminated: ', over TLS',
  passthrough: ', over TLS up to the pod',
  unknown: '',
} as const;

function list(texts: readonly string[]): string {
  const [first = '', second] = texts;
  if (texts.length <= 2) return second === undefined ? first : `${first} and ${second}`;
  return `${first} and ${texts.length - 1} more`;
}

function evidenceOf(gravest: Exposure, all: readonly Exposure[]): Readonly<Record<string, Json>> {
  const { reach, tls, authentication, hosts, through } = gravest;
  const targets = all.flatMap(({ workload, port }) =>
    workload === null ? [] : [`${workload.ref} ${port.protocol} ${port.number ?? '?'}`],
  );
  return {
    reach: reach.kind,
    why: reach.why,
    ...(reach.kind === 'anybody' && reach.isPresumed ? { isPresumed: true } : {}),
    ...(reach.kind === 'listed' ? { sources: reach.sources } : {}),
    tls,
    authentication,
    ...(hosts.length === 0
      ? {}
      : { hosts: [...new Set(all.flatMap((exposure) => exposure.hosts))].slice(0, MAX_SHOWN) }),
    through,
    workloads: [...new Set(targets)].slice(0, MAX_SHOWN),
  };
}
