// The run directories of a pipeline, read with progress and judged.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Evaluation } from '../audit/finding.ts';
import type { Unreadable } from '../audit/inventory.ts';
import type { AuditReport } from '../audit/report.ts';
import { systemClock } from '../core/clock.ts';
import { TRUST_DOCUMENT } from '../files/policy-group.ts';
import { createProgressBar } from './audit-pipeline-progress.ts';
import type { CommandIo } from './command-io.ts';

export interface JudgedRuns {
  readonly evaluations: readonly Evaluation[];
  readonly unreadable: readonly Unreadable[];
}

export interface RunTerms {
  /** The trust document, or the directory that it lies in; null where nobody is trusted to sign. */
  readonly trustPath: string | null;
  readonly nowMs: number;
  readonly io: CommandIo;
}

/** @throws {FileError | DocumentError | TrustError} for the trust document; what is wrong with a run is in the verdicts. */
export async function judgeRuns(
  directories: readonly string[],
  { trustPath, nowMs, io }: RunTerms,
): Promise<JudgedRuns> {
  // What verifies signatures takes its time to load, which other audits need not spend.
  const { evaluateArtifacts } = await import('../artifact/evaluate.ts');
  const { readRun } = await import('../artifact-files/read-run.ts');
  const { readTrust } = await import('../artifact-files/read-trust.ts');
  const trust = trustPath === null ? null : readTrust(trustPath);
  const runs = [];
  for (const directory of directories) {
    const progress = createProgressBar(io, systemClock, process.stderr.isTTY);
    runs.push(await readRun(directory, { trust, onProgress: progress.show }));
    progress.clear();
  }
  return {
    evaluations: evaluateArtifacts(runs, { trust, nowMs }),
    unreadable: runs.flatMap((run) => run.unreadable),
  };
}

/** Null for a directory of policies that says nothing of artifacts. */
export function trustPathIn(policy: string): string | null {
  const path = join(policy, TRUST_DOCUMENT);
  return existsSync(path) ? path : null;
}

/** Not through the cluster: what is unread of a run leaves no question open about what was read of a cluster. */
export function withUnreadRuns(report: AuditReport, { unreadable }: JudgedRuns): AuditReport {
  const { coverage } = report;
  return {
    ...report,
    coverage: {
      ...coverage,
      isComplete: coverage.isComplete && unreadable.length === 0,
      unreadable: [...coverage.unreadable, ...unreadable],
    },
  };
}
