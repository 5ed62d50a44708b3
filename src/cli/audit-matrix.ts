// `audit matrix`: the access matrix held against a cluster, edge by edge.

import { Option, type Command } from 'commander';
import { buildCluster } from '../audit/cluster.ts';
import { componentGraph, type ComponentGraph } from '../audit/matrix/component-graph.ts';
import type { CniName } from '../audit/network/cni.ts';
import { systemClock } from '../core/clock.ts';
import { AuditCommandError, EXIT } from './audit-error.ts';
import {
  addSourceOptions,
  cniOption,
  exitOfListing,
  readInventory,
  runAuditCommand,
  type SourceFlags,
} from './audit-input.ts';
import { addMappingOptions, auditOptionsOf, type MappingFlags } from './audit-matrix-options.ts';
import { formatGraph } from './audit-matrix-text.ts';
import type { CommandIo } from './command-io.ts';
import { readPolicy } from './policy-files.ts';

interface MatrixFlags extends SourceFlags, MappingFlags {
  readonly policy: string;
  readonly cni?: CniName;
  readonly format: 'table' | 'json';
}

export function registerMatrixCommand(audit: Command, io: CommandIo): void {
  const command = addSourceOptions(audit.command('matrix'))
    .description(
      'what the cluster admits that the access matrix denies, and blocks that it grants; exit 1 for either, 3 for what is not known',
    )
    .requiredOption('--policy <path>', 'the access matrix, a directory or a file')
    .addOption(cniOption())
    .addOption(new Option('--format <format>', 'how it is written').choices(['table', 'json']).default('table'));
  addMappingOptions(command).action(async (paths: readonly string[], flags: MatrixFlags) =>
    runAuditCommand(io, async () => {
      const policy = await readPolicy(flags.policy);
      const cluster = buildCluster(await readInventory(paths, flags, io));
      const context = { policy, options: auditOptionsOf(flags), nowMs: systemClock.wallMs() };
      const graph = componentGraph(cluster, context, flags.cni ?? null);
      if (graph === null) throw new AuditCommandError('usage', 'there is no access matrix to hold against the cluster');
      io.write(flags.format === 'json' ? `${JSON.stringify(graph, null, 2)}\n` : formatGraph(graph));
      return exitOf(graph, exitOfListing(cluster));
    }),
  );
}

function exitOf({ edges, spreads, unmapped }: ComponentGraph, ofInput: number): number {
  if (ofInput !== EXIT.clean) return ofInput;
  const isHole = edges.some(({ state }) => state === 'hole' || state === 'breakage');
  // Workloads of no component are no edge, and may be the way between two.
  if (isHole || spreads.some(({ reached }) => reached.some(({ isGranted }) => !isGranted))) return EXIT.findings;
  const isDoubtful =
    edges.some(({ state }) => state === 'unknown') || spreads.some(({ perhaps }) => perhaps.length > 0);
  return isDoubtful || unmapped.length > 0 ? EXIT.incomplete : EXIT.clean;
}
