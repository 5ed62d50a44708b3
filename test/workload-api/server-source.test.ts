// Our own client as a workload of our own agent: both ends of what a development machine runs.

import { X509Certificate } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { verifyJwtSvid } from '../../src/spiffe/jwt-svid.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { type Agent, ANSWER_TIMEOUT_MS, fetchJwtSvids } from '../../src/workload-api/client.ts';
import { parseEndpointAddress } from '../../src/workload-api/endpoint-address.ts';
import type { SvidSelection } from '../../src/workload-api/message-content.ts';
import type { DevelopmentAgent } from '../../src/workload-api/server-agent.ts';
import { WorkloadApiSource, type WorkloadMaterials, type WorkloadState } from '../../src/workload-api/source.ts';
import { entry, partnerBundle, testAgent } from './server-agent-fixture.ts';

const OURS = parseTrustDomain('ai.example');
const PARTNER = parseTrustDomain('partner.example');
const JOB = '/training/job-1';
const OTHER = '/inference/main';

interface Workload {
  readonly source: WorkloadApiSource;
  /** The state there is, or the next one, that is so. */
  readonly until: (isSo: (state: WorkloadState) => boolean) => Promise<WorkloadState>;
  /** As until, for a state in which there is something to work with. */
  readonly given: (isSo: (materials: WorkloadMaterials) => boolean) => Promise<WorkloadMaterials>;
}

function workload({ endpoint }: DevelopmentAgent, select: SvidSelection = { spiffeId: null, hint: null }): Workload {
  const source = new WorkloadApiSource({
    address: parseEndpointAddress(endpoint),
    trustDomain: OURS,
    select,
    jwtBundles: true,
    clock: systemClock,
    schedule: systemSchedule,
    random: Math.random,
  });
  onTestFinished(() => source.close());
  const until = (isSo: (state: WorkloadState) => boolean): Promise<WorkloadState> =>
    new Promise((resolve) => {
      const unsubscribe = source.subscribe(look);
      look(source.state);
      function look(state: WorkloadState): void {
        if (!isSo(state)) return;
        unsubscribe();
        resolve(state);
      }
    });
  const given = async (isSo: (materials: WorkloadMaterials) => boolean): Promise<WorkloadMaterials> => {
    const state = await until((each) => each.kind === 'current' && isSo(each.materials));
    if (state.kind !== 'current') throw new Error(state.kind);
    return state.materials;
  };
  source.start();
  return { source, until, given };
}

const serialOf = ({ identity }: WorkloadMaterials) => new X509Certificate(identity.certificatePem).serialNumber;
const isWhole = ({ bundles }: WorkloadMaterials) => (bundles.get(OURS)?.jwtAuthorities.size ?? 0) > 0;

describe('our client and our agent', () => {
  it('agree on the identity, its hint, and the bundles for X.509 and JWT', async () => {
    const partner = await partnerBundle();
    const { agent } = await testAgent([entry(JOB), entry(OTHER, { hint: 'b' })], { federatedBundles: [partner] });
    await agent.start();
    const { source, given } = workload(agent, { spiffeId: null, hint: 'b' });
    const { identity, hint, bundles } = await given(isWhole);
    expect(identity.svid).toMatchObject({ id: entry(OTHER).id, trustDomain: OURS });
    expect({ hint, isDevelopment: identity.isDevelopment }).toEqual({ hint: 'b', isDevelopment: true });
    expect([...bundles.keys()]).toEqual([OURS, PARTNER]);
    expect(bundles.get(OURS)?.authorities.map(({ sha256 }) => sha256)).toEqual(
      agent.bundle.authorities.map(({ sha256 }) => sha256),
    );
    expect([...(bundles.get(PARTNER)?.jwtAuthorities.keys() ?? [])]).toEqual([...partner.jwtAuthorities.keys()]);
    expect(source.discardedMessages).toBe(0);
  });

  it('rotate together', async () => {
    const { agent, port } = await testAgent([entry(JOB)]);
    await agent.start();
    const { given } = workload(agent);
    const serials = [serialOf(await given(isWhole))];
    for (let round = 0; round < 3; round += 1) {
      port.pass(15_000);
      serials.push(serialOf(await given((materials) => !serials.includes(serialOf(materials)))));
    }
    expect(new Set(serials).size).toBe(4);
  });

  it('WA-156 WA-158 take back what is taken back: a partner, an identity, everything', async () => {
    const { agent } = await testAgent([entry(JOB), entry(OTHER)], { federatedBundles: [await partnerBundle()] });
    await agent.start();
    const { given, until } = workload(agent, { spiffeId: parseSpiffeId(entry(JOB).id), hint: null });
    await given(({ bundles }) => bundles.has(PARTNER));
    await agent.setFederatedBundles([]);
    await given(({ bundles }) => !bundles.has(PARTNER));
    await agent.removeEntry(entry(JOB).id);
    await until(({ kind }) => kind === 'withdrawn');
    await agent.addEntry(entry(JOB));
    await given(isWhole);
    await agent.setEntries([]);
    await until(({ kind }) => kind === 'withdrawn');
  });

  it('WA-154 keep what there is while the agent is away, and go on with the next one', async () => {
    const { agent } = await testAgent([entry(JOB)]);
    await agent.start();
    const { given, until } = workload(agent);
    const before = await given(isWhole);
    for (let round = 0; round < 3; round += 1) {
      await agent.stop();
      const away = await until(({ kind }) => kind === 'stale');
      expect(away.kind === 'stale' && away.materials.identity.svid.id).toBe(entry(JOB).id);
      await agent.start();
      await until(({ kind }) => kind === 'current');
    }
    const after = await given((materials) => serialOf(materials) !== serialOf(before));
    expect(after.bundles.get(OURS)?.authorities.map(({ sha256 }) => sha256)).toEqual(
      before.bundles.get(OURS)?.authorities.map(({ sha256 }) => sha256),
    );
  });

  it('agree on JWT-SVIDs', async () => {
    const { agent, port } = await testAgent([entry(JOB)]);
    await agent.start();
    const { given } = workload(agent);
    const { bundles } = await given(isWhole);
    const client: Agent = {
      address: parseEndpointAddress(agent.endpoint),
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      schedule: systemSchedule,
    };
    const [token] = await fetchJwtSvids(client, { audiences: ['a', 'b'], id: entry(JOB).id });
    const at = { audiences: ['b'], maxAudiences: 2, bundles, nowMs: port.nowMs };
    expect(verifyJwtSvid(token?.svid ?? '', at)).toMatchObject({
      id: entry(JOB).id,
      audiences: ['a', 'b'],
      expiresMs: port.nowMs + 30_000,
    });
  });
});
