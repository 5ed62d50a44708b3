// What the rules about RDMA have in common: each looks at the workloads that reach an adapter, and says when it cannot tell.

import type { Cluster } from '../cluster.ts';
import { refToWorkload, type Json, type Rule, type RuleInfo, type Verdict } from '../finding.ts';
import { formatPath } from '../path.ts';
import { unknown } from '../verdict.ts';
import type { Workload } from '../workload.ts';
import { findAllRdmaAccess, type RdmaAccess } from './access.ts';
import type { RdmaEvidence } from './evidence.ts';
import { zoneOf } from './zone.ts';

export type RdmaEvidences = readonly [RdmaEvidence, ...RdmaEvidence[]];

export interface RdmaRule {
  readonly info: RuleInfo;
  readonly judge: (cluster: Cluster, workload: Workload, evidence: RdmaEvidences) => Iterable<Verdict>;
  /** Of a workload that reaches none. */
  readonly judgeOther?: (workload: Workload) => Verdict;
}

export function rdmaRule({ info, judge, judgeOther }: RdmaRule): Rule {
  return {
    info,
    *evaluate(cluster): Iterable<Verdict> {
      for (const [workload, access] of cluster.once(findAllRdmaAccess)) {
        if (access.kind === 'access') yield* judge(cluster, workload, access.evidence);
        else if (access.kind === 'unknown') yield undecided(workload, access);
        else if (judgeOther !== undefined) yield judgeOther(workload);
      }
    },
  };
}

/** For the report: each sign once, with where it stands. */
export function toldEvidence(
  cluster: Cluster,
  workload: Workload,
  evidence: RdmaEvidences,
): Readonly<Record<string, Json>> {
  const zone = zoneOf(cluster, workload);
  const partitions = [
    ...new Set(evidence.map(({ partition }) => partition?.title).filter((title) => title !== undefined)),
  ];
  return {
    zone: zone.name,
    zoneBy: zone.by,
    partitions: partitions.length > 0 ? partitions : 'not known',
    transports: [...new Set(evidence.map(({ transport }) => transport))],
    signs: evidence.map(({ source, name, detail, container, at, transport, partition }) => ({
      source,
      name,
      transport,
      partition: partition?.title ?? null,
      container: container?.name ?? null,
      path: formatPath(at),
      detail: sentence({ container, detail }),
    })),
  };
}

export function sentence({ container, detail }: Pick<RdmaEvidence, 'container' | 'detail'>): string {
  return `${container === null ? 'the pod' : `container \`${container.name}\``} ${detail}`;
}

function undecided(workload: Workload, { doubts }: Extract<RdmaAccess, { kind: 'unknown' }>): Verdict {
  const [{ at, reason, detail, container }, ...others] = doubts;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return unknown(refToWorkload(workload, container), {
    at,
    reason,
    detail: `whether it reaches an RDMA adapter is not known: ${detail}${more}`,
    evidence: {
      doubts: doubts.map((doubt) => ({ path: formatPath(doubt.at), reason: doubt.reason, detail: doubt.detail })),
    },
  });
}
