// `config check`: what a configuration file and all it names would do to a sidecar that starts with them.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { findOwnSvidProblem, findPolicyConflicts } from '../app/agreement.ts';
import { parseConfig, type Config } from '../app/config.ts';
import { describeLoadFailure } from '../app/start-error.ts';
import { systemClock } from '../core/clock.ts';
import { formatProblem } from '../core/source-position.ts';
import { type FileError, toFileError } from '../files/file-error.ts';
import { readFileGroup, type FileGroup, type FileWarning, type GroupReading } from '../files/file-group.ts';
import { nodeFileSystem } from '../files/file-system.ts';
import {
  ownIdentityGroup,
  parseOwnIdentityFiles,
  parseTrustBundleFiles,
  trustBundleGroup,
} from '../files/identity-files.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import { DocumentError } from '../yaml/located.ts';
import type { CommandIo } from './command-io.ts';
import { createPaint } from './paint.ts';
import { readPolicy } from './policy-files.ts';

const EXIT_INVALID = 1;

export function registerConfigCommand(program: Command, io: CommandIo): void {
  program
    .command('config')
    .description('the configuration file')
    .command('check')
    .description('report every problem of a configuration, its policy, identity and trust bundles; exit 0 sound, 1 not')
    .argument('<file>', 'configuration file (YAML)')
    .action((file: string) => checkConfig(file, io));
}

async function checkConfig(file: string, io: CommandIo): Promise<void> {
  const findings: Findings = { problems: [], warnings: [] };
  const config = await readConfig(file, findings);
  const summary = config === null ? null : await checkWhatItNames(config, findings);
  const paint = createPaint(io.colour);
  for (const { code, message } of findings.warnings) {
    io.writeError(`${paint('warning', 'yellow')}: ${message} [${code}]\n`);
  }
  for (const problem of findings.problems) io.writeError(`${problem}\n`);
  if (findings.problems.length > 0 || summary === null) io.setExitCode(EXIT_INVALID);
  else io.write(`${file}: ${paint('valid', 'green')}, ${summary}\n`);
}

interface Findings {
  /** Lines for people. */
  readonly problems: string[];
  readonly warnings: FileWarning[];
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

/** A line about what was found sound; everything else goes to `findings`. */
async function checkWhatItNames(config: Config, findings: Findings): Promise<string> {
  const attempt = createAttempt(config, findings);
  const policy = await attempt(() => readPolicy(config.policy.path));
  const identity = await checkOwnIdentity(config, attempt, findings);
  const bundles = await checkTrustBundles(config, attempt, findings);
  const conflicts = policy === null ? [] : findPolicyConflicts(config, policy);
  const ownSvid =
    identity === null || bundles === null
      ? null
      : findOwnSvidProblem(config, { identity, bundles }, systemClock.wallMs());
  findings.problems.push(...[...conflicts, ...(ownSvid === null ? [] : [ownSvid])].map(formatProblem));
  const routes = config.listeners.reduce((count, listener) => count + listener.routes.length, 0);
  return [
    `listeners: ${config.listeners.map(({ name }) => name).join(', ')}`,
    `${routes} route${routes === 1 ? '' : 's'}`,
    `${String(identity?.svid.id)} until ${new Date(identity?.svid.notAfterMs ?? 0).toISOString()}`,
    `${config.policy.mode} policy sha256:${String(policy?.digest)}`,
  ].join(', ');
}

async function checkOwnIdentity(config: Config, attempt: Attempt, findings: Findings): Promise<OwnIdentity | null> {
  const files = config.identity;
  if (files.kind !== 'files') return null;
  const reading = await readAll(ownIdentityGroup(files), attempt);
  if (reading === null) return null;
  const loaded = await attempt(() => parseOwnIdentityFiles(reading, files, config.trustDomain));
  findings.warnings.push(...(loaded?.warnings ?? []));
  return loaded?.identity ?? null;
}

async function checkTrustBundles(config: Config, attempt: Attempt, findings: Findings): Promise<TrustBundles | null> {
  if (config.identity.kind !== 'files') return null;
  const { trustBundles } = config.identity;
  const reading = await readAll(trustBundleGroup(trustBundles), attempt);
  if (reading === null) return null;
  findings.warnings.push(...reading.warnings);
  return await attempt(() => parseTrustBundleFiles(reading, trustBundles));
}

/** Each file by itself first, so that every missing one is told. */
async function readAll(group: FileGroup, attempt: Attempt): Promise<GroupReading | null> {
  const read = (paths: readonly string[]): Promise<GroupReading | null> =>
    attempt(() => readFileGroup({ ...group, paths }, nodeFileSystem));
  const readings: (GroupReading | null)[] = [];
  for (const path of new Set(group.paths)) readings.push(await read([path]));
  return readings.includes(null) ? null : await read(group.paths);
}

/** What `run` gives, or null when it failed, which is then among the problems. */
type Attempt = <T>(run: () => T | Promise<T>) => Promise<T | null>;

function createAttempt(config: Config, { problems }: Findings): Attempt {
  return async (run) => {
    try {
      return await run();
    } catch (error) {
      problems.push(...describeLoadFailure(error, config));
      return null;
    }
  };
}
