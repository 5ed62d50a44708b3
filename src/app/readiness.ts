// When this sidecar should be sent requests: what it decides by is there, valid and loaded.

import type { ReadinessCheck } from '../admin/readiness.ts';
import type { Clock } from '../core/clock.ts';
import type { Materials } from './materials.ts';

export function readinessChecks(
  materials: Materials,
  of: { readonly clock: Clock; readonly isDraining: () => boolean },
): readonly ReadinessCheck[] {
  return [
    {
      name: 'own-svid',
      run: () => {
        const { id, notBeforeMs, notAfterMs } = materials.identity.cell.current.value.svid;
        const nowMs = of.clock.wallMs();
        const validity = `${id} is valid from ${new Date(notBeforeMs).toISOString()} to ${new Date(notAfterMs).toISOString()}`;
        return { ok: nowMs >= notBeforeMs && nowMs < notAfterMs, detail: validity + note(materials.identity) };
      },
    },
    {
      name: 'trust-bundle',
      run: () => {
        const own = materials.identity.cell.current.value.svid.trustDomain;
        const bundles = materials.trust.cell.current.value;
        const nowMs = of.clock.wallMs();
        const usable = bundles.get(own)?.authorities.filter(({ notAfterMs }) => nowMs < notAfterMs).length ?? 0;
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
      run: () => ({ ok: !of.isDraining(), detail: of.isDraining() ? 'draining' : 'accepting connections' }),
    },
  ];
}

/** The last good state serves on; that it is not the newest must not go unnoticed. */
function note({ failure }: { readonly failure: unknown }): string {
  if (failure === null) return '';
  return `; the last reload failed: ${failure instanceof Error ? failure.message : 'unknown error'}`;
}
