// What every audit command does with its arguments, and how it ends when that cannot be done.

import { readFile } from 'node:fs/promises';
import { Option } from 'commander';
import type { Cluster } from '../audit/cluster.ts';
import type { AuditOptions } from '../audit/finding.ts';
import type { Inventory } from '../audit/inventory.ts';
import { CNI_NAMES } from '../audit/network/cni.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { nodeFileTree } from '../kube/file-tree.ts';
import { MANIFEST_LIMITS, readManifests } from '../kube/manifests.ts';
import { AuditCommandError, EXIT } from './audit-error.ts';
import type { CommandIo } from './command-io.ts';

export const INPUTS = 'files, directories, globs, or - for standard input: YAML, JSON, dumps of kubectl get -o json';

export const AUDIT_DEFAULTS: AuditOptions = {
  spiffeIdTemplate: '/ns/{namespace}/sa/{serviceAccount}',
  componentLabel: null,
  meshRootNamespace: 'istio-system',
};

export async function readInventory(paths: readonly string[], io: CommandIo): Promise<Inventory> {
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
  const isWhole = [inventory.unreadable, malformed, unseen].every(({ length }) => length === 0);
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
    io.setExitCode(isAnswer ? EXIT.usage : EXIT.internal);
  }
}
