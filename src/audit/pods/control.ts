// A control of the Pod Security Standards, and what one says of a pod template.

import { Inspection, type ControlResult, type PodTemplate } from './inspection.ts';

export type ControlLevel = 'baseline' | 'restricted';

/** As k8s.io/pod-security-admission names them. */
export type ControlId =
  | 'appArmorProfile'
  | 'capabilities_baseline'
  | 'hostNamespaces'
  | 'hostPathVolumes'
  | 'hostPorts'
  | 'hostProbesAndHostLifecycle'
  | 'privileged'
  | 'procMount'
  | 'seLinuxOptions'
  | 'seccompProfile_baseline'
  | 'sysctls'
  | 'windowsHostProcess'
  | 'allowPrivilegeEscalation'
  | 'capabilities_restricted'
  | 'procMount_restricted'
  | 'restrictedVolumes'
  | 'runAsNonRoot'
  | 'runAsUser'
  | 'seccompProfile_restricted';

export interface Control {
  readonly id: ControlId;
  readonly level: ControlLevel;
  readonly inspect: (inspection: Inspection) => void;
}

export function applyControl(control: Pick<Control, 'inspect'>, template: PodTemplate): ControlResult {
  const inspection = new Inspection(template);
  control.inspect(inspection);
  return inspection.result;
}
