// A trust domain that lives: an agent that rotates, a sidecar process that gets its identity there, and peers that do too.

import { webcrypto } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { createAuthority, type DevelopmentAuthority } from '../../src/devca/authority.ts';
import type { OwnIdentity } from '../../src/spiffe/own-identity.ts';
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from '../../src/spiffe/spiffe-id.ts';
import type { TrustBundle } from '../../src/spiffe/trust-bundle.ts';
import { createDevelopmentAgent, type DevelopmentAgent, systemAgentPort } from '../../src/workload-api/server-agent.ts';
import { WorkloadApiSource } from '../../src/workload-api/source.ts';
import { runSidecar, type SidecarProcess } from './sidecar-process.ts';

export interface AgentSettingOptions {
  readonly upstreamPort: number;
  readonly policy: string;
  /** Paths of the SPIFFE IDs of the agent's entries, beside the sidecar's own `/registry/sidecar`. */
  readonly ids: readonly string[];
  readonly ttlMs: number;
  readonly federatedBundles?: readonly TrustBundle[];
  /** Added to the configuration. */
  readonly extra?: string;
}

export interface AgentSetting {
  readonly agent: DevelopmentAgent;
  readonly authority: DevelopmentAuthority;
  readonly sidecar: SidecarProcess;
  readonly directory: string;
  /** Puts a whole file in place of another, or of none. */
  write(name: string, contents: string): void;
  close(): Promise<void>;
}

const OWN_ID = '/registry/sidecar';

export async function openAgentSetting(options: AgentSettingOptions): Promise<AgentSetting> {
  const { upstreamPort, policy, ids, ttlMs, federatedBundles = [], extra = '' } = options;
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-agent-'));
  const authority = await newAuthority('ai.example');
  const agent = await createDevelopmentAgent({
    authority,
    socket: { address: { kind: 'unix', path: join(directory, 'agent.sock') }, mode: 0o600 },
    entries: [OWN_ID, ...ids].map((path) => ({ id: idOf(path), hint: '', ttlMs, dnsNames: ['localhost'] })),
    federatedBundles,
    port: systemAgentPort,
    report: () => undefined,
  });
  await agent.start();
  const path = (name: string): string => join(directory, name);
  const write = (name: string, contents: string): void => {
    writeFileSync(path(`${name}.new`), contents, { mode: 0o600 });
    renameSync(path(`${name}.new`), path(name));
  };
  write('policy.yaml', policy);
  write('revocations.yaml', 'version: 1\nrevocations: []\n');
  write(
    'sallyport.yaml',
    `trustDomain: ai.example
identity:
  workloadApi: { socket: "unix://${path('agent.sock')}", spiffeId: ${OWN_ID} }
revocation: { file: revocations.yaml }
policy: { path: policy.yaml }
listeners:
  - name: registry
    bind: 127.0.0.1:0
    component: registry
    upstream: http://127.0.0.1:${upstreamPort}
admin: { bind: 127.0.0.1:0 }
${extra}`,
  );
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const sidecar = await runSidecar({ directory, path, write, remove }, []);
  return {
    agent,
    authority,
    sidecar,
    directory,
    write,
    close: async () => {
      await sidecar.stop();
      await agent.close();
      remove();
    },
  };
}

export async function newAuthority(trustDomain: string): Promise<DevelopmentAuthority> {
  return createAuthority(
    { trustDomain: parseTrustDomain(trustDomain), ttlMs: 86_400_000, keyType: 'p256', signWith: 'root' },
    { nowMs: Date.now(), crypto: webcrypto },
  );
}

export function idOf(path: string): SpiffeId {
  return parseSpiffeId(`spiffe://ai.example${path}`);
}

/** A workload that keeps its identity current as any should. */
export class Workload {
  readonly #source: WorkloadApiSource;

  constructor(directory: string, path: string) {
    this.#source = new WorkloadApiSource({
      address: { kind: 'unix', path: join(directory, 'agent.sock') },
      trustDomain: parseTrustDomain('ai.example'),
      select: { spiffeId: idOf(path), hint: null },
      jwtBundles: false,
      clock: systemClock,
      schedule: systemSchedule,
      random: Math.random,
    });
    this.#source.start();
  }

  /** Null when it has none, or may not use what it had. */
  get identity(): OwnIdentity | null {
    const { state } = this.#source;
    return state.kind === 'current' || state.kind === 'stale' ? state.materials.identity : null;
  }

  get state(): string {
    return this.#source.state.kind;
  }

  async ready(): Promise<this> {
    while (this.identity === null) {
      await new Promise<void>((resolve) => {
        const unsubscribe = this.#source.subscribe(() => {
          unsubscribe();
          resolve();
        });
      });
    }
    return this;
  }

  close(): void {
    this.#source.close();
  }
}
