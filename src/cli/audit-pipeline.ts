// `audit pipeline`: what a run directory holds, held against what its stages say of it and against who may say it.

import type { Command } from 'commander';
import { assembleReport } from '../audit/audit.ts';
import { systemClock } from '../core/clock.ts';
import { AUDIT_DEFAULTS, runAuditCommand } from './audit-input.ts';
import { writeReport } from './audit-output.ts';
import { addReportOptions, exitOfReport, readReportTerms, type ReportFlags } from './audit-report-options.ts';
import { judgeRuns, withUnreadRuns } from './audit-runs.ts';
import type { CommandIo } from './command-io.ts';

interface PipelineFlags extends ReportFlags {
  readonly policy?: string;
}

export function registerPipelineCommand(audit: Command, io: CommandIo): void {
  const command = audit
    .command('pipeline')
    .description('run directories of a pipeline; exit 1 when something failed, 3 when not everything could be judged')
    .argument('<directory...>', 'run directories, with a metadata.json or artifact_info.json for each stage')
    .option('--policy <path>', 'who may sign for which stage: a file, or a directory with an artifacts.yaml');
  const outputs = addReportOptions(command);
  command.action(async (directories: readonly string[], flags: PipelineFlags) =>
    runAuditCommand(io, async () => {
      const targets = outputs.outputs;
      const nowMs = systemClock.wallMs();
      const terms = {
        context: { policy: null, options: AUDIT_DEFAULTS, nowMs },
        ...(await readReportTerms(flags)),
      };
      const runs = await judgeRuns(directories, { trustPath: flags.policy ?? null, nowMs, io });
      const report = withUnreadRuns(assembleReport(null, runs.evaluations, terms), runs);
      await writeReport(report, targets, { io, showUnknown: flags.showUnknown, nowMs });
      return exitOfReport(report, flags);
    }),
  );
}
