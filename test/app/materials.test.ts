// What the sidecar rests on, from an agent that says what a test has it say.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../src/app/config.ts';
import type { Materials } from '../../src/app/materials/materials.ts';
import { openMaterials } from '../../src/app/materials/materials.ts';
import { StartError } from '../../src/app/start-error.ts';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { systemWatchPort } from '../../src/files/watch-file-group.ts';
import { issueAuthority, issueSvid } from '../support/certificate-builder.ts';
import { ARTICLE_POLICY } from '../support/proxy-fixture.ts';
import { pkcs8, root, svidMessage, x509Response } from '../workload-api/agent-messages.ts';
import { FakeAgent, STATUS } from '../workload-api/fake-agent.ts';
import { X509 } from '../workload-api/source-setting.ts';

const ID = 'spiffe://ai.example/registry/main';
const BUILTIN_PROTOCOLS = join(import.meta.dirname, '../../policies/protocols');

interface MaterialsSetting {
  readonly agent: FakeAgent;
  readonly materials: Materials;
  /** Resolves with the next state of the agent that is of this kind. */
  readonly reached: (kind: string) => Promise<void>;
}

/** Followed, with `extra` added to the configuration. */
async function openSetting(extra = ''): Promise<MaterialsSetting> {
  const directory = mkdtempSync(join(tmpdir(), 'materials-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'policy.yaml'), ARTICLE_POLICY, { mode: 0o600 });
  const socket = join(directory, 'agent.sock');
  const agent = await FakeAgent.listen({ kind: 'unix', path: socket });
  onTestFinished(() => agent.close());
  const file = join(directory, 'sallyport.yaml');
  const config = `trustDomain: ai.example
identity: { workloadApi: { socket: "unix://${socket}", startTimeout: 60s } }
policy: { path: policy.yaml }
listeners:
  - { name: registry, bind: "127.0.0.1:0", component: registry, upstream: "http://127.0.0.1:1" }
${extra}`;
  const materials = await openMaterials(parseConfig(Buffer.from(config), file), {
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
  return { agent, materials, reached };
}

const never = new AbortController().signal;

describe('an agent that takes our SVID back', () => {
  it('leaves us without it before it leaves us without bundles: that is the reason connections end for', async () => {
    const { agent, materials, reached } = await openSetting();
    const call = await agent.nextCall(X509);
    const current = reached('current');
    call.send(x509Response([svidMessage(ID)]));
    await current;
    const seen: string[] = [];
    materials.trust.view.subscribe(() => {
      seen.push(materials.identity.current.value === null ? 'withdrawn' : 'ours');
    });
    const withdrawn = reached('withdrawn');
    call.end(STATUS.permissionDenied);
    await withdrawn;
    expect(seen).toEqual(['withdrawn']);
  });
});

describe('an SVID that comes again', () => {
  it('with another chain above the same leaf is served with that chain', async () => {
    const { agent, materials, reached } = await openSetting();
    const subject = [['CN', 'intermediate']] as const;
    const before = issueAuthority(root, { subject });
    const after = issueAuthority(root, { subject, keys: before.keys });
    const leaf = issueSvid(before, ID);
    const call = await agent.nextCall(X509);
    for (const intermediate of [before, after]) {
      const current = reached('current');
      const chain = Buffer.concat([leaf.der, intermediate.der]);
      call.send(x509Response([{ spiffeId: ID, chain, privateKey: pkcs8(leaf), bundle: root.der, hint: '' }]));
      await current;
    }
    expect(materials.identity.current.value?.certificatePem).toContain(after.pem);
  });

  it('whole is no change', async () => {
    const { agent, materials, reached } = await openSetting();
    const message = x509Response([svidMessage(ID)]);
    const call = await agent.nextCall(X509);
    for (let round = 0; round < 2; round += 1) {
      const current = reached('current');
      call.send(message);
      await current;
    }
    expect(materials.identity.current.epoch).toBe(2);
    expect(materials.trust.view.current.epoch).toBe(2);
  });
});

describe('the wait for the first SVID', () => {
  it('is over with one whose agent has gone again', async () => {
    const { agent, materials, reached } = await openSetting();
    const call = await agent.nextCall(X509);
    const stale = reached('stale');
    call.send(x509Response([svidMessage(ID)]));
    call.end(STATUS.unavailable);
    await stale;
    await materials.arrival(never);
    expect(materials.identity.current.value?.svid.id).toBe(ID);
  });

  it('is not begun after the signal to end', async () => {
    const { materials } = await openSetting();
    const stop = new AbortController();
    stop.abort();
    await materials.arrival(stop.signal);
    expect(materials.identity.current.value).toBeNull();
  });

  it('that has become hopeless before it began is not waited out', async () => {
    const { agent, materials, reached } = await openSetting();
    const stopped = reached('stopped');
    (await agent.nextCall(X509)).end(STATUS.unimplemented);
    await stopped;
    await expect(materials.arrival(never)).rejects.toThrow('does not offer the method');
  });

  it('that is hopeless ends the wait for everything else', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const { agent, materials } = await openSetting(
      'revocation: { redis: { url: "redis://127.0.0.1:1/0", startTimeout: 60s } }\n',
    );
    const call = await agent.nextCall(X509);
    const arrival = materials.arrival(never);
    call.end(STATUS.unimplemented);
    await expect(arrival).rejects.toThrow(StartError);
    materials.close();
    for (let turns = 0; turns < 10_000 && timers() > before; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(timers()).toBeLessThanOrEqual(before);
  });
});
