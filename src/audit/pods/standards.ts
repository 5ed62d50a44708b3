// The level of the Pod Security Standards that a pod template meets.
// As of Kubernetes 1.37; https://kubernetes.io/docs/concepts/security/pod-security-standards/

import type { Json } from '../finding.ts';
import { formatPath } from '../path.ts';
import type { Workload } from '../workload.ts';
import { applyControl, type ControlId, type ControlLevel } from './control.ts';
import type { Doubt, PodTemplate, Violation } from './inspection.ts';
import { CONTROLS } from './security-controls.ts';

export type SecurityLevel = 'privileged' | 'baseline' | 'restricted';

export interface FailedControl {
  readonly control: ControlId;
  readonly level: ControlLevel;
  readonly violations: readonly Violation[];
}

export interface UnknownControl {
  readonly control: ControlId;
  readonly level: ControlLevel;
  readonly doubts: readonly Doubt[];
}

export interface PodSecurity {
  /** The highest that is certain: one above it may be met as well when controls are unknown. */
  readonly level: SecurityLevel;
  readonly failed: readonly FailedControl[];
  readonly unknown: readonly UnknownControl[];
}

export function podSecurityLevel(template: PodTemplate): PodSecurity {
  const failed: FailedControl[] = [];
  const unknown: UnknownControl[] = [];
  for (const { id: control, level, inspect } of CONTROLS) {
    const { violations, doubts } = applyControl({ inspect }, template);
    if (violations.length > 0) failed.push({ control, level, violations });
    else if (doubts.length > 0) unknown.push({ control, level, doubts });
  }
  return { level: levelWithout([...failed, ...unknown]), failed, unknown };
}

/** A row of `audit pods`. */
export type PodSecurityRow = {
  readonly workload: string;
  readonly level: SecurityLevel;
  /** Names of controls. */
  readonly failed: readonly ControlId[];
  readonly unknown: readonly ControlId[];
  readonly details: readonly { readonly [key: string]: Json }[];
};

export function podSecurityRow(workload: Workload): PodSecurityRow {
  const { level, failed, unknown } = podSecurityLevel(workload);
  return {
    workload: workload.ref,
    level,
    failed: failed.map(({ control }) => control),
    unknown: unknown.map(({ control }) => control),
    details: [
      ...failed.flatMap(({ control, violations }) =>
        violations.map((violation) => ({ control, verdict: 'fail', ...told(violation) })),
      ),
      ...unknown.flatMap(({ control, doubts }) =>
        doubts.map((doubt) => ({ control, verdict: 'unknown', reason: doubt.reason, ...told(doubt) })),
      ),
    ],
  };
}

function levelWithout(unmet: readonly { readonly level: ControlLevel }[]): SecurityLevel {
  if (unmet.some(({ level }) => level === 'baseline')) return 'privileged';
  return unmet.length > 0 ? 'baseline' : 'restricted';
}

function told({ container, at, detail }: Violation | Doubt): { readonly [key: string]: Json } {
  return { container: container?.name ?? null, path: formatPath(at), detail };
}
