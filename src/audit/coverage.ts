// What an audit looked at, and what it could not look at.

import type { Cluster } from './cluster.ts';
import type { Evaluation, Verdict } from './finding.ts';
import { formatObject } from './kube-object.ts';
import { formatPath } from './path.ts';
import type { Coverage, CoverageNote, RuleCoverage } from './report.ts';

export function describeCoverage(cluster: Cluster | null, evaluations: readonly Evaluation[]): Coverage {
  const rules = evaluations.map(describeRule);
  // A kind that the server does not have is no gap.
  const unreadable = (cluster?.inventory.unreadable ?? []).filter(({ reason }) => reason !== 'absent-kind');
  const malformed = cluster === null ? [] : describeMalformed(cluster);
  const unseen = (cluster?.unseen ?? []).map(({ object, ref, at, detail }) => ({
    ref,
    detail,
    position: object.locate(at),
  }));
  const failures = evaluations.flatMap(({ info, failure }) =>
    failure === null ? [] : [{ rule: info.id, message: failure }],
  );
  const isComplete =
    [unreadable, malformed, unseen, failures].every(({ length }) => length === 0) &&
    rules.every(({ unknown }) => unknown === 0);
  return { isComplete, rules, unreadable, malformed, unseen, finished: cluster?.finished.length ?? 0, failures };
}

function describeRule({ info, verdicts, failure }: Evaluation): RuleCoverage {
  const counts = { pass: 0, fail: 0, unknown: 0 };
  const reasons = new Map<string, { count: number; readonly example: string }>();
  for (const verdict of verdicts) {
    counts[verdict.verdict] += 1;
    if (verdict.verdict !== 'unknown') continue;
    const known = reasons.get(verdict.reason);
    if (known === undefined) reasons.set(verdict.reason, { count: 1, example: describe(verdict) });
    else known.count += 1;
  }
  return {
    rule: info.id,
    ...counts,
    state: failure === null ? stateOf(counts) : 'failed',
    reasons: [...reasons].map(([reason, { count, example }]) => ({ reason, count, example })),
  };
}

function describe({ resource, detail }: Verdict): string {
  return `${resource.ref}: ${detail}`;
}

function stateOf({ pass, fail, unknown }: Pick<RuleCoverage, 'pass' | 'fail' | 'unknown'>): RuleCoverage['state'] {
  const judged = pass + fail;
  if (judged + unknown === 0) return 'no-subject';
  if (unknown === 0) return 'evaluated';
  return judged === 0 ? 'not-evaluated' : 'partly';
}

function describeMalformed(cluster: Cluster): readonly CoverageNote[] {
  return cluster.malformed.map(({ object, path, expected, found }) => ({
    ref: formatObject(object),
    detail: `${formatPath(path)} must be ${expected}, and is ${found}`,
    position: object.locate(path),
  }));
}
