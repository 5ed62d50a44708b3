// What is told of loads: what is in force now, to the log; how it went, to the counters.

import { createHash } from 'node:crypto';
import { SallyportError } from '../core/error.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { Config } from './config.ts';
import type { WatchedMaterial } from '../telemetry/recorder.ts';
import type { FileEvents } from './materials/file-material.ts';
import type { Materials } from './materials/materials.ts';
import { describeLoadFailure } from './start-error.ts';

const MAX_PROBLEMS = 20;

/** Reports every load; `onReload` is called after that for those that changed something. */
export function createReloadReport(
  materials: Materials,
  { config, log, recorder }: { readonly config: Config; readonly log: Logger; readonly recorder: Recorder },
  onReload: (what: WatchedMaterial) => void,
): FileEvents {
  return {
    warned: (what, { code, message }) => log.warn({ what, code, detail: message }, 'file permissions are too open'),
    reloaded: (what) => {
      recorder.reload(what, 'success');
      log.info(describeMaterial(materials, what), 'reloaded');
      onReload(what);
    },
    recovered: (what) => log.info(describeMaterial(materials, what), 'files are again what is in force'),
    failed: (what, error) => {
      recorder.reload(what, 'failure');
      // What people wrote is told as at the start; a defect of ours with its stack.
      const why =
        error instanceof SallyportError
          ? { problems: describeLoadFailure(error, config).slice(0, MAX_PROBLEMS) }
          : { err: error };
      log.error({ ...describeMaterial(materials, what), ...why }, 'reload failed, the last good state stays in force');
    },
  };
}

/** `digest` tells two of them apart: of the policy's sources, of our own leaf, of all authorities. */
export function describeMaterial(
  { identity, trust, policy, revocations, webCredential }: Materials,
  what: WatchedMaterial,
): Readonly<Record<string, unknown>> {
  switch (what) {
    case 'identity': {
      const { epoch, value } = identity.current;
      if (value === null) return { what, epoch, spiffeId: null };
      const { id, leafSha256, notAfterMs } = value.svid;
      return { what, epoch, digest: leafSha256, spiffeId: id, notAfter: new Date(notAfterMs).toISOString() };
    }
    case 'trust-bundle': {
      const { epoch, value } = trust.view.current;
      const authorities = [...value].map(([name, bundle]) => [name, bundle.authorities.length] as const);
      return { what, epoch, digest: digestOf(value), authorities: Object.fromEntries(authorities) };
    }
    case 'policy': {
      const { epoch, value } = policy.current;
      return { what, epoch, digest: value.digest, mode: value.mode, rules: value.ruleCount };
    }
    case 'revocation': {
      const { epoch, value } = revocations.current;
      return { what, epoch, entries: value.count, crls: value.crlCount };
    }
    case 'bundle-endpoint': {
      const notAfterMs = webCredential?.current.value.notAfterMs;
      return { what, notAfter: notAfterMs === undefined ? null : new Date(notAfterMs).toISOString() };
    }
    case 'redis-password':
    case 'redis-ca':
      return { what };
  }
}

function digestOf(bundles: TrustBundles): string {
  const hash = createHash('sha256');
  for (const [name, { authorities, jwtAuthorities }] of bundles) {
    for (const { sha256 } of authorities) hash.update(`${name} ${sha256}\n`);
    for (const keyId of jwtAuthorities.keys()) hash.update(`${name} ${JSON.stringify(keyId)}\n`);
  }
  return hash.digest('hex');
}
