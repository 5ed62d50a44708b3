// Whether anything enforces the policies that are there. Without a CNI that does, they are text.

import type { Cluster } from '../cluster.ts';
import { refToCluster, refToObject, type Rule, type Verdict } from '../finding.ts';
import type { KubeObject } from '../kube-object.ts';
import { failed, passed, unknown } from '../verdict.ts';
import { type Answer, isDoubt } from './answer.ts';
import { objectsOf } from './calico-tiers.ts';
import type { CniName, PolicyKind } from './cni.ts';
import type { Connectivity } from './connectivity.ts';
import { CALICO_KINDS, CILIUM_KINDS, isEnforced } from './enforcement.ts';
import { sharedConnectivity } from './shared-connectivity.ts';

export function cniEnforcementRule(cni: CniName | null): Rule {
  return {
    info: {
      id: 'network-cni-enforcement',
      title: 'Network policies are not enforced',
      severity: 'high',
      tenets: ['T2', 'T6'],
      aliases: ['CIS-5.3.1', 'C-0205'],
      atlas: ['AML.TA0015'],
      help: `The API server takes network policies whether or not anything enforces them. Flannel, kubenet and the VPC CNI without its policy agent enforce none; policies of Cilium or Calico have no effect without that CNI; staged policies of Calico are only watched.

The CNI is told by its agents, by its configuration, and by the kinds it defines. Where none shows, what policies deny is unknown and never reported as denied.

**Fix:** run a CNI that enforces the kinds of policies that are used, or name the one that does.`,
      subject: 'cluster',
      check: 'default-deny',
    },
    evaluate: (cluster) => judge(cluster, sharedConnectivity(cluster, cni)),
  };
}

function* judge(cluster: Cluster, found: Connectivity): Iterable<Verdict> {
  yield judgeCluster(found);
  for (const { object, kind } of policiesOf(cluster))
    yield judgePolicy(object, isEnforced(found.enforcement, kind), found);
  for (const object of STAGED_KINDS.flatMap((kind) => objectsOf(cluster, kind))) yield staged(object);
}

function judgeCluster({ enforcement, enforcementDoubt }: Connectivity): Verdict {
  const resource = refToCluster();
  const { detail, basis } = enforcement;
  const evidence = {
    basis,
    cni: enforcement.enforcers.map(({ cni }) => cni),
    signs: enforcement.signs.map((sign) => sign.detail),
  };
  if (enforcementDoubt !== null) {
    return unknown(resource, {
      at: [],
      reason: 'cni-unknown',
      detail: `whether network policies are enforced is not known: ${basis === 'unknown' ? detail : enforcementDoubt.detail}`,
      evidence,
    });
  }
  if (enforcement.enforcers.length === 0) {
    return failed(resource, {
      at: [],
      detail: `nothing enforces network policies: ${detail}`,
      evidence,
      remediation: { text: 'Run a CNI that enforces network policies.', patch: null, manifest: null },
    });
  }
  return { ...passed(resource, [], `network policies are enforced: ${detail}`), evidence };
}

function judgePolicy(object: KubeObject, answer: Answer, { enforcement }: Connectivity): Verdict {
  const resource = refToObject(object);
  if (isDoubt(answer)) {
    const detail = `whether anything enforces it is not known: ${answer.detail}`;
    return unknown(resource, { at: ['kind'], reason: 'cni-unknown', detail });
  }
  if (answer) return passed(resource, ['kind'], 'policies of its kind are enforced');
  return failed(resource, {
    at: ['kind'],
    severity: 'medium',
    detail: `nothing enforces policies of kind ${object.kind}.${object.group}: ${enforcement.detail}`,
    evidence: { cni: enforcement.enforcers.map(({ cni }) => cni) },
    remediation: { text: 'Write it as a policy that the CNI enforces, or take it out.', patch: null, manifest: null },
  });
}

function staged(object: KubeObject): Verdict {
  return failed(refToObject(object), {
    at: ['kind'],
    severity: 'low',
    detail: 'a staged policy is watched and not enforced',
    evidence: { kind: object.kind },
    remediation: { text: 'Make it a policy once it does what is wanted.', patch: null, manifest: null },
  });
}

const STAGED_KINDS = ['StagedNetworkPolicy', 'StagedGlobalNetworkPolicy', 'StagedKubernetesNetworkPolicy'] as const;

function policiesOf(cluster: Cluster): readonly { readonly object: KubeObject; readonly kind: PolicyKind }[] {
  const ofKind = (group: string, name: string, kind: PolicyKind) =>
    cluster.byKind(group, name).map((object) => ({ object, kind }));
  return [
    ...ofKind('networking.k8s.io', 'NetworkPolicy', 'kubernetes'),
    ...ofKind('policy.networking.k8s.io', 'AdminNetworkPolicy', 'admin'),
    ...ofKind('policy.networking.k8s.io', 'BaselineAdminNetworkPolicy', 'admin'),
    ...ofKind('policy.networking.k8s.io', 'ClusterNetworkPolicy', 'cluster'),
    ...CILIUM_KINDS.flatMap(([group, name]) => ofKind(group, name, 'cilium')),
    ...CALICO_KINDS.flatMap(([group, name]) => ofKind(group, name, 'calico')),
  ];
}
