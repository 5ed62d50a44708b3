// Waiting, for as long as the configuration says, for what a sidecar does not start without and cannot read from a file.

import { formatProblem, type SourcePosition } from '../../core/source-position.ts';
import type { RevocationStore } from '../../store/revocation-store.ts';
import type { WorkloadApiSource } from '../../workload-api/source.ts';
import type { Config } from '../config.ts';
import { StartError } from '../start-error.ts';

/** A source of changing states, of which one is what is waited for. */
interface Awaited<State> {
  readonly state: State;
  subscribe(subscriber: (state: State) => void): () => void;
}

interface Expectation<State> {
  readonly source: Awaited<State>;
  readonly hasArrived: (state: State) => boolean;
  /** It will not come, however long one waits. */
  readonly isHopeless: (state: State) => boolean;
  readonly timeoutMs: number;
  readonly position: SourcePosition;
  /** What is still missing, and why as far as is known. */
  readonly describe: (state: State) => string;
  readonly code: string;
}

/** @throws {StartError} when there is no SVID in time. */
export async function awaitSvid(
  source: WorkloadApiSource | null,
  { identity }: Config,
  signal: AbortSignal,
): Promise<void> {
  if (source === null || identity.kind !== 'workload-api') return;
  const expectation: Expectation<WorkloadApiSource['state']> = {
    source,
    // Stale is what has come as well: from an agent that has gone again.
    hasArrived: ({ kind }) => kind === 'current' || kind === 'stale',
    isHopeless: ({ kind }) => kind === 'stopped',
    timeoutMs: identity.startTimeoutMs,
    position: identity.position,
    describe: (state) => `no SVID from the Workload API: ${'reason' in state ? state.reason : state.kind}`,
    code: 'no-svid',
  };
  await arrivalOf(expectation, signal);
}

/** @throws {StartError} when there is no revocation list in time. */
export async function awaitRevocations(
  source: RevocationStore | null,
  { revocation: { redis } }: Config,
  signal: AbortSignal,
): Promise<void> {
  if (source === null || redis === null) return;
  const expectation: Expectation<RevocationStore['state']> = {
    source,
    hasArrived: ({ kind }) => kind === 'current' || kind === 'away',
    isHopeless: () => false,
    timeoutMs: redis.startTimeoutMs,
    position: redis.position,
    describe: (state) => `no revocation list from Redis: ${'message' in state ? state.message : state.kind}`,
    code: 'no-revocation-list',
  };
  await arrivalOf(expectation, signal);
}

async function arrivalOf<State>(expectation: Expectation<State>, signal: AbortSignal): Promise<void> {
  const { source, hasArrived, isHopeless, timeoutMs, position, describe, code } = expectation;
  // Whoever is told to end while nothing was awaited yet is not told again.
  if (signal.aborted) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (message: string): void => reject(new StartError([formatProblem({ code, message, position })]));
  const judge = (state: State): void => {
    if (hasArrived(state)) resolve();
    else if (isHopeless(state)) fail(describe(state));
  };
  judge(source.state);
  const unsubscribe = source.subscribe(judge);
  const deadline = setTimeout(() => fail(`${describe(source.state)}; waited ${timeoutMs / 1000} s`), timeoutMs);
  const abort = (): void => resolve();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await promise;
  } finally {
    unsubscribe();
    clearTimeout(deadline);
    signal.removeEventListener('abort', abort);
  }
}
