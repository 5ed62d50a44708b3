// `policy …`: the access matrix for those who write, review and question it.

import type { Command } from 'commander';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { formatPosition, formatProblem } from '../core/source-position.ts';
import { isProxiedMethod } from '../http1/method.ts';
import { findPathFlaw, findQueryFlaw } from '../http1/request-target.ts';
import type { CellAnswer } from '../policy/cell-summary.ts';
import { toConnect, type AuthzRequest } from '../policy/decide.ts';
import { isForwarded } from '../policy/decision.ts';
import { diffPolicies } from '../policy/diff.ts';
import { explain } from '../policy/explain.ts';
import { lintPolicy } from '../policy/lint.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import { findUpgradeFlaw } from '../policy/rule-document.ts';
import { renderTable } from '../policy/table.ts';
import { findSampleId, parsePolicyTests } from '../policy/test-document.ts';
import { findFailures } from '../policy/test-run.ts';
import { parseSpiffeId, type SpiffeId } from '../spiffe/spiffe-id.ts';
import { DocumentError } from '../yaml/located.ts';
import { escapeJson } from '../core/ascii-json.ts';
import type { CommandIo } from './command-io.ts';
import { createPaint, type Colour } from './paint.ts';
import { readPolicy, readTestedPolicy } from './policy-files.ts';
import { formatDiff, formatExplanation, formatFailure } from './policy-text.ts';

const EXIT_NO = 1;
const EXIT_ERROR = 2;
const DEFAULT_WIDTH = 100;

class PolicyCommandError extends SallyportError<'usage'> {}

export function registerPolicyCommand(program: Command, io: CommandIo): void {
  const policy = program.command('policy').description('the access matrix: validate, test, explain, compare, show');
  policy
    .command('validate')
    .description('report every problem of policies with its place; exit 0 valid (warnings included), 1 not')
    .argument('<path...>', 'policy directory or file; each is a policy of its own')
    .action((paths: readonly string[]) => forEach(paths, io, (path) => validate(path, io)));
  policy
    .command('test')
    .description('hold policies against their *.test.yaml; exit 0 when all is as expected, 1 otherwise')
    .argument('<path...>', 'policy directory or file, or one *.test.yaml')
    .action((paths: readonly string[]) => forEach(paths, io, (path) => test(path, io)));
  policy
    .command('explain')
    .description('why one request is allowed or denied; exit 0 forwarded, 1 denied, 2 not answered')
    .requiredOption('--policy <path>', 'policy directory or file')
    .requiredOption('--from <id>', 'SPIFFE ID, or a component: then some workload of it')
    .requiredOption('--to <component>', 'the component that is asked')
    .option('--method <method>', 'HTTP method')
    .option('--path <path>', 'request path, with ?query where there is one')
    .option('--upgrade <protocol>', 'protocol it asks to switch to, like websocket')
    .option('--connect', 'a TCP connection instead of a request', false)
    .option('--json', 'JSON instead of text', false)
    .action((options: ExplainOptions) => attempt(io, EXIT_ERROR, () => explainRequest(options, io)));
  policy
    .command('diff')
    .description('which cells of the matrix differ; exit 0, or 2 when a policy cannot be read')
    .argument('<old>', 'policy directory or file')
    .argument('<new>', 'policy directory or file')
    .action((before: string, after: string) => attempt(io, EXIT_ERROR, () => diff([before, after], io)));
  policy
    .command('table')
    .description('the matrix as a table; exit 0, or 2 when the policy cannot be read')
    .argument('<path>', 'policy directory or file')
    .option('--width <columns>', 'terminal width', String(process.stdout.columns ?? DEFAULT_WIDTH))
    .action((path: string, { width }: { readonly width: string }) =>
      attempt(io, EXIT_ERROR, () => table({ path, width }, io)),
    );
}

interface ExplainOptions {
  readonly policy: string;
  readonly from: string;
  readonly to: string;
  readonly method?: string;
  readonly path?: string;
  readonly upgrade?: string;
  readonly connect: boolean;
  readonly json: boolean;
}

async function validate(path: string, io: CommandIo): Promise<void> {
  const policy = await readPolicy(path);
  const warnings = lintPolicy(policy);
  const paint = createPaint(io.colour);
  for (const { code, message, position } of warnings) {
    io.writeError(`${formatPosition(position)}: ${paint('warning', 'yellow')}: ${message} [${code}]\n`);
  }
  const counts = `${count(policy.components.length, 'component')}, ${count(policy.ruleCount, 'rule')}`;
  io.write(
    `${path}: ${paint('valid', 'green')}, ${counts}, ${count(warnings.length, 'warning')}, sha256:${policy.digest}\n`,
  );
}

async function test(path: string, io: CommandIo): Promise<void> {
  const { policy, tests } = await readTestedPolicy(path);
  const paint = createPaint(io.colour);
  for (const { file, bytes } of tests) {
    const parsed = parsePolicyTests(bytes, file, policy);
    const failures = findFailures(policy, parsed);
    for (const failure of failures) io.writeError(formatFailure(failure, paint));
    const verdict = failures.length === 0 ? paint('ok', 'green') : paint(`${failures.length} failed`, 'red');
    io.write(`${file}: ${verdict}, ${count(parsed.length, 'request')}\n`);
    if (failures.length > 0) io.setExitCode(EXIT_NO);
  }
}

async function explainRequest(options: ExplainOptions, io: CommandIo): Promise<void> {
  const policy = await readPolicy(options.policy);
  const request = toRequest(options, policy);
  const explanation = explain(policy, request);
  const { decision, ...others } = explanation;
  if (options.json) io.write(`${escapeJson(JSON.stringify({ ...decision, request, ...others }))}\n`);
  else io.write(formatExplanation(request, explanation, createPaint(io.colour)));
  io.setExitCode(isForwarded(decision.effect) ? 0 : EXIT_NO);
}

async function diff([before, after]: readonly [string, string], io: CommandIo): Promise<void> {
  io.write(formatDiff(diffPolicies(await readPolicy(before), await readPolicy(after)), createPaint(io.colour)));
}

async function table({ path, width }: { readonly path: string; readonly width: string }, io: CommandIo): Promise<void> {
  const columns = Number(width);
  if (!Number.isInteger(columns) || columns < 1) {
    throw new PolicyCommandError('usage', `${quote(width)} is not a terminal width; write a number of columns`);
  }
  const paint = createPaint(io.colour);
  const policy = await readPolicy(path);
  io.write(renderTable(policy, { width: columns, paint: (text, answer) => paint(text, CELL_COLOURS[answer]) }));
}

const CELL_COLOURS: Readonly<Record<CellAnswer, Colour>> = {
  allow: 'green',
  deny: 'red',
  none: 'dim',
  partly: 'yellow',
  watched: 'yellow',
};

function toRequest(options: ExplainOptions, policy: CompiledPolicy): AuthzRequest {
  const { from, to, method, path: target, upgrade = null, connect } = options;
  const isRequest = method !== undefined || target !== undefined || upgrade !== null;
  if (connect && !isRequest) return toConnect(toPrincipal(from, policy), to);
  if (connect || method === undefined || target === undefined) {
    throw new PolicyCommandError('usage', 'write `--method` and `--path`, or `--connect` alone');
  }
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? null : target.slice(mark + 1);
  const flaw = findPathFlaw(path) ?? (query === null ? null : findQueryFlaw(query));
  if (flaw !== null) {
    throw new PolicyCommandError('usage', `the proxy answers 400 to ${quote(target)} and asks no policy (${flaw})`);
  }
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(method)) {
    throw new PolicyCommandError('usage', `${quote(method)} is not an HTTP method`);
  }
  if (!isProxiedMethod(method)) {
    throw new PolicyCommandError('usage', `the proxy answers 501 to ${quote(method)} and asks no policy`);
  }
  const upgradeFlaw = upgrade === null ? null : findUpgradeFlaw(upgrade);
  if (upgradeFlaw !== null) throw new PolicyCommandError('usage', upgradeFlaw);
  return { principal: toPrincipal(from, policy), target: to, method, path, query, upgrade };
}

function toPrincipal(from: string, policy: CompiledPolicy): SpiffeId {
  return (from.includes(':') ? null : findSampleId(policy, from)) ?? parseSpiffeId(from);
}

/** Every path has its say; the exit code is that of the worst. */
async function forEach(paths: readonly string[], io: CommandIo, run: (path: string) => Promise<void>): Promise<void> {
  for (const path of paths) await attempt(io, EXIT_NO, () => run(path));
}

async function attempt(io: CommandIo, exitCode: number, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    const lines = error instanceof DocumentError ? error.problems.map(formatProblem) : [`sallyport: ${error.message}`];
    io.writeError(`${lines.join('\n')}\n`);
    io.setExitCode(exitCode);
  }
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}
