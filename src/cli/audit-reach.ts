// `audit reach`: whether one workload can reach another, and which policies and rules say so.

import { Option, type Command } from 'commander';
import { buildCluster } from '../audit/cluster.ts';
import { printable } from '../audit/formats/printable.ts';
import type { CniName } from '../audit/network/cni.ts';
import { formatReach, parseReachPort, reach, reachToJson } from '../audit/network/reach.ts';
import { EXIT } from './audit-error.ts';
import {
  addSourceOptions,
  cniOption,
  exitOfListing,
  readInventory,
  runAuditCommand,
  type SourceFlags,
} from './audit-input.ts';
import type { CommandIo } from './command-io.ts';

interface ReachFlags extends SourceFlags {
  readonly from: string;
  readonly to: string;
  readonly port?: string;
  readonly cni?: CniName;
  readonly format: 'text' | 'json';
}

export function registerReachCommand(audit: Command, io: CommandIo): void {
  const place = 'namespace/name, an IP address, outside, or metadata';
  addSourceOptions(audit.command('reach'))
    .description('whether one workload can reach another, and why; exit 3 when that is not known')
    .requiredOption('--from <place>', place)
    .requiredOption('--to <place>', place)
    .option('--port <port>', '80, TCP/80 or UDP/53; every port by default')
    .addOption(cniOption())
    .addOption(new Option('--format <format>', 'how it is written').choices(['text', 'json']).default('text'))
    .action(async (paths: readonly string[], flags: ReachFlags) =>
      runAuditCommand(io, async () => {
        const { from, to, port, cni, format } = flags;
        const asked = port === undefined ? null : parseReachPort(port);
        const cluster = buildCluster(await readInventory(paths, flags, io));
        const answers = reach(cluster, { from, to, port: asked, cni: cni ?? null });
        if (format === 'json') io.write(`${JSON.stringify(answers.map(reachToJson), null, 2)}\n`);
        else
          for (const line of answers.flatMap((answer) => formatReach(answer).split('\n')))
            io.write(`${printable(line)}\n`);
        return answers.some(({ verdict }) => verdict === 'unknown') ? EXIT.incomplete : exitOfListing(cluster);
      }),
    );
}
