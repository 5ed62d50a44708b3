// Rules about the user that containers run as, and whether they can become another.

import type { Rule } from '../finding.ts';
import { controlRule } from './control-rule.ts';
import type { Inspection, Reading, Scope } from './inspection.ts';
import { patchToSet, remedy } from './patch.ts';
import { podRuleInfo } from './pod-rule-info.ts';
import { inspectionOf } from './security-controls.ts';
import { outsideUserNamespaces } from './user-namespace.ts';

const RUNS_AS_ROOT = controlRule({
  info: podRuleInfo({
    id: 'pod-runs-as-root',
    title: 'A container runs as root',
    severity: 'medium',
    aliases: ['CIS-5.2.7', 'C-0198', 'C-0013'],
    atlas: ['AML.T0105'],
    check: 'privileged-containers',
    help: `Root in a container is root on the node as far as the kernel is concerned: every escape lands there, and files of mounted volumes are its own.

What counts is the user that results: of the container before that of the pod, and of the image where neither sets one. What the image says is not in the manifest, so that this is then **unknown**, until \`runAsNonRoot: true\` has the kubelet refuse root. With \`hostUsers: false\` root in the container is nobody on the node.

**Fix:** \`runAsNonRoot: true\` with a \`runAsUser\` other than 0; or \`hostUsers: false\` where the image needs to be root.`,
  }),
  inspect: outsideUserNamespaces(inspectUser),
  remedyOf: ({ container, at }, { workload, field }) =>
    remedy(
      workload,
      container === null
        ? 'Run the pod as another user than 0, and set runAsNonRoot: true.'
        : `Run container \`${container.name}\` as another user than 0, and set runAsNonRoot: true; or give the pod a user namespace with hostUsers: false.`,
      at.at(-1) === 'runAsUser' ? patchToSet(field, ['securityContext', 'runAsUser'], 65_532) : null,
    ),
  held: 'no container runs as root of the node',
});

const PRIVILEGE_ESCALATION = controlRule({
  info: podRuleInfo({
    id: 'pod-privilege-escalation',
    title: 'A process can gain more privileges than its parent',
    severity: 'medium',
    aliases: ['CIS-5.2.6', 'C-0197', 'C-0016'],
    atlas: ['AML.T0105'],
    help: `Unless \`allowPrivilegeEscalation: false\` sets \`no_new_privs\`, a set-user-ID binary in the image makes root of any user.

**Fix:** \`allowPrivilegeEscalation: false\`.`,
  }),
  inspect: inspectionOf('allowPrivilegeEscalation'),
  remedyOf: ({ container }, { workload, field }) =>
    remedy(
      workload,
      `Set allowPrivilegeEscalation: false for container \`${container?.name ?? ''}\`.`,
      patchToSet(field, ['securityContext', 'allowPrivilegeEscalation'], false),
    ),
  held: 'no container allows privilege escalation',
});

export const USER_RULES: readonly Rule[] = [RUNS_AS_ROOT, PRIVILEGE_ESCALATION];

/** https://kubernetes.io/docs/tasks/configure-pod-container/security-context/ */
function inspectUser(inspection: Inspection): void {
  const os = inspection.text(inspection.pod, 'os', 'name');
  const inspectContainer = os.kind === 'value' && os.value === 'windows' ? inspectWindowsUser : inspectLinuxUser;
  for (const scope of inspection.containers()) inspectContainer(inspection, scope);
}

function inspectLinuxUser(inspection: Inspection, scope: Scope): void {
  const user = resulting(inspection, scope, (each) => inspection.integer(each, 'securityContext', 'runAsUser'));
  if (user.kind === 'value') {
    if (user.value === 0) inspection.violate(scope, user.field, 'runs as user 0');
    return;
  }
  const nonRoot = resulting(inspection, scope, (each) => inspection.boolean(each, 'securityContext', 'runAsNonRoot'));
  // The kubelet does not start such a container when its image says root.
  if (nonRoot.kind === 'value' && nonRoot.value) return;
  if (user.kind === 'absent' && nonRoot.kind !== 'unknown') doubtImageUser(inspection, scope, user);
}

function inspectWindowsUser(inspection: Inspection, scope: Scope): void {
  const name = resulting(inspection, scope, (each) =>
    inspection.text(each, 'securityContext', 'windowsOptions', 'runAsUserName'),
  );
  if (name.kind === 'absent') doubtImageUser(inspection, scope, name);
  else if (name.kind === 'value' && /^(?:.*\\)?ContainerAdministrator$/i.test(name.value)) {
    inspection.violate(scope, name.field, `runs as ${name.value}`);
  }
}

function doubtImageUser(inspection: Inspection, scope: Scope, { field }: Reading<unknown>): void {
  const image = scope.container?.image ?? null;
  const named = image === null ? 'its image' : `image \`${image}\``;
  inspection.doubt(scope, field, {
    reason: 'image-user-unknown',
    detail: `neither pod nor container sets a user, and that of ${named} is not known; runAsNonRoot: true would settle it`,
  });
}

/** Of the container, or else of the pod; in an absent one the place is the container's. */
function resulting<T>(inspection: Inspection, scope: Scope, read: (scope: Scope) => Reading<T>): Reading<T> {
  const own = read(scope);
  if (own.kind !== 'absent') return own;
  const shared = read(inspection.pod);
  return shared.kind === 'absent' ? own : shared;
}
