// Clusters with a matrix beside them, for tests, and what the rules about the two say.

import type { Verdict } from '../../../src/audit/finding.ts';
import { matrixRulesFor } from '../../../src/audit/matrix/matrix-rules.ts';
import { accessOf, type Access } from '../../../src/audit/matrix/access.ts';
import type { CniName } from '../../../src/audit/network/cni.ts';
import type { Cluster } from '../../../src/audit/cluster.ts';
import type { AuditContext } from '../../../src/audit/finding.ts';
import { loadPolicy } from '../../../src/policy/load.ts';
import type { CompiledPolicy } from '../../../src/policy/matrix.ts';
import { policySource, SHIPPED_PROTOCOLS } from '../../policy/policies.ts';
import { termsOf } from '../terms.ts';

/** Components of namespaces: `a` is whoever runs in namespace `a`. */
export function policyOf(components: readonly string[], access: string): CompiledPolicy {
  const declared = components.map((name) => `  ${name}: { ids: ["/ns/${name}/sa/*"] }`).join('\n');
  const text = `version: 1\ntrustDomain: ai.example\ncomponents:\n${declared}\naccess:\n${access === '' ? '  {}' : access}\n`;
  return loadPolicy([policySource(text), ...SHIPPED_PROTOCOLS], 'enforce');
}

function contextOf(policy: CompiledPolicy | null, options: Partial<AuditContext['options']> = {}): AuditContext {
  const { context } = termsOf();
  return { ...context, policy, options: { ...context.options, ...options } };
}

export interface Terms {
  readonly policy: CompiledPolicy | null;
  readonly options?: Partial<AuditContext['options']>;
  readonly cni?: CniName | null;
}

export function verdictsOf(
  rule: string,
  cluster: Cluster,
  { policy, options = {}, cni = 'standard' }: Terms,
): readonly Verdict[] {
  const found = matrixRulesFor(cni).find(({ info }) => info.id === rule);
  if (found === undefined) throw new Error(`no rule ${rule}`);
  return [...found.evaluate(cluster, contextOf(policy, options))];
}

/** `fail ml/api[Deployment] training`: with its key, where it has one. */
export function linesOf(rule: string, cluster: Cluster, terms: Terms): readonly string[] {
  return verdictsOf(rule, cluster, terms)
    .map(({ verdict, resource, key, severity }) =>
      [verdict, severity, resource.ref, key].filter((part) => part !== undefined).join(' '),
    )
    .sort();
}

export function accessFor(
  cluster: Cluster,
  policy: CompiledPolicy,
  cni: CniName | null = 'standard',
  options: Partial<AuditContext['options']> = {},
): Access {
  const access = accessOf(cluster, contextOf(policy, options), cni);
  if (access === null) throw new Error('no access');
  return access;
}
