// Materials whose agent says what a test has it say, everything else real.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Config, parseConfig } from '../../src/app/config.ts';
import { type Materials, openMaterials } from '../../src/app/materials/materials.ts';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { systemWatchPort } from '../../src/files/watch-file-group.ts';
import { ARTICLE_POLICY } from '../support/proxy-fixture.ts';
import { FakeAgent } from '../workload-api/fake-agent.ts';

export const ID = 'spiffe://ai.example/registry/main';
const BUILTIN_PROTOCOLS = join(import.meta.dirname, '../../policies/protocols');

export interface MaterialsSetting {
  readonly config: Config;
  readonly agent: FakeAgent;
  readonly materials: Materials;
  /** Resolves with the next state of the agent that is of this kind. */
  readonly reached: (kind: string) => Promise<void>;
  write(name: string, contents: string): void;
}

export interface MaterialsSettingOptions {
  /** Added to the listener. */
  readonly listener?: string;
  /** Added to the configuration. */
  readonly extra?: string;
  /** By name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Followed. */
export async function openMaterialsSetting({
  listener = '',
  extra = '',
  files = {},
}: MaterialsSettingOptions = {}): Promise<MaterialsSetting> {
  const directory = mkdtempSync(join(tmpdir(), 'materials-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, contents: string): void =>
    writeFileSync(join(directory, name), contents, { mode: 0o600 });
  for (const [name, contents] of Object.entries({ 'policy.yaml': ARTICLE_POLICY, ...files })) write(name, contents);
  const socket = join(directory, 'agent.sock');
  const agent = await FakeAgent.listen({ kind: 'unix', path: socket });
  onTestFinished(() => agent.close());
  const file = join(directory, 'sallyport.yaml');
  const text = `trustDomain: ai.example
identity: { workloadApi: { socket: "unix://${socket}", startTimeout: 60s } }
policy: { path: policy.yaml }
listeners:
  - { name: registry, bind: "127.0.0.1:0", component: registry, upstream: "http://127.0.0.1:1" ${listener} }
${extra}`;
  const config = parseConfig(Buffer.from(text), file);
  const materials = await openMaterials(config, {
    builtinProtocols: BUILTIN_PROTOCOLS,
    port: systemWatchPort,
    clock: systemClock,
    schedule: systemSchedule,
    random: Math.random,
    endpointSocket: null,
  });
  onTestFinished(() => materials.close());
  const waiting: { readonly kind: string; readonly resolve: () => void }[] = [];
  const ignore = (): void => undefined;
  materials.follow({
    warned: ignore,
    reloaded: ignore,
    recovered: ignore,
    failed: ignore,
    agentReport: ignore,
    federation: ignore,
    redis: ignore,
    agent: ({ kind }) => {
      for (const each of waiting) if (each.kind === kind) each.resolve();
    },
  });
  const reached = (kind: string): Promise<void> => new Promise((resolve) => waiting.push({ kind, resolve }));
  return { config, agent, materials, reached, write };
}
