// That workloads of several zones are in one partition of the fabric.

import { refToWorkload } from '../finding.ts';
import { failed, passed, unknown } from '../verdict.ts';
import type { Workload } from '../workload.ts';
import { rdmaRule, toldEvidence } from './rdma-rule.ts';
import { isolationRemedy } from './remedies.ts';
import { sharingOf } from './sharing.ts';
import { zoneOf } from './zone.ts';

const MAX_TOLD = 20;

export const SHARED_PARTITION = rdmaRule({
  info: {
    id: 'rdma-shared-partition',
    title: 'Zones share a partition of the fabric',
    severity: 'high',
    tenets: ['T2', 'T4'],
    aliases: [],
    atlas: ['AML.TA0015'],
    subject: 'workload',
    check: null,
    help: `On a fabric, the partition is the only boundary there is: whoever is in the same InfiniBand partition, VLAN or cloud network can reach every other member, and with RDMA read and write the memory that it exposes. The default partition (0x7fff) and an untagged network hold everybody whom nobody has put elsewhere, nodes and storage included.

A zone is what a label \`zone\`, \`security-zone\`, \`trust-zone\` or \`network-zone\` (under any prefix) of the pods or of their namespace says, and the namespace where there is none. Where the objects do not tell the partition, as for a device plugin whose adapters the subnet manager or a security group sets apart, the verdict is unknown.

**Fix:** one partition for each zone: \`pkey\` of ib-sriov networks, \`vlan\` of SR-IOV networks, networks or security groups of the cloud.`,
  },
  *judge(cluster, workload, evidence) {
    const sharing = sharingOf(cluster, workload, evidence);
    const told = toldEvidence(cluster, workload, evidence);
    const remediation = { text: isolationRemedy(evidence), patch: null, manifest: null };
    switch (sharing.kind) {
      case 'isolated': {
        const titles = sharing.partitions.map(({ title }) => title).join(', ');
        const detail = `nobody of another zone is known in ${titles}`;
        yield { ...passed(refToWorkload(workload, null), workload.podPath, detail), evidence: told };
        return;
      }
      case 'shared': {
        const { partition, others } = sharing;
        const { container, at } = sharing.evidence;
        const company =
          others.length === 0 ? ', which holds everybody whom nobody put elsewhere' : ` with ${list(others)}`;
        yield failed(refToWorkload(workload, container), {
          at,
          detail: `zone \`${zoneOf(cluster, workload).name}\` is in ${partition.title}${company}`,
          evidence: { ...told, sharedWith: others.slice(0, MAX_TOLD).map(({ ref }) => ref) },
          remediation,
          key: workload.ref,
        });
        return;
      }
      case 'unknown': {
        const { container, at, isHostWide, name } = sharing.evidence;
        const why = isHostWide
          ? "it reaches every adapter of its node, and what partitions these are in is the subnet manager's or the switch's to say"
          : `the partition of \`${name}\` is the subnet manager's, the switch's or the cloud's to say`;
        const company =
          sharing.others.length === 0 ? '' : `; ${list(sharing.others)} of other zones have adapters of the same pool`;
        yield unknown(refToWorkload(workload, container), {
          at,
          reason: 'partition-unknown',
          detail: `${why}${company}`,
          evidence: { ...told, samePool: sharing.others.slice(0, MAX_TOLD).map(({ ref }) => ref) },
          key: workload.ref,
        });
      }
    }
  },
});

function list(workloads: readonly Workload[]): string {
  const [first, second, third, ...others] = workloads.map(({ ref }) => ref);
  const told = [first, second, third].filter((ref) => ref !== undefined).join(', ');
  return others.length === 0 ? told : `${told} and ${others.length} more`;
}
