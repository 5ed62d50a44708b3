// The cache's idea of time and the sessions': what each does when the wall clock is set.

import { describe, expect, it } from 'vitest';
import { createAuthorizer } from '../../src/app/authorizer.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import { DecisionCache } from '../../src/policy/decision-cache.ts';
import type { Authorizer } from '../../src/proxy/context.ts';
import { parseSpiffeId, trustDomainOf } from '../../src/spiffe/spiffe-id.ts';
import type { X509Svid } from '../../src/spiffe/x509-svid.ts';
import { ARTICLE_POLICY, compilePolicy } from '../support/proxy-fixture.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = Date.UTC(2030, 0, 1);
const TRAINING = parseSpiffeId('spiffe://ai.example/training/job');
const REQUEST = { principal: TRAINING, target: 'registry', method: 'GET', path: '/x', query: null, upgrade: null };

function svidUntil(notAfterMs: number): X509Svid {
  return {
    id: TRAINING,
    trustDomain: trustDomainOf(TRAINING),
    leafSha256: `leaf until ${notAfterMs}`,
    serialNumber: '01',
    notBeforeMs: 0,
    notAfterMs,
    chain: [],
  };
}

function setUp(wallMs: number) {
  const clock = { nowMs: wallMs, wallMs: (): number => clock.nowMs, monotonicMs: (): number => 0 };
  const cache = new DecisionCache({
    maxEntries: 10,
    maxEntriesPerPrincipal: 10,
    verifyEvery: 0,
    onDisagreement: () => undefined,
  });
  const policy = new SnapshotCell(compilePolicy(ARTICLE_POLICY));
  const authorizer: Authorizer = createAuthorizer(cache, policy, clock);
  return { clock, cache, policy, authorizer };
}

describe('the authorizer', () => {
  it('CA-113 decides by the policy in force at that moment', () => {
    const { policy, authorizer } = setUp(NOW_MS);
    const partition = authorizer.admit(svidUntil(NOW_MS + HOUR_MS), 1);
    expect(authorizer.decide(partition, REQUEST).effect).toBe('allow');
    policy.swap(compilePolicy(ARTICLE_POLICY.replace('allow: [registry, feature-store]', 'deny: [registry]')));
    expect(authorizer.decide(partition, REQUEST).effect).toBe('deny');
  });

  it('CA-122 remembers again once a clock that was an hour fast at the start is put right', () => {
    const { clock, cache, authorizer } = setUp(NOW_MS + HOUR_MS);
    clock.nowMs = NOW_MS;
    const partition = authorizer.admit(svidUntil(NOW_MS + HOUR_MS / 2), 1);
    for (let count = 0; count < 3; count += 1) authorizer.decide(partition, REQUEST);
    expect(cache.counts).toMatchObject({ hits: 2, misses: 1, stale: 0 });
  });

  it('CA-119 forgets at the end of the leaf also when the clock jumps over it', () => {
    const { clock, cache, authorizer } = setUp(NOW_MS);
    const partition = authorizer.admit(svidUntil(NOW_MS + HOUR_MS), 1);
    authorizer.decide(partition, REQUEST);
    clock.nowMs = NOW_MS + 2 * HOUR_MS;
    authorizer.decide(partition, REQUEST);
    expect(cache.counts).toMatchObject({ hits: 0, stale: 1 });
    expect(cache.entries).toBe(0);
  });

  it('CA-122 brings nothing back on a connection whose leaf has ended when the clock is set back', () => {
    const { clock, cache, authorizer } = setUp(NOW_MS);
    const partition = authorizer.admit(svidUntil(NOW_MS + HOUR_MS), 1);
    authorizer.decide(partition, REQUEST);
    clock.nowMs = NOW_MS + HOUR_MS;
    authorizer.decide(partition, REQUEST);
    clock.nowMs = NOW_MS;
    authorizer.decide(partition, REQUEST);
    expect(cache.counts).toMatchObject({ hits: 0, misses: 1, stale: 2 });
  });
});
