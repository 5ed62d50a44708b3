// `--live`: which cluster is read, and with what of this process.

import { homedir } from 'node:os';
import type { Inventory } from '../audit/inventory.ts';
import { systemClock, systemSchedule } from '../core/clock.ts';
import { chooseTarget } from '../kube/choose-target.ts';
import { SERVICE_ACCOUNT_DIRECTORY } from '../kube/in-cluster.ts';
import { LIVE_LIMITS, type LiveTerms } from '../kube/live-terms.ts';
import { readCluster } from '../kube/read-cluster.ts';
import type { SourceFlags } from './audit-input.ts';
import type { CommandIo } from './command-io.ts';

export async function readLiveInventory(flags: SourceFlags, io: CommandIo): Promise<Inventory> {
  const inventory = await readCluster(liveTerms(flags, io));
  io.writeError(`sallyport: read ${inventory.source} with ${inventory.questions} questions\n`);
  return inventory;
}

/** @throws {ConnectionError} */
export function liveTerms({ kubeconfig, context, namespace }: SourceFlags, io: CommandIo): LiveTerms {
  const target = chooseTarget(
    { kubeconfig: kubeconfig ?? null, context: context ?? null },
    {
      environment: process.env,
      directory: SERVICE_ACCOUNT_DIRECTORY,
      homeDirectory: homedir(),
      nowMs: systemClock.wallMs(),
    },
  );
  for (const caution of target.cautions) io.writeError(`sallyport: ${caution}\n`);
  return {
    target,
    selection: { namespaces: namespace ?? null },
    limits: LIVE_LIMITS,
    ports: {
      clock: systemClock,
      schedule: systemSchedule,
      random: Math.random,
      environment: process.env,
      isInteractive: process.stdin.isTTY && process.stderr.isTTY,
    },
  };
}
