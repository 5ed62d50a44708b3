// What happens to those who are connected: everybody's identity is replaced under them, and then one of them is revoked.

import { systemClock } from '../../core/clock.ts';
import { BACKGROUND_PEERS, WORKLOADS } from './identities.ts';
import type { Stage } from './stage.ts';
import type { Traffic } from './traffic.ts';

/** `complaint`: what is not as expected, in words; null when everything is. */
export interface Trial {
  readonly text: string;
  readonly complaint: string | null;
}

type Scene = Pick<Stage, 'onOwnSvid' | 'revoke'> & { readonly agent: Pick<Stage['agent'], 'rotateNow'> };

type Watched = Pick<Traffic, 'counts' | 'isStreaming' | 'until'>;

const ROTATIONS = 5;
const REQUESTS_BETWEEN = 60;
/** Of the listed peers one has a stream, and one asks for a row of the table. */
const REVOKED = '/training/*';

/** New SVIDs for the sidecar and for those who ask it, several in a row. */
export async function tryRotation({ agent, onOwnSvid }: Scene, traffic: Watched, stop: AbortSignal): Promise<Trial> {
  let received = 0;
  const unsubscribe = onOwnSvid(() => {
    received += 1;
  });
  let isWhole = await traffic.until(() => traffic.counts.streaming === BACKGROUND_PEERS.length, stop);
  const beganMs = systemClock.monotonicMs();
  for (let rotation = 1; rotation <= ROTATIONS && isWhole; rotation += 1) {
    const due = traffic.counts.requests + REQUESTS_BETWEEN;
    await agent.rotateNow();
    isWhole = await traffic.until(() => received >= rotation && traffic.counts.requests >= due, stop);
  }
  unsubscribe();
  const seconds = ((systemClock.monotonicMs() - beganMs) / 1000).toFixed(1);
  const { requests, streaming } = traffic.counts;
  return {
    text: `${received} new SVIDs of the sidecar in ${seconds} s, under ${requests} requests and ${streaming} streams: none failed or was cut`,
    complaint: isWhole ? complaintAbout(traffic) : 'the sidecar or a peer has not received its SVID',
  };
}

/** `whileRevoked` is called when the list is in force. */
export async function tryRevocation<T>(
  { revoke }: Scene,
  traffic: Watched,
  { whileRevoked, stop }: { readonly whileRevoked: () => Promise<T>; readonly stop: AbortSignal },
): Promise<{ readonly trial: Trial; readonly found: T }> {
  const { id } = WORKLOADS.training;
  const beganMs = systemClock.monotonicMs();
  await revoke([REVOKED]);
  const isCut = await traffic.until(() => !traffic.isStreaming(id), stop);
  const afterMs = Math.round(systemClock.monotonicMs() - beganMs);
  const found = await whileRevoked();
  const others = traffic.counts.streaming;
  await revoke([]);
  const isBack = await traffic.until(() => traffic.isStreaming(id), stop);
  const trial = {
    text: `training revoked: its stream cut after ${afterMs} ms, ${others} others went on; back when let in again`,
    complaint: complaintAboutRevocation({ isCut, isBack, others }) ?? complaintAbout(traffic),
  };
  return { trial, found };
}

interface Revoked {
  readonly isCut: boolean;
  readonly isBack: boolean;
  /** Streams of other peers that went on. */
  readonly others: number;
}

function complaintAboutRevocation({ isCut, isBack, others }: Revoked): string | null {
  if (!isCut) return 'the stream of a revoked peer went on';
  if (others !== BACKGROUND_PEERS.length - 1) return 'the stream of a peer that is not revoked was cut';
  return isBack ? null : 'the peer that is not revoked any more has no stream';
}

function complaintAbout({ counts: { failed, broken } }: Watched): string | null {
  return failed === 0 && broken === 0 ? null : `${failed} requests failed, ${broken} streams were broken`;
}
