// The controls of the Pod Security Standards, by name.

import { BASELINE_CONTROLS } from './baseline-controls.ts';
import type { Control, ControlId } from './control.ts';
import type { Inspection } from './inspection.ts';
import { RESTRICTED_CONTROLS } from './restricted-controls.ts';

/** Baseline first, and in each level by name, as the admission plugin applies them. */
export const CONTROLS: readonly Control[] = [...BASELINE_CONTROLS, ...RESTRICTED_CONTROLS];

export function inspectionOf(id: ControlId): (inspection: Inspection) => void {
  const control = CONTROLS.find((candidate) => candidate.id === id);
  if (control === undefined) throw new Error(`no control is called ${id}`);
  return control.inspect;
}
