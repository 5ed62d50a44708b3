// `audit pods`, `audit mtls` and `audit connections`: what the audit knows of each workload, as JSON, without a judgement.

import { Option, type Command } from 'commander';
import { buildCluster, type Cluster } from '../audit/cluster.ts';
import { listMtls } from '../audit/mesh/list-mtls.ts';
import type { CniName } from '../audit/network/cni.ts';
import { formatConnections } from '../audit/network/connections.ts';
import { podSecurityRow } from '../audit/pods/standards.ts';
import { addFilterOptions, type FilterFlags, keepsWorkload, refuseEmptyFilter } from './audit-filter.ts';
import {
  addSourceOptions,
  AUDIT_DEFAULTS,
  cniOption,
  exitOfListing,
  readInventory,
  runAuditCommand,
  type SourceFlags,
} from './audit-input.ts';
import { inBatches } from './batches.ts';
import type { CommandIo } from './command-io.ts';

interface Listing {
  readonly name: string;
  readonly about: string;
  /** Of workloads that `isKept` names by their reference. */
  readonly format: (cluster: Cluster, isKept: (ref: string) => boolean, flags: ListingFlags) => Iterable<string>;
}

interface ListingFlags extends FilterFlags, SourceFlags {
  readonly cni?: CniName;
}

const LISTINGS: readonly Listing[] = [
  {
    name: 'pods',
    about: 'the Pod Security Standards level of each pod template, and the controls that fail',
    format: ({ workloads }, isKept) => formatRows(workloads.filter(({ ref }) => isKept(ref)).map(podSecurityRow)),
  },
  {
    name: 'mtls',
    about: 'whether each port of each workload insists on mutual TLS, and what says so',
    format: (cluster, isKept) =>
      formatRows(listMtls(cluster, AUDIT_DEFAULTS).filter(({ workload }) => isKept(workload))),
  },
  {
    name: 'connections',
    about: 'what each workload can connect to, and the outside, by the network policies',
    format: (cluster, isKept, { cni }) => formatConnections(cluster, { cni: cni ?? null, isKept }),
  },
];

export function registerListings(audit: Command, io: CommandIo): void {
  for (const { name, about, format } of LISTINGS) {
    const command = addSourceOptions(audit.command(name))
      .description(about)
      .addOption(new Option('--format <format>', 'how it is written').choices(['json']).default('json'));
    if (name === 'connections') command.addOption(cniOption());
    addFilterOptions(command).action(async (paths: readonly string[], flags: ListingFlags) =>
      runAuditCommand(io, async () => {
        const cluster = buildCluster(await readInventory(paths, flags, io));
        refuseEmptyFilter(flags, cluster);
        const kept = new Set(cluster.workloads.flatMap((each) => (keepsWorkload(flags, each) ? each.ref : [])));
        for (const batch of inBatches(format(cluster, (ref) => kept.has(ref), flags))) io.write(batch);
        return exitOfListing(cluster);
      }),
    );
  }
}

/** One row a line. */
function* formatRows(rows: Iterable<object>): Iterable<string> {
  let separator = '[\n  ';
  for (const row of rows) {
    yield separator + JSON.stringify(row);
    separator = ',\n  ';
  }
  yield separator === '[\n  ' ? '[]\n' : '\n]\n';
}
