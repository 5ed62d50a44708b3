// Asks again where that may help: a server that is busy or fails, a connection that broke.

import { ApiError, type ApiErrorCode } from './api-error.ts';
import type { Schedule } from '../core/clock.ts';

export interface RetryTerms {
  readonly schedule: Schedule;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly maxAttempts: number;
  /** Not even a server that asks for it is waited for longer. */
  readonly maxDelayMs: number;
}

const WORTH_ASKING_AGAIN: ReadonlySet<ApiErrorCode> = new Set(['unreachable', 'throttled', 'server-error']);
const FIRST_DELAY_MS = 250;

/** @throws what the last attempt threw, or the reason of the signal */
export async function withRetries<T>(ask: () => Promise<T>, signal: AbortSignal, terms: RetryTerms): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      const isHopeful = error instanceof ApiError && WORTH_ASKING_AGAIN.has(error.code);
      if (!isHopeful || attempt >= terms.maxAttempts) throw error;
      await rest(delayMs(error, attempt, terms), signal, terms.schedule);
      signal.throwIfAborted();
    }
  }
}

/** Until then, or until the signal is aborted. */
export async function rest(delayMs: number, signal: AbortSignal, schedule: Schedule): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = schedule(delayMs, resolve);
  const wake = (): void => resolve();
  signal.addEventListener('abort', wake, { once: true });
  await promise;
  cancel();
  signal.removeEventListener('abort', wake);
}

/** What the server asks for and a little more, so that not all who were refused together come back together; else twice as long each time. */
function delayMs({ retryAfterMs }: ApiError, attempt: number, { random, maxDelayMs }: RetryTerms): number {
  const backoffMs = FIRST_DELAY_MS * 2 ** (attempt - 1);
  const wanted =
    retryAfterMs === null ? backoffMs / 2 + (random() * backoffMs) / 2 : retryAfterMs + random() * FIRST_DELAY_MS;
  return Math.min(wanted, maxDelayMs);
}
