// How a cluster is read: how much at once, for how long, and what of it.

import type { Clock, Schedule } from '../core/clock.ts';
import { ApiClient } from './api-client.ts';
import type { ClusterTarget } from './cluster-target.ts';
import { ClusterCredential } from './credential.ts';
import type { RetryTerms } from './retry.ts';

export interface LivePorts {
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** From 0 to 1. */
  readonly random: () => number;
  /** For an exec plugin. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether a person is there whom an exec plugin may ask. */
  readonly isInteractive: boolean;
}

export interface LiveLimits {
  readonly pageSize: number;
  /** Questions at a time. */
  readonly concurrency: number;
  /** For one answer. */
  readonly answerMs: number;
  readonly answerBytes: number;
  /** For everything that is read once. */
  readonly wholeMs: number;
  readonly attempts: number;
  readonly maxDelayMs: number;
  /** Of one list; a server that always has another page is not followed for ever. */
  readonly maxPages: number;
}

export const LIVE_LIMITS: LiveLimits = {
  pageSize: 500,
  concurrency: 8,
  answerMs: 30_000,
  answerBytes: 128 * 1024 ** 2,
  wholeMs: 300_000,
  attempts: 5,
  maxDelayMs: 30_000,
  maxPages: 4000,
};

export interface LiveSelection {
  /** Read one by one where not all may be listed: what is elsewhere counts for them, too. Null for none in particular. */
  readonly namespaces: readonly string[] | null;
}

export interface LiveTerms {
  readonly target: ClusterTarget;
  readonly selection: LiveSelection;
  readonly limits: LiveLimits;
  readonly ports: LivePorts;
}

export function createClient({ target, limits, ports }: LiveTerms): ApiClient {
  const { answerMs, answerBytes, concurrency } = limits;
  return new ApiClient(target, new ClusterCredential(target, ports), {
    schedule: ports.schedule,
    answerMs,
    maxAnswerBytes: answerBytes,
    maxConnections: concurrency,
  });
}

export function retryTermsOf({ limits, ports }: LiveTerms): RetryTerms {
  const { attempts: maxAttempts, maxDelayMs } = limits;
  return { schedule: ports.schedule, random: ports.random, maxAttempts, maxDelayMs };
}
