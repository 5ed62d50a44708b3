// The rules about the network.

import type { Rule } from '../finding.ts';
import { allowAllRule } from './allow-all-rule.ts';
import type { CniName } from './cni.ts';
import { cniEnforcementRule } from './cni-enforcement-rule.ts';
import { crossNamespaceRule } from './cross-namespace-rule.ts';
import { defaultDenyRule } from './default-deny-rules.ts';
import { internetEgressRule } from './internet-egress-rule.ts';
import { metadataEgressRule } from './metadata-egress-rule.ts';

/** For a CNI that somebody names, instead of the one that the cluster shows. */
export function networkRulesFor(cni: CniName | null): readonly Rule[] {
  return [
    defaultDenyRule('ingress', cni),
    defaultDenyRule('egress', cni),
    allowAllRule(cni),
    metadataEgressRule(cni),
    cniEnforcementRule(cni),
    internetEgressRule(cni),
    crossNamespaceRule(cni),
  ];
}
