// While the demo is up: an invitation, peers that are there all the time, and a line for whatever changes or is tried by hand.

import { once } from 'node:events';
import { statSync } from 'node:fs';
import { systemClock } from '../../core/clock.ts';
import { RateLimit } from '../../telemetry/rate-limit.ts';
import { issueCredentials } from './credentials.ts';
import type { Observation } from './decision-tap.ts';
import { BACKGROUND_PEERS, SVID_TTL_MS, WORKLOADS } from './identities.ts';
import { formatInvitation } from './invitation.ts';
import { formatRequest, formatRotation } from './live.ts';
import type { Stage, StageOptions } from './stage.ts';
import type { Paint } from './table.ts';
import { Turns } from './turns.ts';

export interface StayOptions extends StageOptions {
  /** How this program is called from the directory that the demo runs in. */
  readonly program: string;
  readonly write: (text: string) => void;
}

const ROTATION_MS = SVID_TTL_MS / 2;
/** Three peers ask some 50 times a second. */
const PAUSE_MS = 58;
const MAX_LINES_PER_SECOND = 50;

const ABOUT_LINES = `what you ask from now on is shown below. Meanwhile three peers ask 50 times a second and read a
stream each: a line says how they fared whenever the sidecar has a new SVID, every ${WORKLOADS.sidecar.ttlMs / 2_000} s, and others
when one of them is cut off or let in again. Ctrl-C ends the demo
`;

/** Until `stop`. */
export async function stay(options: StayOptions, stage: Stage, paint: Paint): Promise<void> {
  const { paths, program, write, stop } = options;
  const { tap, log, authorities } = stage;
  write(`\n${formatInvitation({ program, paths, ...stage }, paint)}\n`);
  write(paint('dim', ABOUT_LINES));
  const turns = new Turns(BACKGROUND_PEERS);
  const lines = new RateLimit(MAX_LINES_PER_SECOND);
  tap.listen((observation, record) => {
    if (!turns.isTurn(observation, record)) return;
    if (!lines.admits(record.principal ?? '', systemClock.monotonicMs())) return;
    write(formatRequest({ observation, record, note: noteOn(observation, paths.revocations) }, paint));
  });
  const traffic = stage.startTraffic({ pauseMs: PAUSE_MS });
  const unsubscribe = stage.onOwnSvid((svid) => {
    write(formatRotation(svid, { counts: traffic.counts, nowMs: systemClock.wallMs() }, paint));
  });
  const rotation = setInterval(() => {
    issueCredentials(paths, authorities, { writeFiles: options.writeFiles, issuing: options.issuing() }).catch(
      (err: unknown) => log.error({ err }, 'X.509-SVIDs of the demo not rotated'),
    );
  }, ROTATION_MS);
  if (!stop.aborted) await once(stop, 'abort');
  clearInterval(rotation);
  unsubscribe();
  await traffic.close();
  write(`\n${paint('dim', 'draining')}\n`);
}

/** How long it took from the list being written until it had its effect. */
function noteOn({ effect, reason }: Observation, revocations: string): string {
  if (effect !== 'cut' || reason !== 'revoked') return '';
  const written = statSync(revocations, { throwIfNoEntry: false });
  if (written === undefined) return '';
  return `${((systemClock.wallMs() - written.mtimeMs) / 1000).toFixed(2)} s after the list changed`;
}
