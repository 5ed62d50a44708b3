// `audit pipeline`: what a run directory holds, held against what its stages say of it and against who may say it.

import { InvalidArgumentError, type Command } from 'commander';
import { assembleReport, outcomeOf } from '../audit/audit.ts';
import { parseBaseline } from '../audit/baseline.ts';
import { buildCluster } from '../audit/cluster.ts';
import { NO_EXCEPTIONS, parseExceptions } from '../audit/exceptions.ts';
import { SEVERITIES, type Severity } from '../audit/finding.ts';
import { systemClock } from '../core/clock.ts';
import { EXIT } from './audit-error.ts';
import { AUDIT_DEFAULTS, readArgument, runAuditCommand } from './audit-input.ts';
import { FORMATS, OutputOptions, writeReport } from './audit-output.ts';
import { createProgressBar } from './audit-pipeline-progress.ts';
import type { CommandIo } from './command-io.ts';

interface PipelineFlags {
  readonly policy?: string;
  readonly severityThreshold?: Severity;
  readonly baseline?: string;
  readonly exceptions?: string;
  readonly showUnknown: boolean;
}

export function registerPipelineCommand(audit: Command, io: CommandIo): void {
  const outputs = new OutputOptions();
  audit
    .command('pipeline')
    .description('run directories of a pipeline; exit 1 when something failed, 3 when not everything could be judged')
    .argument('<directory...>', 'run directories, with a metadata.json or artifact_info.json for each stage')
    .option('--policy <path>', 'who may sign for which stage: a file, or a directory with an artifacts.yaml')
    .option('--format <format>', `${FORMATS.join(', ')}; repeatable, each with an --output`, outputs.addFormat)
    .option('--output <file>', 'where the --format before it is written', outputs.addFile)
    .option('--severity-threshold <severity>', `what counts: ${SEVERITIES.join(', ')}`, parseSeverity)
    .option('--baseline <file>', 'an earlier report in JSON: only what is new counts')
    .option('--exceptions <file>', 'what is lived with, for a reason and until a day (YAML)')
    .option('--show-unknown', 'also list what could not be judged, one by one', false)
    .action(async (directories: readonly string[], flags: PipelineFlags) =>
      runAuditCommand(io, async () => auditPipeline(directories, { flags, outputs, io })),
    );
}

interface PipelineTerms {
  readonly flags: PipelineFlags;
  readonly outputs: OutputOptions;
  readonly io: CommandIo;
}

async function auditPipeline(directories: readonly string[], { flags, outputs, io }: PipelineTerms): Promise<number> {
  const targets = outputs.outputs;
  const { policy, exceptions, baseline, severityThreshold, showUnknown } = flags;
  const terms = {
    context: { policy: null, options: AUDIT_DEFAULTS, nowMs: systemClock.wallMs() },
    exceptions: exceptions === undefined ? NO_EXCEPTIONS : parseExceptions(await readArgument(exceptions), exceptions),
    baseline: baseline === undefined ? null : parseBaseline(await readArgument(baseline), baseline),
  };
  // What verifies signatures takes its time to load, which other audits need not spend.
  const { evaluateArtifacts } = await import('../artifact/evaluate.ts');
  const { readRun } = await import('../artifact-files/read-run.ts');
  const { readTrust } = await import('../artifact-files/read-trust.ts');
  const trust = policy === undefined ? null : readTrust(policy);
  const runs = [];
  for (const directory of directories) {
    const progress = createProgressBar(io, systemClock, process.stderr.isTTY);
    runs.push(await readRun(directory, { trust, onProgress: progress.show }));
    progress.clear();
  }
  const evaluations = evaluateArtifacts(runs, { trust, nowMs: terms.context.nowMs });
  // A cluster without objects carries what could not be read into the report.
  const unreadable = runs.flatMap((run) => run.unreadable);
  const nothing = buildCluster({ objects: [], unreadable, completeKinds: 'as-given' });
  const report = assembleReport(nothing, evaluations, terms);
  await writeReport(report, targets, { io, showUnknown, nowMs: terms.context.nowMs });
  return EXIT_OF_OUTCOME[outcomeOf(report, severityThreshold ?? null)];
}

const EXIT_OF_OUTCOME = {
  clean: EXIT.clean,
  findings: EXIT.findings,
  unread: EXIT.incomplete,
  unknown: EXIT.incomplete,
  broken: EXIT.internal,
} as const;

function parseSeverity(text: string): Severity {
  const severity = SEVERITIES.find((known) => known === text);
  if (severity === undefined) throw new InvalidArgumentError(`expected one of ${SEVERITIES.join(', ')}.`);
  return severity;
}
