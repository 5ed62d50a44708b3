// When this sidecar should be sent requests: what it decides by is there, valid and loaded, and it accepts.

import type { ReadinessCheck } from '../admin/readiness.ts';
import type { Clock } from '../core/clock.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { Config } from './config.ts';
import type { WatchedMaterial } from '../telemetry/recorder.ts';
import type { Materials } from './materials/materials.ts';

export type SidecarPhase = 'starting' | 'accepting' | 'draining';

interface Verdict {
  readonly ok: boolean;
  readonly detail: string;
}

/** Of the materials, what readiness looks at. */
type Inspected = Pick<Materials, 'identity' | 'trust' | 'policy' | 'revocations' | 'agent' | 'redis' | 'fileFailures'>;

const MAX_NOTE_LENGTH = 300;

export function readinessChecks(
  config: Pick<Config, 'trustDomain' | 'revocation'>,
  materials: Inspected,
  of: { readonly clock: Clock; readonly phase: () => SidecarPhase },
): readonly ReadinessCheck[] {
  const { file, redis } = config.revocation;
  return [
    { name: 'own-svid', run: () => assessIdentity(materials, of.clock) },
    { name: 'trust-bundle', run: () => assessTrust(materials, config.trustDomain, of.clock.wallMs()) },
    {
      name: 'policy',
      run: () => {
        const { epoch, value } = materials.policy.current;
        return { ok: true, detail: `epoch ${epoch}, sha256 ${value.digest}${note(materials, 'policy')}` };
      },
    },
    ...(file === null && redis === null
      ? []
      : [{ name: 'revocation', run: () => assessRevocation(materials, redis?.maxAgeMs ?? null, of.clock) }]),
    {
      name: 'accepting',
      run: () => ({ ok: of.phase() === 'accepting', detail: of.phase() }),
    },
  ];
}

function assessIdentity(materials: Inspected, clock: Clock): Verdict {
  const { agent } = materials;
  const about = agent === null || agent.kind === 'current' ? '' : `; Workload API ${agent.kind}: ${agent.reason}`;
  const identity = materials.identity.current.value;
  if (identity === null) return { ok: false, detail: `no SVID${about}` };
  const { id, notBeforeMs, notAfterMs } = identity.svid;
  const nowMs = clock.wallMs();
  const detail = `${id} is valid from ${toTime(notBeforeMs)} to ${toTime(notAfterMs)}${about}${note(materials, 'identity')}`;
  if (!isValid({ notBeforeMs, notAfterMs }, nowMs)) return { ok: false, detail };
  if (agent?.kind !== 'stale') return { ok: true, detail };
  // Whoever is sent here would meet an SVID that has ended by the time there can be a new one.
  const endsMs = clock.monotonicMs() + notAfterMs - nowMs;
  const ok = agent.nextAttemptMs !== null && agent.nextAttemptMs < endsMs;
  return { ok, detail: ok ? detail : `${detail}; it ends before it can be renewed` };
}

function assessTrust(materials: Inspected, own: TrustDomain, nowMs: number): Verdict {
  const bundles = materials.trust.view.current.value;
  const usable = bundles.get(own)?.authorities.filter((authority) => isValid(authority, nowMs)).length ?? 0;
  const detail = `${usable} usable authorities for ${own}, ${bundles.size} trust domains`;
  return { ok: usable > 0, detail: detail + note(materials, 'trust-bundle') };
}

function assessRevocation(materials: Inspected, maxAgeMs: number | null, clock: Clock): Verdict {
  const { redis, revocations } = materials;
  const { count, crlCount } = revocations.current.value;
  const detail = `${count} entries, ${crlCount} CRLs${note(materials, 'revocation')}`;
  if (redis === null || redis.kind === 'current') return { ok: true, detail };
  const awayMs = clock.monotonicMs() - redis.sinceMs;
  const away = `${detail}; Redis ${redis.kind} for ${Math.floor(awayMs / 1000)} s: ${redis.message}`;
  return { ok: redis.kind === 'away' && (maxAgeMs === null || awayMs < maxAgeMs), detail: away };
}

function isValid(validity: { readonly notBeforeMs: number; readonly notAfterMs: number }, nowMs: number): boolean {
  return nowMs >= validity.notBeforeMs && nowMs < validity.notAfterMs;
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** The last good state serves on; that it is not the newest must not go unnoticed. The log has the whole of it. */
function note({ fileFailures }: Pick<Inspected, 'fileFailures'>, what: WatchedMaterial): string {
  const failure = fileFailures.get(what) ?? null;
  if (failure === null) return '';
  const [first = '', ...more] = (failure instanceof Error ? failure.message : 'unknown error').split('\n');
  const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return `; the last reload failed: ${first.slice(0, MAX_NOTE_LENGTH)}${rest}`;
}
