import { describe, expect, it } from 'vitest';
import type { Workload } from '../../../src/audit/workload.ts';
import { findAllRdmaAccess } from '../../../src/audit/rdma/access.ts';
import { readLabelledSet, type Label, type LabelledTemplate } from './labelled-set.ts';

interface Score {
  readonly precision: number;
  readonly recall: number;
  readonly found: number;
  readonly missed: readonly string[];
  readonly invented: readonly string[];
}

function score(set: readonly LabelledTemplate[], judge: (template: LabelledTemplate) => Label): Score {
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
function judgeBySubstring(workload: Workload): Label {
  const names = workload.containers
    .filter(({ kind }) => kind === 'main')
    .flatMap(({ field }) => ['limits', 'requests'].map((key) => field.get('resources', key)))
    .flatMap((list) => (list.kind === 'map' ? [...list.asMap().keys()] : []));
  return names.some((name) => name.includes('rdma') || name.includes('infiniband')) ? 'access' : 'none';
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

describe('RDMA detection on the labelled set', () => {
  const set = readLabelledSet();
  const ours = score(set, ({ cluster, workload }) => cluster.once(findAllRdmaAccess).get(workload)?.kind ?? 'unknown');
  const naive = score(set, ({ workload }) => judgeBySubstring(workload));

  it('S11 has precision and recall that are printed, and do not fall', () => {
    const counts = (['access', 'none', 'unknown'] as const).map(
      (label) => set.filter((each) => each.label === label).length,
    );
    process.stdout.write(
      `RDMA detection: ${set.length} labelled templates (access, none, unknown: ${counts.join(', ')})\n` +
        `  ours:      precision ${percent(ours.precision)}, recall ${percent(ours.recall)}\n` +
        `  substring: precision ${percent(naive.precision)}, recall ${percent(naive.recall)}\n` +
        `  missed: ${ours.missed.join(', ')}\n  invented: ${ours.invented.join(', ')}\n`,
    );
    expect(set.length).toBeGreaterThanOrEqual(60);
    expect(ours.missed).toEqual(['ml/by-runtime-class[Job]', 'ml/house-name[Deployment]']);
    expect(ours.invented).toEqual(['ml/misleading[Deployment]']);
  });

  it('S11 finds what a substring of a resource name does not', () => {
    expect(naive.recall).toBeLessThan(0.5);
    expect(naive.missed.length).toBeGreaterThan(30);
    expect(naive.invented.length).toBeGreaterThan(2);
  });

  it.each(set.map((each) => [each.workload.ref, each] as const).filter(([, { label }]) => label === 'unknown'))(
    'says of %s that it does not know',
    (_ref, { cluster, workload }) => {
      expect(cluster.once(findAllRdmaAccess).get(workload)).toMatchObject({ kind: 'unknown' });
    },
  );

  it('is certain of everything that is settled', () => {
    const undecided = set.filter(
      ({ cluster, workload, label }) =>
        label === 'none' && cluster.once(findAllRdmaAccess).get(workload)?.kind === 'unknown',
    );
    expect(undecided.map(({ workload }) => workload.ref)).toEqual([]);
  });
});
