// JSON patches that set or remove one thing in the object a pod template stands in.
// RFC 6902, RFC 6901

import type { Field } from '../fields.ts';
import type { JsonPatchOperation, Json, Remediation } from '../finding.ts';
import type { Path } from '../path.ts';
import type { Workload } from '../workload.ts';

export type PatchTarget = Pick<Workload, 'object' | 'source'>;

/** Makes what lacks on the way to a key below `base`; none where something stands in the way. */
export function patchToSet(base: Field, steps: readonly string[], value: Json): readonly JsonPatchOperation[] | null {
  let field = base;
  for (const [index, step] of steps.entries()) {
    if (field.kind !== 'map') return null;
    field = field.get(step);
    if (field.isPresent && index < steps.length - 1) continue;
    const rest = steps.slice(index + 1);
    const whole = rest.reduceRight<Json>((inner, key) => ({ [key]: inner }), value);
    return [{ op: field.kind === 'absent' ? 'add' : 'replace', path: pointerTo(field.path), value: whole }];
  }
  return null;
}

export function patchToRemove(at: Path): readonly JsonPatchOperation[] {
  return [{ op: 'remove', path: pointerTo(at) }];
}

/** A patch is of the workload's own object; a template that stands in another is nothing to change for one workload. */
export function remedy(
  { object, source }: PatchTarget,
  text: string,
  patch: readonly JsonPatchOperation[] | null,
): Remediation {
  return { text, patch: object === source ? patch : null, manifest: null };
}

/** RFC 6901 */
function pointerTo(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
