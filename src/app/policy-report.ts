// The policy in force as the admin listener shows it.

import type { AdminServerOptions } from '../admin/admin-server.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { summariseCell, verbsOf } from '../policy/cell-summary.ts';
import type { CompiledPolicy } from '../policy/matrix.ts';
import { renderTable } from '../policy/table.ts';

const TEXT_WIDTH = 120;

export function reportPolicy({
  epoch,
  value: policy,
}: Snapshot<CompiledPolicy>): ReturnType<AdminServerOptions['policy']> {
  const { components, digest } = policy;
  return {
    epoch,
    digest,
    table: () => components.map((component) => ({ component, targets: targetsOf(policy, component) })),
    text: () => renderTable(policy, { width: TEXT_WIDTH, paint: (text) => text }),
  };
}

/** What the matrix says of each target that the component's rules name, verb by verb. */
function targetsOf(policy: CompiledPolicy, component: string): readonly object[] {
  const rules = policy.declarations.get(component)?.rules ?? [];
  return Array.from(new Set(rules.map(({ target }) => target.text)), (target) => ({
    target,
    verbs: Object.fromEntries(
      verbsOf(policy, target).map((verb) => [verb, summariseCell(policy, { component, target, verb }).answer]),
    ),
  }));
}
