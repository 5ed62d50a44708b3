// That a workload's traffic over a fabric passes every network policy by.

import type { Cluster } from '../cluster.ts';
import { refToWorkload, type Severity } from '../finding.ts';
import { compileSelector, matchLabels } from '../selector.ts';
import { failed, passed } from '../verdict.ts';
import type { Workload } from '../workload.ts';
import { rdmaRule, sentence, toldEvidence } from './rdma-rule.ts';
import { ENCRYPTION, isolationRemedy } from './remedies.ts';
import { sharingOf, type Sharing } from './sharing.ts';

export const BYPASSES_POLICY = rdmaRule({
  info: {
    id: 'rdma-bypasses-network-policy',
    title: 'A workload sends past the kernel, and past every network policy',
    severity: 'medium',
    tenets: ['T2', 'T4', 'T7'],
    aliases: [],
    atlas: ['AML.TA0015', 'AML.T0025'],
    subject: 'workload',
    check: null,
    help: `RDMA (InfiniBand, RoCE, EFA) and adapters handed to a pod (SR-IOV, host devices, GPUDirect) carry traffic from the application to the wire. The kernel of the node does not see it: neither NetworkPolicy nor Cilium nor Calico nor a mesh applies, nothing is encrypted, and no flow log shows it. What the fabric lets through, passes.

A policy that selects such a workload holds for its other traffic only. It is then reported as high, because the policy promises what nobody enforces; and as info where the fabric itself keeps the zone apart.

**Fix:** isolate in the fabric: an InfiniBand partition, a VLAN, security groups for EFA, one for each zone of trust. And encrypt in the application what must stay secret on the way. More policies do not help.`,
  },
  *judge(cluster, workload, evidence) {
    const [first] = evidence;
    const sharing = sharingOf(cluster, workload, evidence);
    const policies = policiesOf(cluster, workload);
    yield failed(refToWorkload(workload, first.container), {
      at: first.at,
      detail: `${sentence(first)}: its traffic over ${first.transport} is seen by no network policy${describe(sharing)}`,
      evidence: { ...toldEvidence(cluster, workload, evidence), policiesWithoutEffect: policies },
      remediation: {
        text: sharing.kind === 'isolated' ? ENCRYPTION : isolationRemedy(evidence),
        patch: null,
        manifest: null,
      },
      severity: severityOf(sharing, policies),
      // One for each workload, wherever its first sign stands.
      key: workload.ref,
    });
  },
  judgeOther: (workload) =>
    passed(refToWorkload(workload, null), workload.podPath, 'reaches no network adapter past the kernel'),
});

function severityOf(sharing: Sharing, policies: readonly string[]): Severity {
  if (sharing.kind === 'isolated') return 'info';
  return policies.length > 0 ? 'high' : 'medium';
}

function describe(sharing: Sharing): string {
  switch (sharing.kind) {
    case 'isolated':
      return `; the fabric keeps it in ${sharing.partitions.map(({ title }) => title).join(', ')}`;
    case 'shared':
      return `, in ${sharing.partition.title}`;
    case 'unknown':
      return '; whether the fabric isolates it is not in the objects';
  }
}

/** That select its pods, and do not hold on the fabric. */
function policiesOf(cluster: Cluster, workload: Workload): readonly string[] {
  return cluster
    .inNamespace('networking.k8s.io', 'NetworkPolicy', workload.namespace)
    .filter((policy) => {
      const selector = compileSelector(cluster.field(policy, 'spec', 'podSelector'));
      return matchLabels(selector, workload.labels) === 'yes';
    })
    .map(({ name }) => name);
}
