// What every audit command does with its arguments, and how it ends when that cannot be done.

import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { Cluster } from '../audit/cluster.ts';
import type { AuditOptions } from '../audit/finding.ts';
import type { Inventory } from '../audit/inventory.ts';
import { CNI_NAMES } from '../audit/network/cni.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { ApiError } from '../kube/api-error.ts';
import { nodeFileTree } from '../kube/file-tree.ts';
import { MANIFEST_LIMITS, readManifests } from '../kube/manifests.ts';
import { AuditCommandError, EXIT } from './audit-error.ts';
import type { CommandIo } from './command-io.ts';

const INPUTS = 'files, directories, globs, or - for standard input: YAML, JSON, dumps of kubectl get -o json';

export const AUDIT_DEFAULTS: AuditOptions = {
  spiffeIdTemplate: '/ns/{namespace}/sa/{serviceAccount}',
  componentLabel: null,
  meshRootNamespace: 'istio-system',
};

/** What is audited: what the paths lead to, or a cluster as it is. @throws {AuditCommandError} for both, or neither */
export async function readInventory(paths: readonly string[], flags: SourceFlags, io: CommandIo): Promise<Inventory> {
  if (isLive(paths, flags)) {
    const { readLiveInventory } = await import('./audit-live.ts');
    return readLiveInventory(flags, io);
  }
  return readManifests(paths, {
    tree: nodeFileTree,
    // Opened by those who read it.
    get stdin() {
      return io.stdin;
    },
    defaultNamespace: 'default',
    limits: MANIFEST_LIMITS,
  });
}

export interface SourceFlags {
  readonly live: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: readonly string[];
}

export function addSourceOptions(command: Command): Command {
  return command
    .argument('[path...]', INPUTS)
    .option('--live', 'read the API server of a cluster instead of files', false)
    .option('--kubeconfig <file>', 'with --live: as for kubectl, else KUBECONFIG, ~/.kube/config, or this pod')
    .option('--context <name>', 'with --live: of the kubeconfig, instead of its current one');
}

/** Files are all there is of them, and a cluster is what was listed of it: absence means something else in each. */
export function isLive(paths: readonly string[], { live, kubeconfig, context }: SourceFlags): boolean {
  if (live && paths.length > 0) {
    throw new AuditCommandError('usage', `${quote(paths[0] ?? '')} and --live: audit one or the other`);
  }
  if (!live && (kubeconfig !== undefined || context !== undefined)) {
    throw new AuditCommandError('usage', '--kubeconfig and --context say which cluster --live reads');
  }
  if (!live && paths.length === 0) {
    throw new AuditCommandError('usage', 'nothing to audit: give files, directories or -, or --live for a cluster');
  }
  return live;
}

/** Manifests seldom tell what enforces network policies. */
export function cniOption(): Option {
  return new Option('--cni <name>', 'what enforces network policies, where that cannot be seen').choices(CNI_NAMES);
}

/** @throws {AuditCommandError} */
export async function readArgument(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
    throw new AuditCommandError('unreadable-file', `cannot read ${quote(file)} (${code})`, { cause: error });
  }
}

/** Of a listing, whose rows do not tell what is missing among them. */
export function exitOfListing({ inventory, malformed, unseen }: Cluster): number {
  const unread = inventory.unreadable.filter(({ reason }) => reason !== 'absent-kind');
  const isWhole = [unread, malformed, unseen].every(({ length }) => length === 0);
  return isWhole ? EXIT.clean : EXIT.incomplete;
}

/** Ends with the code that `command` returns; an error of ours never looks like findings. */
export async function runAuditCommand(io: CommandIo, command: () => Promise<number>): Promise<void> {
  try {
    io.setExitCode(await command());
  } catch (error) {
    const isAnswer = error instanceof SallyportError && error.code !== 'cannot-write';
    const message = error instanceof Error ? error.message : String(error);
    io.writeError(
      error instanceof SallyportError ? `sallyport: ${message}\n` : `sallyport: internal error: ${message}\n`,
    );
    if (error instanceof ApiError) io.setExitCode(EXIT.incomplete);
    else io.setExitCode(isAnswer ? EXIT.usage : EXIT.internal);
  }
}
