// What can be done about traffic that the kernel does not see: partitions of the fabric, and encryption by who sends.
// A network policy is never among it, for it would not be enforced.

import type { RdmaEvidence } from './evidence.ts';
import type { Transport } from './transport.ts';

const ISOLATION: Readonly<Record<Transport, string>> = {
  infiniband:
    'give its zone an InfiniBand partition of its own: an ib-sriov network with a `pkey`, which the subnet manager knows, and no membership in the default partition 0x7fff',
  roce: 'give its zone a VLAN or VRF of its own for RoCE, and have the switches enforce it',
  rdma: 'give its zone a partition of its own: a partition key on InfiniBand, a VLAN or VRF on RoCE, enforced by subnet manager or switches',
  efa: 'give its zone security groups of its own, which EFA obeys, with rules from and to themselves only',
  slingshot: 'give its zone a VNI of its own on the Slingshot fabric',
  'omni-path': 'give its zone a virtual fabric of its own, in the fabric manager',
  'gpudirect-tcpx': 'give its zone VPC networks of its own for the GPU interfaces, with firewall rules between them',
  'sr-iov': 'give its zone a VLAN of its own: `vlan` of the SR-IOV network, with spoof checking on and trust off',
  adapter:
    'attach the adapter to a network of its zone alone, with access lists on the switch or the firewall of the VPC',
};

/** All that is left where the fabric keeps a zone apart. */
export const ENCRYPTION =
  'Encrypt in the application what must stay secret on the way (weights, key-value caches, features), or use adapters that encrypt in hardware; collective libraries send in the clear.';

/** For the kinds of fabric that a workload reaches. */
export function isolationRemedy(evidence: readonly RdmaEvidence[]): string {
  const transports = [...new Set(evidence.map(({ transport }) => transport))];
  const steps = transports.map((transport) => ISOLATION[transport]);
  const text = steps.join('; ');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}. ${ENCRYPTION}`;
}
