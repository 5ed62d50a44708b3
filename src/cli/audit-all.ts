// `audit all`: a cluster and the run directories of its pipelines, in one report.

import type { Command } from 'commander';
import { buildCluster } from '../audit/cluster.ts';
import { addClusterOptions, auditCluster, type ClusterFlags, readClusterTerms } from './audit-cluster.ts';
import { readInventory, runAuditCommand } from './audit-input.ts';
import { writeReport } from './audit-output.ts';
import { addReportOptions, exitOfReport } from './audit-report-options.ts';
import { judgeRuns, trustPathIn, withUnreadRuns } from './audit-runs.ts';
import type { CommandIo } from './command-io.ts';

interface AllFlags extends ClusterFlags {
  readonly pipeline: readonly string[];
}

export function registerAllCommand(audit: Command, io: CommandIo): void {
  const command = addClusterOptions(audit.command('all'))
    .description('a cluster, and the run directories of its pipelines, in one report; --policy is for both')
    .requiredOption('--pipeline <directory>', 'a run directory; repeatable', collect);
  const outputs = addReportOptions(command);
  command.action(async (paths: readonly string[], flags: AllFlags) =>
    runAuditCommand(io, async () => {
      const targets = outputs.outputs;
      const terms = await readClusterTerms(flags);
      const { nowMs } = terms.context;
      const trustPath = flags.policy === undefined ? null : trustPathIn(flags.policy);
      const cluster = buildCluster(await readInventory(paths, flags, io));
      const runs = await judgeRuns(flags.pipeline, { trustPath, nowMs, io });
      const report = withUnreadRuns(auditCluster(cluster, terms, { flags, others: runs.evaluations }), runs);
      await writeReport(report, targets, { io, showUnknown: flags.showUnknown, nowMs });
      return exitOfReport(report, flags);
    }),
  );
}

function collect(directory: string, before: readonly string[] = []): readonly string[] {
  return [...before, directory];
}
