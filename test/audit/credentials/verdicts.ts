// What one rule says about a cluster, in one line each.

import { evaluateRules } from '../../../src/audit/audit.ts';
import { buildCluster } from '../../../src/audit/cluster.ts';
import { credentialRules } from '../../../src/audit/credentials/credential-rules.ts';
import type { AuditContext, Rule, Verdict } from '../../../src/audit/finding.ts';
import type { Inventory } from '../../../src/audit/inventory.ts';
import { inventoryOf, objectsOf } from '../inventory.ts';
import { termsOf } from '../terms.ts';

export interface Setting {
  readonly inventory?: Partial<Inventory>;
  readonly context?: Partial<AuditContext>;
  readonly rules?: readonly Rule[];
}

/** Of the cluster in `text`, in YAML. */
export function verdictsOf(rule: string, text: string, setting: Setting = {}): readonly Verdict[] {
  const { inventory = {}, context = {}, rules = credentialRules } = setting;
  const chosen = rules.filter(({ info }) => info.id === rule);
  if (chosen.length !== 1) throw new Error(`there is no rule ${rule}`);
  const cluster = buildCluster(inventoryOf(objectsOf(text), inventory));
  const [evaluation] = evaluateRules(cluster, { rules: chosen, context: { ...termsOf().context, ...context } });
  if (evaluation === undefined || evaluation.failure !== null) throw new Error(evaluation?.failure ?? 'no evaluation');
  return evaluation.verdicts;
}

/** `fail high ml/trainer[Job] c`, `unknown not-given ml/trainer[Job]`, `pass ml/trainer[Job]`. */
export function linesOf(rule: string, text: string, setting: Setting = {}): readonly string[] {
  const { rules = credentialRules } = setting;
  const info = rules.find((candidate) => candidate.info.id === rule)?.info;
  return verdictsOf(rule, text, setting).map((verdict) => {
    const { ref, container } = verdict.resource;
    const place = container === null ? ref : `${ref} ${container}`;
    if (verdict.verdict === 'pass') return `pass ${place}`;
    if (verdict.verdict === 'unknown') return `unknown ${verdict.reason} ${place}`;
    return `fail ${verdict.severity ?? info?.severity ?? '?'} ${place}`;
  });
}
