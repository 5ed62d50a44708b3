// Where reports go and in which format: `--format` and `--output` in pairs, at most one of them to standard output.

import { open } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { readVersion } from '../app/version.ts';
import { formatCsv } from '../audit/formats/csv.ts';
import { formatHtml } from '../audit/formats/html.ts';
import { formatJson } from '../audit/formats/json.ts';
import { formatJunit } from '../audit/formats/junit.ts';
import { formatSarif } from '../audit/formats/sarif.ts';
import { formatTable } from '../audit/formats/table.ts';
import type { AuditReport } from '../audit/report.ts';
import { quote } from '../core/quote.ts';
import { AuditCommandError } from './audit-error.ts';
import { inBatches } from './batches.ts';
import type { CommandIo } from './command-io.ts';
import { createPaint } from './paint.ts';

export const FORMATS = ['table', 'json', 'sarif', 'junit', 'html', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

export interface Output {
  readonly format: Format;
  /** Null: standard output. */
  readonly file: string | null;
}

/** Collects the options in the order in which they are written: an `--output` is that of the `--format` before it. */
export class OutputOptions {
  readonly #outputs: { readonly format: Format; file: string | null }[] = [];

  readonly addFormat = (text: string): void => {
    const format = FORMATS.find((known) => known === text);
    if (format === undefined) throw new InvalidArgumentError(`expected one of ${FORMATS.join(', ')}.`);
    this.#outputs.push({ format, file: null });
  };

  readonly addFile = (file: string): void => {
    const last = this.#outputs.at(-1);
    if (last === undefined || last.file !== null) {
      throw new InvalidArgumentError('it belongs behind the --format that is written there.');
    }
    last.file = file;
  };

  /** @throws {AuditCommandError} when two would go to the same place. */
  get outputs(): readonly Output[] {
    const files = this.#outputs.map(({ file }) => file);
    const twice = files.find((file, index) => files.indexOf(file) !== index);
    if (twice === null) {
      throw new AuditCommandError('usage', 'two formats on standard output: give all but one an --output');
    }
    if (twice !== undefined) throw new AuditCommandError('usage', `two formats to one file: --output ${quote(twice)}`);
    return this.#outputs.length === 0 ? [{ format: 'table', file: null }] : this.#outputs;
  }
}

export interface ReportTerms {
  readonly io: CommandIo;
  readonly showUnknown: boolean;
  readonly nowMs: number;
}

/** @throws {AuditCommandError} */
export async function writeReport(report: AuditReport, outputs: readonly Output[], terms: ReportTerms): Promise<void> {
  for (const { format, file } of outputs) {
    const pieces = render(report, format, { ...terms, isTerminal: file === null });
    if (file === null) for (const batch of inBatches(pieces)) terms.io.write(batch);
    else await write(file, pieces);
  }
}

function render(
  report: AuditReport,
  format: Format,
  { io, showUnknown, nowMs, isTerminal }: ReportTerms & { readonly isTerminal: boolean },
): Iterable<string> {
  switch (format) {
    case 'table': {
      const paint = createPaint(isTerminal && io.colour);
      return [formatTable(report, { paint, showUnknown, width: widthOf(process.stdout.columns) })];
    }
    case 'json':
      return formatJson(report);
    case 'sarif':
      return [formatSarif(report, { version: readVersion(), root: process.cwd() })];
    case 'junit':
      return formatJunit(report);
    case 'html':
      return formatHtml(report, { version: readVersion(), nowMs });
    case 'csv':
      return formatCsv(report);
  }
}

/** Prose in longer lines is hard to read, and in shorter ones hard to break. */
function widthOf(columns: number | undefined): number {
  return Math.min(Math.max(columns ?? 100, 60), 120);
}

async function write(path: string, pieces: Iterable<string>): Promise<void> {
  try {
    await using file = await open(path, 'w');
    for (const batch of inBatches(pieces)) await file.write(batch);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new AuditCommandError('cannot-write', `cannot write ${quote(path)} (${String(error.code)})`, {
      cause: error,
    });
  }
}
