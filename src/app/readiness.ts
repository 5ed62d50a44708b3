// When this sidecar should be sent requests: what it decides by is there, valid and loaded, and it accepts.

import type { ReadinessCheck } from '../admin/readiness.ts';
import type { Clock } from '../core/clock.ts';
import type { Materials } from './materials.ts';

export type SidecarPhase = 'starting' | 'accepting' | 'draining';

const MAX_NOTE_LENGTH = 300;

export function readinessChecks(
  materials: Materials,
  of: { readonly clock: Clock; readonly phase: () => SidecarPhase },
): readonly ReadinessCheck[] {
  return [
    {
      name: 'own-svid',
      run: () => {
        const { id, notBeforeMs, notAfterMs } = materials.identity.cell.current.value.svid;
        const validity = `${id} is valid from ${new Date(notBeforeMs).toISOString()} to ${new Date(notAfterMs).toISOString()}`;
        const ok = isValid({ notBeforeMs, notAfterMs }, of.clock.wallMs());
        return { ok, detail: validity + note(materials.identity) };
      },
    },
    {
      name: 'trust-bundle',
      run: () => {
        const own = materials.identity.cell.current.value.svid.trustDomain;
        const bundles = materials.trust.cell.current.value;
        const nowMs = of.clock.wallMs();
        const usable = bundles.get(own)?.authorities.filter((authority) => isValid(authority, nowMs)).length ?? 0;
        const detail = `${usable} usable authorities for ${own}, ${bundles.size} trust domains`;
        return { ok: usable > 0, detail: detail + note(materials.trust) };
      },
    },
    {
      name: 'policy',
      run: () => {
        const { epoch, value } = materials.policy.cell.current;
        return { ok: true, detail: `epoch ${epoch}, sha256 ${value.digest}${note(materials.policy)}` };
      },
    },
    {
      name: 'accepting',
      run: () => ({ ok: of.phase() === 'accepting', detail: of.phase() }),
    },
  ];
}

function isValid(validity: { readonly notBeforeMs: number; readonly notAfterMs: number }, nowMs: number): boolean {
  return nowMs >= validity.notBeforeMs && nowMs < validity.notAfterMs;
}

/** The last good state serves on; that it is not the newest must not go unnoticed. The log has the whole of it. */
function note({ failure }: { readonly failure: unknown }): string {
  if (failure === null) return '';
  const [first = '', ...more] = (failure instanceof Error ? failure.message : 'unknown error').split('\n');
  const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return `; the last reload failed: ${first.slice(0, MAX_NOTE_LENGTH)}${rest}`;
}
