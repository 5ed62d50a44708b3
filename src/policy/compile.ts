// From a valid policy to the tables that `decide` reads.

import { addIdPattern, createIdTable } from './id-table.ts';
import {
  buildRow,
  refuse,
  UNKNOWN_TARGET,
  type CompiledPolicy,
  type PolicyMode,
  type Principal,
  type Row,
} from './matrix.ts';
import { compileProtocol, type Protocol } from './protocol.ts';
import type { RuleDeclaration } from './rule-document.ts';
import type { ValidPolicy } from './validate.ts';

export function compilePolicy(policy: ValidPolicy, mode: PolicyMode, digest: string): CompiledPolicy {
  const protocols = new Map<string, Protocol>();
  for (const [name, document] of policy.protocols) protocols.set(name, compileProtocol(document));
  const protocolOf = new Map<string, Protocol>();
  for (const component of policy.components) {
    const protocol = protocols.get(component.protocol);
    if (protocol !== undefined) protocolOf.set(component.name, protocol);
  }
  const createPrincipal = (component: string | null, rules: readonly RuleDeclaration[]): Principal => {
    const frame = { component, target: UNKNOWN_TARGET, mode, digest };
    const rows = new Map<string, Row>();
    for (const [target, rulesForTarget] of Map.groupBy(rules, (rule) => rule.target.text)) {
      const protocol = protocolOf.get(target);
      if (protocol !== undefined) rows.set(target, buildRow(rulesForTarget, protocol, { ...frame, target }));
    }
    return { component, rows, rules, unknownTarget: refuse('unknown-target', null, frame) };
  };
  const rules = policy.components.flatMap((component) => component.rules);
  const principals = new Map<string, Principal>();
  const ids = createIdTable<Principal>();
  for (const component of policy.components) {
    const principal = createPrincipal(component.name, component.rules);
    principals.set(component.name, principal);
    for (const { pattern } of component.ids) addIdPattern(ids, pattern, principal);
  }
  return {
    digest,
    mode,
    trustDomain: policy.trustDomain,
    components: policy.components.map(({ name }) => name),
    declarations: new Map(policy.components.map((component) => [component.name, component])),
    protocols,
    protocolOf,
    principals,
    stranger: createPrincipal(null, []),
    ids,
    ruleCount: rules.length,
    connectable: new Set(rules.filter(grantsConnections).map(({ target }) => target.text)),
    readsQuery: (target) => protocolOf.get(target)?.readsQuery === true,
  };
}

function grantsConnections({ effect, verbs }: RuleDeclaration): boolean {
  return effect === 'allow' && verbs.includes('connect');
}
