// `audit cluster`: every rule over everything that was given, as one report.

import { Option, type Command } from 'commander';
import { assembleReport, evaluateRules, type AuditTerms } from '../audit/audit.ts';
import { buildCluster, type Cluster } from '../audit/cluster.ts';
import type { Evaluation } from '../audit/finding.ts';
import { componentGraph } from '../audit/matrix/component-graph.ts';
import type { AuditReport } from '../audit/report.ts';
import type { CniName } from '../audit/network/cni.ts';
import { rulesFor } from '../audit/rules.ts';
import { systemClock } from '../core/clock.ts';
import { AuditCommandError } from './audit-error.ts';
import { addFilterOptions, filterEvaluations, type FilterFlags, refuseEmptyFilter } from './audit-filter.ts';
import {
  addSourceOptions,
  isLive,
  cniOption,
  readInventory,
  runAuditCommand,
  type SourceFlags,
} from './audit-input.ts';
import { addMappingOptions, auditOptionsOf, type MappingFlags } from './audit-matrix-options.ts';
import { writeReport } from './audit-output.ts';
import { addReportOptions, exitOfReport, readReportTerms, type ReportFlags } from './audit-report-options.ts';
import { EVENT_FORMS, type EventForm } from './audit-watch-form.ts';
import type { CommandIo } from './command-io.ts';
import { readPolicy } from './policy-files.ts';

/** Of an audit of a cluster, whatever else is audited with it. */
export interface ClusterFlags extends FilterFlags, SourceFlags, MappingFlags, ReportFlags {
  readonly policy?: string;
  readonly cni?: CniName;
}

interface WatchFlags {
  readonly watch: boolean;
  readonly events?: EventForm;
}

export function registerClusterCommand(audit: Command, io: CommandIo): void {
  const command = addClusterOptions(audit.command('cluster'))
    .description('every rule; exit 1 when something failed, 3 when not everything could be judged')
    .option(
      '--watch',
      'with --live: stay, and tell what changes; ends with Ctrl-C and the code of the last audit',
      false,
    )
    .addOption(new Option('--events <form>', 'with --watch: text in a terminal, else ndjson').choices(EVENT_FORMS));
  const outputs = addReportOptions(command);
  command.action(async (paths: readonly string[], flags: ClusterFlags & WatchFlags) =>
    runAuditCommand(io, async () => {
      const targets = outputs.outputs;
      const terms = await readClusterTerms(flags);
      const exitOf = (report: AuditReport): number => exitOfReport(report, flags);
      if (isWatch(paths, flags)) {
        const { watchCommand } = await import('./audit-watch.ts');
        return watchCommand({ flags, terms, targets, exitOf, io });
      }
      const report = auditCluster(buildCluster(await readInventory(paths, flags, io)), terms, { flags, others: [] });
      await writeReport(report, targets, { io, showUnknown: flags.showUnknown, nowMs: terms.context.nowMs });
      return exitOf(report);
    }),
  );
}

/** All but what becomes of the report. */
export function addClusterOptions(command: Command): Command {
  addSourceOptions(command)
    .option('--policy <path>', 'the access matrix, a directory or a file')
    .addOption(cniOption());
  return addFilterOptions(addMappingOptions(command));
}

/** @throws {AuditCommandError | DocumentError | FileError} */
export async function readClusterTerms(flags: ClusterFlags): Promise<AuditTerms> {
  const { policy, cni } = flags;
  return {
    rules: rulesFor(cni ?? null),
    context: {
      policy: policy === undefined ? null : await readPolicy(policy),
      options: auditOptionsOf(flags),
      nowMs: systemClock.wallMs(),
    },
    ...(await readReportTerms(flags)),
  };
}

/** `others`: evaluations of what is audited with it, which no filter concerns. */
export function auditCluster(
  cluster: Cluster,
  terms: AuditTerms,
  { flags, others }: { readonly flags: ClusterFlags; readonly others: readonly Evaluation[] },
): AuditReport {
  refuseEmptyFilter(flags, cluster);
  const evaluations = [...filterEvaluations(evaluateRules(cluster, terms), flags, cluster), ...others];
  return {
    ...assembleReport(cluster, evaluations, terms),
    componentGraph: componentGraph(cluster, terms.context, flags.cni ?? null),
  };
}

function isWatch(paths: readonly string[], flags: ClusterFlags & WatchFlags): boolean {
  if (flags.watch && !isLive(paths, flags)) {
    throw new AuditCommandError('usage', '--watch is for a cluster: give --live instead of files');
  }
  if (!flags.watch && flags.events !== undefined) {
    throw new AuditCommandError('usage', '--events says how --watch tells what changes');
  }
  return flags.watch;
}
