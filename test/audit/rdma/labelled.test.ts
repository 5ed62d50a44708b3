import { describe, expect, it } from 'vitest';
import { findAllRdmaAccess } from '../../../src/audit/rdma/access.ts';
import { judgeBySubstring, score } from './labelled-score.ts';
import { readLabelledSet } from './labelled-set.ts';

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
