// Rules about the capabilities of containers.
// capabilities(7)

import type { Rule, Severity } from '../finding.ts';
import { controlRule } from './control-rule.ts';
import { DEFAULT_CAPABILITIES } from './baseline-controls.ts';
import { patchToRemove, patchToSet, remedy } from './patch.ts';
import { ESCAPE_TO_HOST, podRuleInfo } from './pod-rule-info.ts';
import { inspectionOf } from './security-controls.ts';

interface Power {
  readonly severity: Severity;
  readonly means: string;
}

const POWERS: ReadonlyMap<string, Power> = new Map([
  ['ALL', { severity: 'high', means: 'every capability there is: as good as privileged' }],
  ['SYS_ADMIN', { severity: 'high', means: 'mounts file systems and enters namespaces: as good as root on the node' }],
  ['SYS_MODULE', { severity: 'high', means: 'loads modules into the kernel of the node' }],
  ['SYS_RAWIO', { severity: 'high', means: 'reads and writes memory and disks of the node' }],
  ['SYS_PTRACE', { severity: 'high', means: 'reads and changes the memory of other processes' }],
  ['SYS_BOOT', { severity: 'high', means: 'restarts the node, or into another kernel' }],
  ['DAC_READ_SEARCH', { severity: 'high', means: 'opens files of the node by their handle' }],
  ['BPF', { severity: 'high', means: 'loads programs into the kernel, which see and change what it does' }],
  ['PERFMON', { severity: 'medium', means: 'watches the kernel and all processes of the node' }],
  [
    'NET_ADMIN',
    {
      severity: 'high',
      means: 'rewrites routes, addresses and packet filters, those that hold a policy or a mesh among them',
    },
  ],
  ['NET_RAW', { severity: 'medium', means: 'forges packets: spoofs ARP and DNS on its network' }],
  ['MAC_ADMIN', { severity: 'high', means: 'rewrites the rules of AppArmor or SELinux' }],
  ['MAC_OVERRIDE', { severity: 'high', means: 'is not bound by AppArmor or SELinux' }],
  ['CHECKPOINT_RESTORE', { severity: 'medium', means: 'reads the memory of other processes to save them' }],
  ['SYSLOG', { severity: 'medium', means: 'reads addresses and messages of the kernel' }],
  ['SYS_TIME', { severity: 'medium', means: 'sets the clock by which certificates and tokens expire' }],
  ['SYS_RESOURCE', { severity: 'medium', means: 'exceeds its limits' }],
  ['IPC_OWNER', { severity: 'medium', means: 'reads shared memory of others' }],
  ['AUDIT_CONTROL', { severity: 'medium', means: 'changes what the kernel audits' }],
  ['IPC_LOCK', { severity: 'low', means: 'pins memory, as RDMA needs it; beyond the limit of the container' }],
  ['SYS_NICE', { severity: 'low', means: 'sets priorities and affinities' }],
]);
const OTHER_POWER: Power = { severity: 'medium', means: 'more than the container runtime gives by default' };

const ADDED = controlRule({
  info: podRuleInfo({
    id: 'pod-capabilities',
    title: 'A container adds capabilities',
    severity: 'medium',
    aliases: ['CIS-5.2.9', 'C-0200', 'C-0046'],
    atlas: ESCAPE_TO_HOST,
    check: 'privileged-containers',
    help: `Capabilities are the parts that the power of root is made of. Some of them are the node: \`SYS_ADMIN\`, \`SYS_MODULE\`, \`SYS_PTRACE\`, \`BPF\`, \`ALL\`. \`NET_ADMIN\` and \`NET_RAW\` undo network controls from inside. A container that is not privileged and has these is not confined.

\`IPC_LOCK\` is what RDMA needs to pin memory, and is reported as low.

**Fix:** drop \`ALL\`, and add back the one that the workload cannot do without.`,
  }),
  inspect: inspectionOf('capabilities_baseline'),
  severityOf: ({ found }) => powerOf(found).severity,
  evidenceOf: ({ found }) => ({ capability: canonical(found), means: powerOf(found).means }),
  remedyOf: ({ at, found, container }, { workload }) =>
    remedy(
      workload,
      `Do not add ${canonical(found)} to container \`${container?.name ?? ''}\`: it ${powerOf(found).means}.`,
      patchToRemove(at),
    ),
  held: 'no container adds a capability beyond the default ones',
});

const NOT_DROPPED = controlRule({
  info: podRuleInfo({
    id: 'pod-capabilities-not-dropped',
    title: 'A container keeps the default capabilities',
    severity: 'low',
    aliases: ['C-0055'],
    help: `Container runtimes leave a dozen capabilities to every container that does not drop them, among them \`SETUID\`, \`CHOWN\` and, with most, \`NET_RAW\`, which is enough to spoof a neighbour's address. Hardly any model server or training job uses one.

**Fix:** \`capabilities: { drop: [ALL] }\`.`,
  }),
  inspect: inspectionOf('capabilities_restricted'),
  // What is added beyond the default ones has a finding of its own.
  owns: (at, found) => !at.includes('add') || typeof found !== 'string' || DEFAULT_CAPABILITIES.has(found),
  remedyOf: ({ at, container }, { workload, field }) =>
    at.includes('add')
      ? remedy(workload, 'Add no capability but NET_BIND_SERVICE.', patchToRemove(at))
      : remedy(
          workload,
          `Drop ALL capabilities of container \`${container?.name ?? ''}\`.`,
          patchToSet(field, ['securityContext', 'capabilities', 'drop'], ['ALL']),
        ),
  held: 'every container drops all capabilities',
});

export const CAPABILITY_RULES: readonly Rule[] = [ADDED, NOT_DROPPED];

function powerOf(found: unknown): Power {
  return POWERS.get(canonical(found)) ?? OTHER_POWER;
}

/** Runtimes take `cap_sys_admin` as well. */
function canonical(found: unknown): string {
  return typeof found === 'string' ? found.toUpperCase().replace(/^CAP_/, '') : '';
}
