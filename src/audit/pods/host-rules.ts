// Rules about what a pod shares with its node.
// The ports that it takes of the node are those of exposure.

import type { Rule } from '../finding.ts';
import { controlRule, type Place } from './control-rule.ts';
import { mountsOf, severityOfHostPath } from './host-path.ts';
import type { Violation } from './inspection.ts';
import { patchToRemove, patchToSet, remedy } from './patch.ts';
import { ESCAPE_TO_HOST, podRuleInfo } from './pod-rule-info.ts';
import { inspectionOf } from './security-controls.ts';

const PRIVILEGED = controlRule({
  info: podRuleInfo({
    id: 'pod-privileged',
    title: 'A container is privileged',
    severity: 'high',
    aliases: ['CIS-5.2.2', 'C-0193', 'C-0057'],
    atlas: ESCAPE_TO_HOST,
    check: 'privileged-containers',
    help: `A privileged container has all capabilities, every device of the node and no seccomp or AppArmor confinement. Whoever takes it over has the node, the credentials of every pod on it, and its InfiniBand adapters.

GPU and RDMA workloads do not need it: a device plugin or a DRA driver hands them their devices, and \`IPC_LOCK\` lets them pin memory.

**Fix:** remove \`privileged: true\`, and add the one capability or device that turns out to be missing.`,
  }),
  inspect: inspectionOf('privileged'),
  remedyOf: ({ container }, { workload, field }) =>
    remedy(
      workload,
      `Run container \`${container?.name ?? ''}\` unprivileged; request devices from a device plugin or a DRA driver instead.`,
      patchToSet(field, ['securityContext', 'privileged'], false),
    ),
  held: 'no container is privileged',
});

const HOST_PID = hostNamespaceRule({
  key: 'hostPID',
  info: podRuleInfo({
    id: 'pod-host-pid',
    title: 'A pod shares the process IDs of its node',
    severity: 'high',
    aliases: ['CIS-5.2.3', 'C-0275', 'C-0038'],
    atlas: ESCAPE_TO_HOST,
    check: 'privileged-containers',
    help: `With \`hostPID\` a container sees every process of the node, with their environments and open files, and can signal or trace those of its user.

**Fix:** remove \`hostPID: true\`.`,
  }),
});

const HOST_IPC = hostNamespaceRule({
  key: 'hostIPC',
  info: podRuleInfo({
    id: 'pod-host-ipc',
    title: 'A pod shares the memory segments of its node',
    severity: 'medium',
    aliases: ['CIS-5.2.4', 'C-0276', 'C-0038'],
    atlas: ESCAPE_TO_HOST,
    check: 'privileged-containers',
    help: `With \`hostIPC\` a container reads and writes System V shared memory of the node and of other pods. Data loaders and NCCL want a large \`/dev/shm\`, which is something else.

**Fix:** remove \`hostIPC: true\`; mount an \`emptyDir\` with \`medium: Memory\` at \`/dev/shm\`.`,
  }),
});

const HOST_NETWORK = hostNamespaceRule({
  key: 'hostNetwork',
  info: podRuleInfo({
    id: 'pod-host-network',
    title: 'A pod is on the network of its node',
    severity: 'high',
    tenets: ['T2', 'T5'],
    aliases: ['CIS-5.2.5', 'C-0041'],
    atlas: ['AML.T0105'],
    help: `A pod with \`hostNetwork\` has the address of its node: network policies do not apply to it, no mesh sidecar can be injected, it reaches services bound to the node's loopback and the instance metadata service, and every interface of the node, those of an RDMA fabric among them.

**Fix:** remove \`hostNetwork: true\`. For RDMA, request the adapter from a device plugin or a DRA driver.`,
  }),
});

const HOST_PATH = controlRule({
  info: podRuleInfo({
    id: 'pod-host-path',
    title: 'A pod mounts a directory of its node',
    severity: 'medium',
    aliases: ['CIS-5.2.12', 'C-0203'],
    atlas: ESCAPE_TO_HOST,
    check: 'privileged-containers',
    help: `A \`hostPath\` volume is a piece of the node: with the root directory, the kubelet's state or the container runtime's socket a container has the whole node; with a cache it shares data with whoever else mounts it.

**Fix:** use a PersistentVolumeClaim, a CSI or an image volume. For devices, a device plugin.`,
  }),
  inspect: inspectionOf('hostPathVolumes'),
  severityOf: (violation, place) => {
    const { path, mounts } = hostPathOf(violation, place);
    return severityOfHostPath(path, mounts);
  },
  evidenceOf: (violation, place) => {
    const { path, mounts } = hostPathOf(violation, place);
    return { hostPath: path, mounts: mounts.map((mount) => ({ ...mount })) };
  },
  remedyOf: (violation, place) =>
    remedy(
      place.workload,
      `Replace the hostPath \`${hostPathOf(violation, place).path}\` by a PersistentVolumeClaim, a CSI volume or an image volume; where it brings a device, request that from its device plugin.`,
      null,
    ),
  held: 'no volume is a path of the node',
});

const PROC_MOUNT = controlRule({
  info: podRuleInfo({
    id: 'pod-proc-mount',
    title: 'A container sees /proc unmasked',
    severity: 'medium',
    aliases: [],
    atlas: ESCAPE_TO_HOST,
    check: 'privileged-containers',
    help: `\`procMount: Unmasked\` takes away the masks over files of \`/proc\` that show or change the node's kernel.

**Fix:** leave \`procMount\` out, or give the pod its own user namespace with \`hostUsers: false\`.`,
  }),
  inspect: inspectionOf('procMount'),
  remedyOf: (_violation, { workload, field }) =>
    remedy(workload, 'Leave procMount at Default.', patchToSet(field, ['securityContext', 'procMount'], 'Default')),
  held: 'no container unmasks /proc',
});

const HOST_PROBES = controlRule({
  info: podRuleInfo({
    id: 'pod-host-probes',
    title: 'A probe or hook has the kubelet call another host',
    severity: 'medium',
    aliases: [],
    check: 'privileged-containers',
    help: `Probes and lifecycle hooks are called by the kubelet, from the node, where no network policy applies. With a \`host\` of its own choosing, a pod makes it call what the pod itself may not: the instance metadata service, or services on the node's loopback.

**Fix:** remove \`host\`; the pod's own address is the default.`,
  }),
  inspect: inspectionOf('hostProbesAndHostLifecycle'),
  remedyOf: ({ at }, { workload }) =>
    remedy(workload, 'Remove the host: the kubelet calls the pod itself.', patchToRemove(at)),
  held: 'no probe or hook names another host',
});

const WINDOWS_HOST_PROCESS = controlRule({
  info: podRuleInfo({
    id: 'pod-windows-host-process',
    title: 'A Windows container is a process of its node',
    severity: 'high',
    aliases: [],
    atlas: ESCAPE_TO_HOST,
    check: 'privileged-containers',
    help: `A HostProcess container runs on the Windows node itself, as a privileged one does on Linux.

**Fix:** remove \`windowsOptions.hostProcess: true\`.`,
  }),
  inspect: inspectionOf('windowsHostProcess'),
  remedyOf: (_violation, { workload, field }) =>
    remedy(
      workload,
      'Run it as an ordinary Windows container.',
      patchToSet(field, ['securityContext', 'windowsOptions', 'hostProcess'], false),
    ),
  held: 'no container is a HostProcess',
});

export const HOST_RULES: readonly Rule[] = [
  PRIVILEGED,
  HOST_PID,
  HOST_IPC,
  HOST_NETWORK,
  HOST_PATH,
  PROC_MOUNT,
  HOST_PROBES,
  WINDOWS_HOST_PROCESS,
];

function hostNamespaceRule({ key, info }: { readonly key: string; readonly info: Rule['info'] }): Rule {
  return controlRule({
    info,
    inspect: inspectionOf('hostNamespaces'),
    owns: (at) => at.at(-1) === key,
    remedyOf: (_violation, { workload, field }) =>
      remedy(workload, `Remove ${key} from the pod.`, patchToSet(field, [key], false)),
    held: `the pod does not set ${key}`,
  });
}

function hostPathOf(
  { at }: Violation,
  { workload, field }: Place,
): { readonly path: string; readonly mounts: ReturnType<typeof mountsOf> } {
  const index = at.at(-2);
  const volume = typeof index === 'number' ? field.get('volumes', index) : field;
  const name = volume.get('name').asText();
  const hostPath = volume.get('hostPath');
  const path = hostPath.kind === 'map' ? hostPath.get('path').asText() : null;
  return { path: path ?? '', mounts: name === null ? [] : mountsOf(workload, name) };
}
