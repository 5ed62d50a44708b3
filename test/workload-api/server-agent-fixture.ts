// Development agents for tests: in a directory of their own, on time that stands still until the test lets it pass.

import { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createAuthority, type DevelopmentAuthority } from '../../src/devca/authority.ts';
import { createJwtAuthority } from '../../src/devca/jwt.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { parseTrustBundleDer, type TrustBundle } from '../../src/spiffe/trust-bundle.ts';
import {
  type AgentEvent,
  type AgentPort,
  createDevelopmentAgent,
  type DevelopmentAgent,
  type DevelopmentAgentOptions,
} from '../../src/workload-api/server-agent.ts';
import type { AgentEntry } from '../../src/workload-api/server-entries.ts';

export const TTL_MS = 30_000;

export class FakeAgentPort implements AgentPort {
  readonly crypto = webcrypto;
  readonly clock = { wallMs: (): number => this.nowMs, monotonicMs: (): number => this.nowMs };
  nowMs = Math.floor(Date.now() / 1000) * 1000;
  #timer: { readonly atMs: number; readonly callback: () => void } | null = null;

  readonly schedule = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.#timer = timer;
    return () => {
      if (this.#timer === timer) this.#timer = null;
    };
  };

  /** Until the agent wakes by itself; null when it will not. */
  get delayMs(): number | null {
    return this.#timer === null ? null : this.#timer.atMs - this.nowMs;
  }

  /** Lets this much time pass; whatever that wakes has begun when this returns. */
  pass(durationMs: number): void {
    this.nowMs += durationMs;
    const timer = this.#timer;
    if (timer === null || timer.atMs > this.nowMs) return;
    this.#timer = null;
    timer.callback();
  }
}

export interface TestAgent {
  readonly agent: DevelopmentAgent;
  readonly port: FakeAgentPort;
  readonly authority: DevelopmentAuthority;
  readonly socketPath: string;
  /** All events so far. */
  readonly events: readonly AgentEvent[];
  /** The next event that nobody has been given yet. */
  readonly nextEvent: () => Promise<AgentEvent>;
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-agent-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function entry(path: string, more: Partial<AgentEntry> = {}): AgentEntry {
  return { id: parseSpiffeId(`spiffe://ai.example${path}`), hint: '', ttlMs: TTL_MS, dnsNames: [], ...more };
}

/** An authority that ends in a day. */
export function agentAuthority(
  port: FakeAgentPort,
  request: Partial<Parameters<typeof createAuthority>[0]> = {},
): Promise<DevelopmentAuthority> {
  const trustDomain = parseTrustDomain('ai.example');
  const issuing = { nowMs: port.nowMs, crypto: webcrypto };
  return createAuthority({ trustDomain, ttlMs: 86_400_000, keyType: 'p256', signWith: 'root', ...request }, issuing);
}

/** Of `partner.example`, with a key for X.509-SVIDs and one for JWT-SVIDs. */
export async function partnerBundle(): Promise<TrustBundle> {
  const trustDomain = parseTrustDomain('partner.example');
  const authority = await agentAuthority(new FakeAgentPort(), { trustDomain });
  const key = await createJwtAuthority({ trustDomain, keyType: 'p256' }, { crypto: webcrypto });
  const { authorities } = parseTrustBundleDer(trustDomain, Buffer.from(authority.root.rawData), 'partner');
  return { trustDomain, authorities, jwtAuthorities: new Map([[key.keyId, key]]) };
}

/** Not started; closed when the test has ended. */
export async function testAgent(
  entries: readonly AgentEntry[],
  options: Partial<DevelopmentAgentOptions> & { readonly port?: FakeAgentPort } = {},
): Promise<TestAgent> {
  const port = options.port ?? new FakeAgentPort();
  const authority = options.authority ?? (await agentAuthority(port));
  const socketPath = join(temporaryDirectory(), 'agent.sock');
  const events: AgentEvent[] = [];
  let given = 0;
  let wake: (() => void) | null = null;
  const agent = await createDevelopmentAgent({
    socket: { address: { kind: 'unix', path: socketPath }, mode: 0o600 },
    federatedBundles: [],
    ...options,
    entries,
    authority,
    port,
    report: (event) => {
      events.push(event);
      wake?.();
    },
  });
  onTestFinished(() => agent.close());
  return {
    agent,
    port,
    authority,
    socketPath,
    events,
    nextEvent: async () => {
      for (;;) {
        const event = events[given];
        if (event !== undefined) {
          given += 1;
          return event;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
