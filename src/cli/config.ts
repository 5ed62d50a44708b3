// `config check`: what a configuration file and all it names would do to a sidecar that starts with them.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { parseConfig, type Config } from '../app/config.ts';
import { systemClock } from '../core/clock.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { formatPosition, formatProblem } from '../core/source-position.ts';
import { FileError, toFileError } from '../files/file-error.ts';
import { readFileGroup, type FileGroup, type FileWarning, type GroupReading } from '../files/file-group.ts';
import { nodeFileSystem } from '../files/file-system.ts';
import {
  ownIdentityGroup,
  parseOwnIdentityFiles,
  parseTrustBundleFiles,
  trustBundleGroup,
  TrustBundleFilesError,
} from '../files/identity-files.ts';
import { parsePem } from '../pki/pem.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { DocumentError, parseYaml, positionAt, type YamlNode } from '../yaml/located.ts';
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
  const findings = new Findings();
  const checked = await findings.attempt(async () => {
    const bytes = await readConfigFile(file);
    return { config: parseConfig(bytes, file), root: parseYaml(bytes, file) };
  });
  const summary = checked === null ? null : await checkWhatItNames(checked, findings);
  const paint = createPaint(io.colour);
  for (const warning of findings.warnings) io.writeError(`${paint('warning', 'yellow')}: ${warning}\n`);
  for (const problem of findings.problems) io.writeError(`${problem}\n`);
  if (findings.problems.length > 0 || summary === null) io.setExitCode(EXIT_INVALID);
  else io.write(`${file}: ${paint('valid', 'green')}, ${summary}\n`);
}

async function readConfigFile(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw toFileError(error, file);
  }
}

interface CheckedConfig {
  readonly config: Config;
  /** For the places of what it names. */
  readonly root: YamlNode;
}

/** A line about what was found sound; everything else goes to `findings`. */
async function checkWhatItNames(checked: CheckedConfig, findings: Findings): Promise<string> {
  const { config } = checked;
  const policy = await findings.attempt(() => readPolicy(config.policy.path), toPlace(checked));
  const identity = await checkOwnIdentity(checked, findings);
  const bundles = await checkTrustBundles(checked, findings);
  if (policy !== null) checkPolicy(policy, checked, findings);
  if (identity !== null && bundles !== null) checkOwnSvid({ identity, bundles }, config, findings);
  const routes = config.listeners.reduce((count, listener) => count + listener.routes.length, 0);
  return [
    `listeners: ${config.listeners.map(({ name }) => name).join(', ')}`,
    `${routes} route${routes === 1 ? '' : 's'}`,
    `${String(identity?.svid.id)} until ${new Date(identity?.svid.notAfterMs ?? 0).toISOString()}`,
    `${config.policy.mode} policy sha256:${String(policy?.digest)}`,
  ].join(', ');
}

async function checkOwnIdentity(checked: CheckedConfig, findings: Findings): Promise<OwnIdentity | null> {
  const { files } = checked.config.identity;
  const reading = await readAll(ownIdentityGroup(files), checked, findings);
  if (reading === null) return null;
  const loaded = await findings.attempt(() => parseOwnIdentityFiles(reading, files, checked.config.trustDomain));
  findings.warn(loaded?.warnings ?? []);
  return loaded?.identity ?? null;
}

async function checkTrustBundles(checked: CheckedConfig, findings: Findings): Promise<TrustBundles | null> {
  const { trustBundles } = checked.config.identity.files;
  const reading = await readAll(trustBundleGroup(trustBundles), checked, findings);
  if (reading === null) return null;
  findings.warn(reading.warnings);
  return await findings.attempt(() => parseTrustBundleFiles(reading, trustBundles));
}

/** Each file by itself first, so that every missing one is told. */
async function readAll(group: FileGroup, checked: CheckedConfig, findings: Findings): Promise<GroupReading | null> {
  const read = (paths: readonly string[]): Promise<GroupReading | null> =>
    findings.attempt(() => readFileGroup({ ...group, paths }, nodeFileSystem), toPlace(checked));
  const readings: (GroupReading | null)[] = [];
  for (const path of new Set(group.paths)) readings.push(await read([path]));
  return readings.includes(null) ? null : await read(group.paths);
}

function checkPolicy(policy: CompiledPolicy, { config, root }: CheckedConfig, findings: Findings): void {
  const known = new Set(policy.components);
  for (const { component, position } of config.listeners.flatMap(({ routes }) => routes)) {
    if (known.has(component)) continue;
    const message = `the policy has no component ${quote(component)}, so every request to it would be denied`;
    findings.problems.push(formatProblem({ code: 'unknown-component', message, position }));
  }
  if (config.identity.files.trustBundles.has(policy.trustDomain)) return;
  const message = `there is no bundle for ${quote(policy.trustDomain)}, the trust domain of the policy: nobody whom it names could be verified`;
  const position = positionAt(root, ['identity', 'files', 'trustBundles']);
  findings.problems.push(formatProblem({ code: 'missing-trust-bundle', message, position }));
}

/** Peers hold our certificate against the same bundle. */
function checkOwnSvid(
  { identity, bundles }: { readonly identity: OwnIdentity; readonly bundles: TrustBundles },
  { identity: { files } }: Config,
  findings: Findings,
): void {
  const chain = parsePem(Buffer.from(identity.certificatePem), files.certificate).map(({ der }) => der);
  try {
    verifyX509Svid(chain, bundles, systemClock.wallMs());
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    findings.problems.push(`${files.certificate}: peers would refuse it: ${error.message} [${error.code}]`);
  }
}

/** Where the configuration names the file or the directory of the file that an error is about. */
function toPlace({ config, root }: CheckedConfig): (error: FileError) => string {
  return ({ path }) => {
    const { certificate, privateKey, trustBundles } = config.identity.files;
    const bundle = [...trustBundles].find(([, file]) => file === path)?.[0];
    if (path === certificate) return formatPosition(positionAt(root, ['identity', 'files', 'certificate']));
    if (path === privateKey) return formatPosition(positionAt(root, ['identity', 'files', 'privateKey']));
    if (bundle !== undefined) return formatPosition(positionAt(root, ['identity', 'files', 'trustBundles', bundle]));
    return formatPosition(positionAt(root, ['policy', 'path']));
  };
}

class Findings {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];

  warn(warnings: readonly FileWarning[]): void {
    for (const { code, message } of warnings) this.warnings.push(`${message} [${code}]`);
  }

  /** What `run` gives, or null when it failed, which is then among the problems. */
  async attempt<T>(
    run: () => T | Promise<T>,
    placeOf: (error: FileError) => string = () => 'sallyport',
  ): Promise<T | null> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      if (error instanceof DocumentError) this.problems.push(...error.problems.map(formatProblem));
      else if (error instanceof FileError) this.problems.push(`${placeOf(error)}: ${error.message} [${error.code}]`);
      else {
        const errors = error instanceof TrustBundleFilesError ? error.errors : [error];
        this.problems.push(...errors.map(({ message, code }) => `${message} [${code}]`));
      }
      return null;
    }
  }
}
