// Our Workload API client against a real spire-agent: what comes, what is renewed, what is taken back, and what stays when
// the agent or its server is away.

import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { setTimeout as passes } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import { verifyJwtSvid } from '../../src/spiffe/jwt-svid.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { type Agent, fetchJwtSvids } from '../../src/workload-api/client.ts';
import { parseEndpointAddress } from '../../src/workload-api/endpoint-address.ts';
import type { SvidSelection } from '../../src/workload-api/message-content.ts';
import { WorkloadApiSource, type WorkloadMaterials, type WorkloadState } from '../../src/workload-api/source.ts';
import { selectorsOf } from './spire/agent.ts';
import { findSpire, SPIRE_IS_MISSING } from './spire/programs.ts';
import { type SpireEntry, SpireServer } from './spire/server.ts';
import { type Spire, startSpire } from './spire/spire.ts';

const OURS = parseTrustDomain('ai.example');
const PARTNER = parseTrustDomain('partner.example');
const ID = 'spiffe://ai.example/registry/proxy';
const TTL_SECONDS = 3;
const AUDIENCE = 'spiffe://ai.example/registry';
const programs = findSpire();
const sources = new Set<WorkloadApiSource>();
let spire: Spire;

beforeAll(async () => {
  if (programs !== null) spire = await startSpire({ programs, trustDomain: OURS });
});

afterAll(async () => {
  for (const source of sources) source.close();
  await spire?.close();
});

beforeEach(({ onTestFailed, skip }) => {
  if (programs === null) skip(SPIRE_IS_MISSING);
  onTestFailed(() => void process.stderr.write(spire.log));
  // Runs last: the next test begins when the agent has nothing left for this process.
  onTestFinished(async () => {
    for (const source of sources) source.close();
    sources.clear();
    if (programs !== null) await observe().until(({ kind }) => kind === 'withdrawn');
  });
});

/** An entry for this very process; deleted when the test has ended. */
async function register(entry: Partial<SpireEntry> = {}): Promise<string> {
  const selectors = selectorsOf(process.execPath);
  const entryId = await spire.server.createEntry({ parentId: spire.agent.spiffeId, spiffeId: ID, selectors, ...entry });
  onTestFinished(() => spire.server.deleteEntry(entryId).catch(() => undefined));
  return entryId;
}

interface Observed {
  readonly source: WorkloadApiSource;
  /** All states so far. */
  readonly states: readonly WorkloadState[];
  /** The first state like this after the one that was last given. */
  readonly until: (isLike: (state: WorkloadState) => boolean) => Promise<WorkloadState>;
}

function observe(select: Partial<SvidSelection> = {}): Observed {
  const source = new WorkloadApiSource({
    address: parseEndpointAddress(spire.agent.socket),
    trustDomain: OURS,
    select: { spiffeId: null, hint: null, ...select },
    jwtBundles: true,
    clock: systemClock,
    schedule: systemSchedule,
    random: Math.random,
  });
  const states: WorkloadState[] = [];
  let next = 0;
  let waiters: (() => void)[] = [];
  source.subscribe((state) => {
    states.push(state);
    const woken = waiters;
    waiters = [];
    for (const wake of woken) wake();
  });
  sources.add(source);
  source.start();
  return {
    source,
    states,
    until: async (isLike) => {
      for (;;) {
        while (next >= states.length) await new Promise<void>((wake) => waiters.push(wake));
        const state = states[next];
        next += 1;
        if (state !== undefined && isLike(state)) return state;
      }
    },
  };
}

const isCurrent = (state: WorkloadState): boolean => state.kind === 'current';

function materialsOf(state: WorkloadState): WorkloadMaterials {
  if (state.kind === 'current' || state.kind === 'stale') return state.materials;
  throw new Error(`${state.kind}: ${state.reason}`);
}

const authoritiesOf = (state: WorkloadState, trustDomain = OURS): number =>
  isCurrent(state) ? (materialsOf(state).bundles.get(trustDomain)?.authorities.length ?? 0) : 0;
const jwtKeysOf = (state: WorkloadState, trustDomain = OURS): number =>
  isCurrent(state) ? (materialsOf(state).bundles.get(trustDomain)?.jwtAuthorities.size ?? 0) : 0;

describe('our source and SPIRE (skipped where SPIRE is not built)', () => {
  it('follows SVIDs of seconds, each with its key, each by an authority of the bundle that came with it', async () => {
    await register({ hint: 'internal', dnsNames: ['registry.ai.example'] });
    const { states, until } = observe();
    await until(isCurrent);
    const first = states.findIndex(isCurrent);
    const leaves = new Set<string>();
    await until((state) => {
      if (isCurrent(state)) leaves.add(materialsOf(state).identity.svid.leafSha256);
      return leaves.size === 4;
    });
    for (const { identity, bundles, hint } of states.slice(first).map(materialsOf)) {
      const leaf = new X509Certificate(identity.certificatePem);
      expect(leaf.publicKey.equals(createPublicKey(createPrivateKey(identity.privateKeyPem)))).toBe(true);
      expect(verifyX509Svid([leaf.raw], bundles, identity.svid.notAfterMs - 1).id).toBe(ID);
      expect(leaf.checkHost('registry.ai.example')).toBe('registry.ai.example');
      expect(hint).toBe('internal');
    }
    expect(states.slice(first).filter((state) => !isCurrent(state))).toEqual([]);
  });

  it('waits while there is no entry, and gives everything up once it is deleted', async () => {
    const { until } = observe();
    // PermissionDenied says that nothing may be used, whether or not there was anything.
    await until(({ kind }) => kind === 'withdrawn');
    const entryId = await register();
    await until(isCurrent);
    await spire.server.deleteEntry(entryId);
    const withdrawn = await until(({ kind }) => kind === 'withdrawn');
    expect(withdrawn).toMatchObject({ reason: expect.stringContaining('PERMISSION_DENIED') });
    await register();
    await until(isCurrent);
  });

  it('takes the SVID that is configured, and no other when that is taken away', async () => {
    await register({ spiffeId: 'spiffe://ai.example/other', hint: 'other' });
    const entryId = await register({ hint: 'internal' });
    const byId = observe({ spiffeId: parseSpiffeId(ID) });
    const byHint = observe({ hint: 'internal' });
    for (const { until } of [byId, byHint]) expect(materialsOf(await until(isCurrent)).identity.svid.id).toBe(ID);
    await spire.server.deleteEntry(entryId);
    for (const { until } of [byId, byHint]) {
      const withdrawn = await until(({ kind }) => kind === 'withdrawn');
      expect(withdrawn).toMatchObject({ reason: expect.stringContaining('/other') });
    }
  });

  it('trusts a partner for as long as the relationship lasts, in both kinds of identity', async () => {
    if (programs === null) return;
    const partner = await SpireServer.start({ programs, trustDomain: PARTNER });
    onTestFinished(() => partner.close());
    const { url, spiffeId } = partner.bundleEndpoint;
    const bundle = await partner.bundle('spiffe');
    await spire.server.federate({ trustDomain: PARTNER, url, endpointSpiffeId: spiffeId, bundle });
    await register({ federatesWith: [PARTNER] });
    const { until } = observe();
    const known = await until((state) => authoritiesOf(state, PARTNER) === 1 && jwtKeysOf(state, PARTNER) === 1);
    const token = await partner.mintJwt('spiffe://partner.example/job', AUDIENCE);
    const expected = { audiences: [AUDIENCE], maxAudiences: 1 };
    const verified = verifyJwtSvid(token, { ...expected, bundles: materialsOf(known).bundles, nowMs: Date.now() });
    expect(verified.id).toBe('spiffe://partner.example/job');

    await partner.rotateAuthority();
    await spire.server.refreshFederation(PARTNER);
    await until((state) => authoritiesOf(state, PARTNER) === 2);

    await spire.server.endFederation(PARTNER);
    const ended = await until((state) => isCurrent(state) && !materialsOf(state).bundles.has(PARTNER));
    const refuse = (): unknown =>
      verifyJwtSvid(token, { ...expected, bundles: materialsOf(ended).bundles, nowMs: Date.now() });
    expect(refuse).toThrow(expect.objectContaining({ code: 'unknown-trust-domain' }));
  });

  it('gets JWT-SVIDs that verify by the JWT bundles of the agent', async () => {
    await register();
    const { until } = observe();
    const { bundles } = materialsOf(await until((state) => jwtKeysOf(state) === 1));
    const [svid] = await fetchJwtSvids(agent(), { audiences: [AUDIENCE], id: parseSpiffeId(ID) });
    const at = { bundles, maxAudiences: 1, nowMs: Date.now() };
    const verified = verifyJwtSvid(svid?.svid ?? '', { ...at, audiences: [AUDIENCE] });
    expect(verified).toMatchObject({ id: ID, audiences: [AUDIENCE] });
    expect(() => verifyJwtSvid(svid?.svid ?? '', { ...at, audiences: ['other'] })).toThrow(
      expect.objectContaining({ code: 'wrong-audience' }),
    );
  });

  it('trusts a new authority before it is used, and the old one no longer once it is revoked', async () => {
    await register();
    const { until } = observe();
    const old = materialsOf(await until(isCurrent));
    const oldLeaf = new X509Certificate(old.identity.certificatePem).raw;
    await spire.server.rotateAuthority();
    await until((state) => authoritiesOf(state) === 2);
    await spire.server.taintOldAuthority();
    await spire.agent.says('Successfully rotated agent SVID');
    await spire.server.revokeOldAuthority();
    const { bundles, identity } = materialsOf(
      await until((state) => authoritiesOf(state) === 1 && !hasSameAuthority(materialsOf(state), old)),
    );
    const nowMs = Date.now();
    expect(verifyX509Svid([new X509Certificate(identity.certificatePem).raw], bundles, nowMs).id).toBe(ID);
    expect(() => verifyX509Svid([oldLeaf], bundles, old.identity.svid.notAfterMs - 1)).toThrow(
      expect.objectContaining({ code: 'unknown-authority' }),
    );
  });

  it('holds what it has while the agent is killed and started again, and loses nothing in between', async () => {
    await register();
    const { source, states, until } = observe();
    await until((state) => jwtKeysOf(state) === 1);
    const before = states.length;
    await spire.agent.kill();
    const stale = await until(({ kind }) => kind === 'stale');
    expect(materialsOf(stale).identity.svid.id).toBe(ID);
    await spire.agent.start();
    await until(isCurrent);
    expect(states.slice(before).filter(({ kind }) => kind !== 'stale' && kind !== 'current')).toEqual([]);
    expect(source.discardedMessages).toBe(0);
  }, 60_000);

  // What SPIRE does then decides what we have to look at ourselves: it says nothing, and gives whoever asks what has expired.
  it('has an SVID that is current and expired when the server is away for several lifetimes, until it is back', async () => {
    await register({ x509SvidTtlSeconds: TTL_SECONDS, jwtSvidTtlSeconds: TTL_SECONDS });
    const { source, until } = observe();
    await until((state) => isCurrent(state) && jwtKeysOf(state) === 1);
    await spire.server.stop();
    const { notAfterMs } = materialsOf(source.state).identity.svid;
    await passes(notAfterMs + 2 * TTL_SECONDS * 1000 - Date.now());
    expect(source.state).toMatchObject({ kind: 'current', materials: { identity: { svid: { notAfterMs } } } });
    const newcomer = await observe().until(isCurrent);
    expect(materialsOf(newcomer).identity.svid.notAfterMs).toBe(notAfterMs);
    await expect(fetchJwtSvids(agent(), { audiences: [AUDIENCE], id: null })).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('UNAVAILABLE'),
    });
    await spire.server.start();
    await until((state) => isCurrent(state) && materialsOf(state).identity.svid.notAfterMs > Date.now());
  }, 60_000);

  it('is stale while an agent that has been started again waits for its server', async () => {
    await register();
    const { until } = observe();
    await until((state) => jwtKeysOf(state) === 1);
    await spire.server.stop();
    await spire.agent.kill();
    const agentServes = spire.agent.start();
    const serverServes = until(({ kind }) => kind === 'stale').then(async (stale) => {
      expect(stale).toMatchObject({ reason: expect.stringMatching(/nobody listens|is not available/) });
      expect(materialsOf(stale).identity.svid.id).toBe(ID);
      await spire.server.start();
    });
    await Promise.all([agentServes, serverServes]);
    await until(isCurrent);
  }, 60_000);
});

function agent(): Agent {
  return { address: parseEndpointAddress(spire.agent.socket), answerTimeoutMs: 5_000, schedule: systemSchedule };
}

function hasSameAuthority(one: WorkloadMaterials, other: WorkloadMaterials): boolean {
  return one.bundles.get(OURS)?.authorities[0]?.sha256 === other.bundles.get(OURS)?.authorities[0]?.sha256;
}
