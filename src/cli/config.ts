// `config check`: what a configuration file and all it names would do to a sidecar that starts with them.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parseConfig, type Config } from '../app/config.ts';
import { systemClock } from '../core/clock.ts';
import { formatProblem } from '../core/source-position.ts';
import { type FileError, toFileError } from '../files/file-error.ts';
import { DocumentError } from '../yaml/located.ts';
import type { CommandIo } from './command-io.ts';
import { checkNamedFiles, type Findings, findUnasked, type NamedFiles } from './config-check.ts';
import { createPaint } from './paint.ts';

const EXIT_INVALID = 1;

export function registerConfigCommand(program: Command, io: CommandIo): void {
  program
    .command('config')
    .description('the configuration file')
    .command('check')
    .description('report every problem of a configuration and of each file it names; exit 0 sound, 1 not')
    .argument('<file>', 'configuration file (YAML)')
    .action((file: string) => checkConfig(file, io));
}

async function checkConfig(file: string, io: CommandIo): Promise<void> {
  const findings: Findings = { problems: [], warnings: [] };
  const config = await readConfig(file, findings);
  const files = config === null ? null : await checkNamedFiles(config, findings, systemClock.wallMs());
  const paint = createPaint(io.colour);
  // A file, or the directory of several, may be named more than once.
  for (const warning of new Set(findings.warnings.map(({ code, message }) => `${message} [${code}]`))) {
    io.writeError(`${paint('warning', 'yellow')}: ${warning}\n`);
  }
  for (const problem of new Set(findings.problems)) io.writeError(`${problem}\n`);
  if (findings.problems.length > 0 || config === null || files === null) {
    io.setExitCode(EXIT_INVALID);
    return;
  }
  io.write(`${file}: ${paint('valid', 'green')}, ${describeSound({ config, files })}\n`);
  for (const what of findUnasked(config)) io.write(`not asked: ${what}\n`);
}

async function readConfig(file: string, findings: Findings): Promise<Config | null> {
  try {
    return parseConfig(await readFile(file), file);
  } catch (error) {
    if (error instanceof DocumentError) findings.problems.push(...error.problems.map(formatProblem));
    else findings.problems.push(describeFileError(toFileError(error, file)));
    return null;
  }
}

function describeFileError({ message, code }: FileError): string {
  return `sallyport: ${message} [${code}]`;
}

/** What a sound configuration comes to, in one line. */
function describeSound({ config, files: { identity, policy, revocations } }: Sound): string {
  const routes = config.listeners.reduce((count, listener) => count + listener.routes.length, 0);
  return [
    ...(config.listeners.length === 0 ? [] : [`listeners: ${namesOf(config.listeners)}`, countOf(routes, 'route')]),
    ...(config.authorization.length === 0 ? [] : [`authorization: ${namesOf(config.authorization)}`]),
    identity === null
      ? 'identity from a Workload API'
      : `${identity.svid.id} until ${new Date(identity.svid.notAfterMs).toISOString()}`,
    `${config.policy.mode} policy sha256:${String(policy?.digest)}`,
    ...(revocations === null ? [] : [countOf(revocations.length, 'revocation')]),
  ].join(', ');
}

function namesOf(named: readonly { readonly name: string }[]): string {
  return named.map(({ name }) => name).join(', ');
}

interface Sound {
  readonly config: Config;
  readonly files: NamedFiles;
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
