// Rules about what confines a container: seccomp, AppArmor, SELinux, kernel parameters and kinds of volumes.

import type { Rule } from '../finding.ts';
import { controlRule, type Place } from './control-rule.ts';
import type { Violation } from './inspection.ts';
import { patchToRemove, patchToSet, remedy } from './patch.ts';
import { podRuleInfo } from './pod-rule-info.ts';
import { inspectionOf } from './security-controls.ts';

const SECCOMP_UNCONFINED = controlRule({
  info: podRuleInfo({
    id: 'pod-seccomp-unconfined',
    title: 'System calls are not filtered',
    severity: 'medium',
    aliases: ['C-0055'],
    atlas: ['AML.T0105'],
    check: 'privileged-containers',
    help: `\`seccompProfile: { type: Unconfined }\` lets a container make every system call, those among them that kernel exploits begin with.

**Fix:** \`type: RuntimeDefault\`, or \`Localhost\` with a profile that allows what is missing.`,
  }),
  inspect: inspectionOf('seccompProfile_baseline'),
  remedyOf: toRuntimeDefault('seccompProfile'),
  held: 'no seccomp profile is Unconfined',
});

const SECCOMP_ABSENT = controlRule({
  info: podRuleInfo({
    id: 'pod-seccomp-absent',
    title: 'No seccomp profile is set',
    severity: 'low',
    aliases: ['C-0055'],
    help: `Without a profile, system calls are unfiltered unless the kubelet runs with \`seccompDefault\`.

**Fix:** \`securityContext: { seccompProfile: { type: RuntimeDefault } }\` of the pod, once for all containers.`,
  }),
  inspect: inspectionOf('seccompProfile_restricted'),
  // An unconfined one has a finding of its own.
  owns: (_at, found) => found === null,
  remedyOf: toRuntimeDefault('seccompProfile'),
  held: 'every container has a seccomp profile',
});

const APPARMOR = controlRule({
  info: podRuleInfo({
    id: 'pod-apparmor',
    title: 'AppArmor is switched off',
    severity: 'medium',
    aliases: ['C-0055'],
    atlas: ['AML.T0105'],
    help: `Where a node has AppArmor, the runtime's profile confines every container by default. \`Unconfined\` takes it away, in \`appArmorProfile\` or in the older annotation.

**Fix:** remove the setting, or use \`RuntimeDefault\` or \`Localhost\`.`,
  }),
  inspect: inspectionOf('appArmorProfile'),
  remedyOf: (violation, place) =>
    violation.at.includes('annotations')
      ? remedy(place.workload, 'Remove the annotation.', patchToRemove(violation.at))
      : toRuntimeDefault('appArmorProfile')(violation, place),
  held: 'no AppArmor profile is switched off',
});

const SELINUX = controlRule({
  info: podRuleInfo({
    id: 'pod-selinux',
    title: 'A container chooses its SELinux label',
    severity: 'medium',
    aliases: ['C-0055'],
    atlas: ['AML.T0105'],
    help: `A user, a role, or a type other than those for containers (\`spc_t\` above all) lifts the confinement that SELinux gives.

**Fix:** leave \`seLinuxOptions\` to the runtime, or use \`container_t\`, \`container_init_t\`, \`container_kvm_t\` or \`container_engine_t\`.`,
  }),
  inspect: inspectionOf('seLinuxOptions'),
  remedyOf: ({ at }, { workload }) => remedy(workload, 'Leave the SELinux label to the runtime.', patchToRemove(at)),
  held: 'no container chooses an SELinux label',
});

const SYSCTLS = controlRule({
  info: podRuleInfo({
    id: 'pod-sysctls',
    title: 'A pod sets unsafe kernel parameters',
    severity: 'medium',
    aliases: ['C-0055'],
    help: `Kernel parameters outside the safe set are not isolated between pods, or take a protection away.

**Fix:** tune them on the node, or leave them.`,
  }),
  inspect: inspectionOf('sysctls'),
  remedyOf: ({ at }, { workload }) =>
    remedy(
      workload,
      'Remove the sysctl from the pod; tune the node where it is needed.',
      patchToRemove(at.slice(0, -1)),
    ),
  held: 'the pod sets no unsafe kernel parameter',
});

const VOLUME_TYPES = controlRule({
  info: podRuleInfo({
    id: 'pod-volume-types',
    title: 'A pod mounts storage without a claim',
    severity: 'low',
    aliases: [],
    help: `Inline NFS, iSCSI, Ceph and cloud disks name a server or disk of the pod author's choice and go round StorageClasses, quotas and what an administrator has set up. \`gitRepo\` runs git on the node.

**Fix:** a PersistentVolumeClaim, an ephemeral or a CSI volume.`,
  }),
  inspect: inspectionOf('restrictedVolumes'),
  // Paths of the node have a finding of their own.
  owns: (at) => at.at(-1) !== 'hostPath',
  remedyOf: (_violation, { workload }) => remedy(workload, 'Claim the storage with a PersistentVolumeClaim.', null),
  held: 'all volumes are of the kinds that the restricted level has',
});

export const CONFINEMENT_RULES: readonly Rule[] = [
  SECCOMP_UNCONFINED,
  SECCOMP_ABSENT,
  APPARMOR,
  SELINUX,
  SYSCTLS,
  VOLUME_TYPES,
];

function toRuntimeDefault(key: 'seccompProfile' | 'appArmorProfile') {
  return (_violation: Violation, { workload, field }: Place): ReturnType<typeof remedy> =>
    remedy(
      workload,
      `Set ${key} to RuntimeDefault.`,
      patchToSet(field, ['securityContext', key], { type: 'RuntimeDefault' }),
    );
}
