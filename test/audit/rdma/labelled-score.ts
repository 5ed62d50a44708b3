// How often detection, and the article's search in names, are right about labelled templates.

import type { Workload } from '../../../src/audit/workload.ts';
import type { Label, LabelledTemplate } from './labelled-set.ts';

export interface Score {
  readonly precision: number;
  readonly recall: number;
  readonly found: number;
  readonly missed: readonly string[];
  readonly invented: readonly string[];
}

export function score(set: readonly LabelledTemplate[], judge: (template: LabelledTemplate) => Label): Score {
  const judged = set.map((template) => ({ ref: template.workload.ref, label: template.label, said: judge(template) }));
  const positives = judged.filter(({ label }) => label === 'access');
  const claimed = judged.filter(({ said }) => said === 'access');
  const found = positives.filter(({ said }) => said === 'access').length;
  return {
    precision: found / claimed.length,
    recall: found / positives.length,
    found,
    missed: positives.filter(({ said }) => said !== 'access').map(({ ref }) => ref),
    invented: claimed.filter(({ label }) => label !== 'access').map(({ ref }) => ref),
  };
}

/** As the article's script judges: a substring of a resource's name, in main containers only. */
export function judgeBySubstring(workload: Workload): Label {
  const names = workload.containers
    .filter(({ kind }) => kind === 'main')
    .flatMap(({ field }) => ['limits', 'requests'].map((key) => field.get('resources', key)))
    .flatMap((list) => (list.kind === 'map' ? [...list.asMap().keys()] : []));
  return names.some((name) => name.includes('rdma') || name.includes('infiniband')) ? 'access' : 'none';
}
