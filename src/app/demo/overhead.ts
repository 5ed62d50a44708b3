// What the sidecar itself costs a request: its own measure, over many requests, after the engine has warmed up.

import type { DecisionTap } from './decision-tap.ts';
import type { PeerClient, PeerRequest } from './peer-client.ts';

export interface Overhead {
  readonly requests: number;
  readonly medianSeconds: number;
  readonly p99Seconds: number;
}

/** Asks `times` over one connection, one request after another. */
export async function repeat(client: PeerClient, request: PeerRequest, times: number): Promise<void> {
  for (let asked = 0; asked < times; asked += 1) await client.ask(request);
}

/** Of the allowed ones among `times` requests; null when none was. */
export async function measureOverhead(
  client: PeerClient,
  request: PeerRequest,
  by: { readonly tap: DecisionTap; readonly times: number },
): Promise<Overhead | null> {
  const seconds: number[] = [];
  by.tap.listen(({ effect, overheadSeconds }, { refusal }) => {
    // Of a peer that has gone away, the end may be told only now.
    if (effect === 'allow' && refusal === null) seconds.push(overheadSeconds);
  });
  await repeat(client, request, by.times);
  by.tap.listen(() => undefined);
  seconds.sort((a, b) => a - b);
  const [median, p99] = [quantile(seconds, 0.5), quantile(seconds, 0.99)];
  if (median === undefined || p99 === undefined) return null;
  return { requests: seconds.length, medianSeconds: median, p99Seconds: p99 };
}

/** The smallest of `ascending` that so large a share of them does not exceed. */
function quantile(ascending: readonly number[], share: number): number | undefined {
  return ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)];
}
