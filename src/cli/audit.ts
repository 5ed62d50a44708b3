// `audit`: the zero-trust gaps of a platform that a proxy cannot close: in a cluster, and in the runs of its pipelines.

import type { Command } from 'commander';
import { registerAllCommand } from './audit-all.ts';
import { registerClusterCommand } from './audit-cluster.ts';
import { registerListings } from './audit-listing.ts';
import { registerMatrixCommand } from './audit-matrix.ts';
import { registerPipelineCommand } from './audit-pipeline.ts';
import { registerReachCommand } from './audit-reach.ts';
import type { CommandIo } from './command-io.ts';

export function registerAuditCommand(program: Command, io: CommandIo): void {
  const audit = program.command('audit').description('find the zero-trust gaps of a cluster and of its pipelines');
  registerClusterCommand(audit, io);
  registerListings(audit, io);
  registerReachCommand(audit, io);
  registerMatrixCommand(audit, io);
  registerPipelineCommand(audit, io);
  registerAllCommand(audit, io);
}
