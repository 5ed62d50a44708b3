// `audit cluster`: every rule over everything that was given, as one report.

import { InvalidArgumentError, Option, type Command } from 'commander';
import { assembleReport, evaluateRules, outcomeOf, type AuditTerms } from '../audit/audit.ts';
import { parseBaseline } from '../audit/baseline.ts';
import { buildCluster } from '../audit/cluster.ts';
import { NO_EXCEPTIONS, parseExceptions } from '../audit/exceptions.ts';
import { SEVERITIES, type Severity } from '../audit/finding.ts';
import { componentGraph } from '../audit/matrix/component-graph.ts';
import type { AuditReport } from '../audit/report.ts';
import type { CniName } from '../audit/network/cni.ts';
import { rulesFor } from '../audit/rules.ts';
import { systemClock } from '../core/clock.ts';
import { AuditCommandError, EXIT } from './audit-error.ts';
import { addFilterOptions, filterEvaluations, type FilterFlags } from './audit-filter.ts';
import {
  addSourceOptions,
  isLive,
  cniOption,
  readArgument,
  readInventory,
  runAuditCommand,
  type SourceFlags,
} from './audit-input.ts';
import { addMappingOptions, auditOptionsOf, type MappingFlags } from './audit-matrix-options.ts';
import { FORMATS, OutputOptions, writeReport } from './audit-output.ts';
import { EVENT_FORMS, type EventForm } from './audit-watch-form.ts';
import type { CommandIo } from './command-io.ts';
import { readPolicy } from './policy-files.ts';

interface ClusterFlags extends FilterFlags, SourceFlags, MappingFlags {
  readonly watch: boolean;
  readonly events?: EventForm;
  readonly policy?: string;
  readonly cni?: CniName;
  readonly severityThreshold?: Severity;
  readonly baseline?: string;
  readonly exceptions?: string;
  readonly showUnknown: boolean;
}

export function registerClusterCommand(audit: Command, io: CommandIo): void {
  const outputs = new OutputOptions();
  const command = addSourceOptions(audit.command('cluster'))
    .description('every rule; exit 1 when something failed, 3 when not everything could be judged')
    .option('--policy <path>', 'the access matrix, a directory or a file')
    .addOption(cniOption())
    .option('--format <format>', `${FORMATS.join(', ')}; repeatable, each with an --output`, outputs.addFormat)
    .option('--output <file>', 'where the --format before it is written', outputs.addFile)
    .option('--severity-threshold <severity>', `what counts: ${SEVERITIES.join(', ')}`, parseSeverity)
    .option('--baseline <file>', 'an earlier report in JSON: only what is new counts')
    .option('--exceptions <file>', 'what is lived with, for a reason and until a day (YAML)')
    .option('--show-unknown', 'also list what could not be judged, one by one', false)
    .option(
      '--watch',
      'with --live: stay, and tell what changes; ends with Ctrl-C and the code of the last audit',
      false,
    )
    .addOption(new Option('--events <form>', 'with --watch: text in a terminal, else ndjson').choices(EVENT_FORMS));
  addFilterOptions(addMappingOptions(command)).action(async (paths: readonly string[], flags: ClusterFlags) =>
    runAuditCommand(io, async () => {
      const targets = outputs.outputs;
      const terms = await readTerms(flags);
      const exitOf = (report: AuditReport): number =>
        EXIT_OF_OUTCOME[outcomeOf(report, flags.severityThreshold ?? null)];
      if (isWatch(paths, flags)) {
        const { watchCommand } = await import('./audit-watch.ts');
        return watchCommand({ flags, terms, targets, exitOf, io });
      }
      const cluster = buildCluster(await readInventory(paths, flags, io));
      const evaluations = filterEvaluations(evaluateRules(cluster, terms), flags, cluster);
      const report = {
        ...assembleReport(cluster, evaluations, terms),
        componentGraph: componentGraph(cluster, terms.context, flags.cni ?? null),
      };
      await writeReport(report, targets, { io, showUnknown: flags.showUnknown, nowMs: terms.context.nowMs });
      return exitOf(report);
    }),
  );
}

function isWatch(paths: readonly string[], flags: ClusterFlags): boolean {
  if (flags.watch && !isLive(paths, flags)) {
    throw new AuditCommandError('usage', '--watch is for a cluster: give --live instead of files');
  }
  if (!flags.watch && flags.events !== undefined) {
    throw new AuditCommandError('usage', '--events says how --watch tells what changes');
  }
  return flags.watch;
}

const EXIT_OF_OUTCOME = {
  clean: EXIT.clean,
  findings: EXIT.findings,
  unread: EXIT.incomplete,
  unknown: EXIT.incomplete,
  broken: EXIT.internal,
} as const;

async function readTerms(flags: ClusterFlags): Promise<AuditTerms> {
  const { policy, cni, exceptions, baseline } = flags;
  return {
    rules: rulesFor(cni ?? null),
    context: {
      policy: policy === undefined ? null : await readPolicy(policy),
      options: auditOptionsOf(flags),
      nowMs: systemClock.wallMs(),
    },
    exceptions: exceptions === undefined ? NO_EXCEPTIONS : parseExceptions(await readArgument(exceptions), exceptions),
    baseline: baseline === undefined ? null : parseBaseline(await readArgument(baseline), baseline),
  };
}

function parseSeverity(text: string): Severity {
  const severity = SEVERITIES.find((known) => known === text);
  if (severity === undefined) throw new InvalidArgumentError(`expected one of ${SEVERITIES.join(', ')}.`);
  return severity;
}
