// What every audit that ends in a report takes: where it goes, what counts, what is lived with, and the code it ends with.

import { InvalidArgumentError, type Command } from 'commander';
import { outcomeOf, type AuditTerms } from '../audit/audit.ts';
import { parseBaseline } from '../audit/baseline.ts';
import { NO_EXCEPTIONS, parseExceptions } from '../audit/exceptions.ts';
import { SEVERITIES, type Severity } from '../audit/finding.ts';
import type { AuditReport } from '../audit/report.ts';
import { EXIT } from './audit-error.ts';
import { readArgument } from './audit-input.ts';
import { FORMATS, OutputOptions } from './audit-output.ts';

export interface ReportFlags {
  readonly severityThreshold?: Severity;
  readonly baseline?: string;
  readonly exceptions?: string;
  readonly showUnknown: boolean;
}

/** @returns what `--format` and `--output` have collected by the time that the command runs. */
export function addReportOptions(command: Command): OutputOptions {
  const outputs = new OutputOptions();
  command
    .option('--format <format>', `${FORMATS.join(', ')}; repeatable, each with an --output`, outputs.addFormat)
    .option('--output <file>', 'where the --format before it is written', outputs.addFile)
    .option('--severity-threshold <severity>', `what counts: ${SEVERITIES.join(', ')}`, parseSeverity)
    .option('--baseline <file>', 'an earlier report in JSON: only what is new counts')
    .option('--exceptions <file>', 'what is lived with, for a reason and until a day (YAML)')
    .option('--show-unknown', 'also list what could not be judged, one by one', false);
  return outputs;
}

/** @throws {AuditCommandError | DocumentError} */
export async function readReportTerms({
  exceptions,
  baseline,
}: ReportFlags): Promise<Pick<AuditTerms, 'exceptions' | 'baseline'>> {
  return {
    exceptions: exceptions === undefined ? NO_EXCEPTIONS : parseExceptions(await readArgument(exceptions), exceptions),
    baseline: baseline === undefined ? null : parseBaseline(await readArgument(baseline), baseline),
  };
}

export function exitOfReport(report: AuditReport, { severityThreshold }: ReportFlags): number {
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
