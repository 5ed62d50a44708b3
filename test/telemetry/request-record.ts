// Records and decisions as the proxy and the policy make them, with only what a test is about said out loud.

import type { Clock } from '../../src/core/clock.ts';
import type { Decision } from '../../src/policy/decision.ts';
import type { LineSink } from '../../src/telemetry/log-destination.ts';
import type { RequestRecord } from '../../src/telemetry/recorder.ts';

export function decision(fields: Partial<Decision> = {}): Decision {
  return {
    effect: 'allow',
    reason: 'allowed-by-rule',
    rule: { file: 'policies/matrix.yaml', line: 12 },
    component: 'training',
    target: 'registry',
    verb: 'read',
    policyDigest: 'a'.repeat(64),
    ...fields,
  };
}

export const denied = (fields: Partial<Decision> = {}): Decision =>
  decision({ effect: 'deny', reason: 'denied-by-rule', ...fields });

export function record(fields: Partial<RequestRecord> = {}): RequestRecord {
  return {
    listener: 'registry',
    decision: null,
    target: null,
    refusal: null,
    decisionId: '0123456789abcdef0123456789abcdef',
    principal: 'spiffe://ai.example/training/job-1',
    actor: null,
    method: 'GET',
    path: '/v1/models',
    authority: 'registry.example',
    upgrade: null,
    status: 200,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    decisionSeconds: Number.NaN,
    overheadSeconds: 35e-6,
    durationSeconds: 2e-3,
    upstreamSeconds: 1e-3,
    requestBytes: 10,
    responseBytes: 2000,
    ...fields,
  };
}

export class ManualClock implements Clock {
  nowMs = 1_700_000_000_000;

  wallMs(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }
}

/** A destination that keeps what it is given, or loses it while `fails` is set. */
export class KeptLines implements LineSink {
  readonly chunks: string[] = [];
  fails = false;

  write(lines: string | Buffer, onLost: () => void): void {
    if (this.fails) onLost();
    else this.chunks.push(String(lines));
  }

  get parsed(): readonly Record<string, unknown>[] {
    const lines = this.chunks.join('').split('\n').slice(0, -1);
    return lines.map((line): Record<string, unknown> => JSON.parse(line));
  }
}
