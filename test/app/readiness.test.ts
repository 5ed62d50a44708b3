import { describe, expect, it } from 'vitest';
import { TrustComposition } from '../../src/app/materials/trust-composition.ts';
import { readinessChecks, type SidecarPhase } from '../../src/app/readiness.ts';
import { NO_REVOCATIONS } from '../../src/revocation/revocations.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { RevocationStoreState } from '../../src/store/revocation-store.ts';
import type { WorkloadState } from '../../src/workload-api/source.ts';
import type { RedisConfig } from '../../src/app/config-revocation.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import { ARTICLE_POLICY, bundlesOf, compilePolicy, identityOf } from '../support/proxy-fixture.ts';
import { createTestAuthority, testAuthority } from '../support/svid-fixtures.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = Math.floor(Date.now() / 1000) * 1000;

const REDIS = (maxAgeMs: number | null): RedisConfig => ({
  server: { url: 'redis://127.0.0.1', host: '127.0.0.1', port: 6379, database: 0, isEncrypted: false },
  ca: null,
  username: null,
  passwordFile: null,
  key: 'sallyport:revocations',
  startTimeoutMs: 1_000,
  maxAgeMs,
  position: { file: 'sallyport.yaml', line: 1, column: 1 },
});

interface State {
  readonly nowMs?: number;
  readonly phase?: SidecarPhase;
  readonly policyFailure?: unknown;
  readonly bundleOf?: string;
  /** Monotonic time is 0. */
  readonly agent?: WorkloadState;
  readonly hasIdentity?: boolean;
  readonly redis?: RevocationStoreState;
  readonly maxAgeMs?: number | null;
}

/** The detail of each check that is not passed, by name. */
function failing({ nowMs = NOW_MS, phase = 'accepting', ...state }: State): Readonly<Record<string, string>> {
  return Object.fromEntries(
    check({ nowMs, phase, ...state })
      .filter(({ ok }) => !ok)
      .map(({ name, detail }) => [name, detail]),
  );
}

function check({
  nowMs = NOW_MS,
  phase = 'accepting',
  policyFailure = null,
  bundleOf = 'ai.example',
  agent,
  hasIdentity = true,
  redis,
  maxAgeMs = null,
}: State) {
  const authority = createTestAuthority(bundleOf, {
    notBeforeMs: NOW_MS - 5 * HOUR_MS,
    notAfterMs: NOW_MS + 9 * HOUR_MS,
  });
  const own = testAuthority().issue('/registry/proxy', { notBeforeMs: NOW_MS - HOUR_MS, notAfterMs: NOW_MS + HOUR_MS });
  const trust = new TrustComposition(new Map());
  trust.give('identity', bundlesOf([authority]));
  const materials = {
    identity: new SnapshotCell(hasIdentity ? identityOf(testAuthority(), own) : null),
    trust,
    policy: new SnapshotCell(compilePolicy(ARTICLE_POLICY)),
    revocations: new SnapshotCell(NO_REVOCATIONS),
    agent: agent ?? null,
    redis: redis ?? null,
    fileFailures: new Map([['policy', policyFailure] as const]),
  };
  const config = {
    trustDomain: parseTrustDomain('ai.example'),
    revocation: {
      file: redis === undefined ? null : 'revocations.yaml',
      redis: redis === undefined ? null : REDIS(maxAgeMs),
    },
  };
  const clock = { wallMs: () => nowMs, monotonicMs: () => 0 };
  return readinessChecks(config, materials, { clock, phase: () => phase }).map(({ name, run }) => ({ name, ...run() }));
}

describe('readiness', () => {
  it('is given when everything is there and valid', () => {
    expect(check({}).map(({ name, ok }) => `${name} ${ok}`)).toEqual([
      'own-svid true',
      'trust-bundle true',
      'policy true',
      'accepting true',
    ]);
  });

  it.each([
    ['starting', 'starting'],
    ['draining', 'draining'],
  ] as const)('is not given while %s', (phase, detail) => {
    expect(failing({ phase })).toEqual({ accepting: detail });
  });

  it.each([
    ['has expired', NOW_MS + HOUR_MS, ['own-svid']],
    ['is not valid yet', NOW_MS - HOUR_MS - 1_000, ['own-svid']],
    ['and every authority have expired', NOW_MS + 9 * HOUR_MS, ['own-svid', 'trust-bundle']],
    ['and every authority are not valid yet', NOW_MS - 6 * HOUR_MS, ['own-svid', 'trust-bundle']],
  ])('is not given when the own SVID %s', (_state, nowMs, names) => {
    expect(Object.keys(failing({ nowMs }))).toEqual(names);
  });

  it('is not given without a bundle for the own trust domain', () => {
    expect(failing({ bundleOf: 'other.example' })).toEqual({
      'trust-bundle': '0 usable authorities for ai.example, 1 trust domains',
    });
  });

  it('WA-162 is not given without an SVID, and says what the agent said', () => {
    const agent: WorkloadState = { kind: 'withdrawn', reason: 'no identity issued', sinceMs: 0, nextAttemptMs: 100 };
    expect(failing({ hasIdentity: false, agent })).toEqual({
      'own-svid': 'no SVID; Workload API withdrawn: no identity issued',
    });
  });

  it.each([
    ['is given while the next attempt comes before the SVID ends', HOUR_MS - 1, true],
    ['is not given when the SVID ends before the next attempt', HOUR_MS, false],
    ['is not given when there will be no next attempt', null, false],
  ] as const)('with the agent away, %s', (_name, nextAttemptMs, ready) => {
    const own = testAuthority().issue('/registry/proxy');
    const identity = identityOf(testAuthority(), own);
    const agent: WorkloadState = {
      kind: 'stale',
      materials: { identity, hint: '', bundles: bundlesOf([testAuthority()]), crls: [], jwtBundles: null },
      receivedMs: 0,
      reason: 'connection refused',
      sinceMs: 0,
      nextAttemptMs,
    };
    expect(Object.keys(failing({ agent }))).toEqual(ready ? [] : ['own-svid']);
  });

  it.each([
    ['is given while Redis is away, when nothing limits for how long', null, true],
    ['is given while Redis has been away for less than the maximum', 5_001, true],
    ['is not given when it has been away for longer', 5_000, false],
  ] as const)('with a shared revocation list, %s', (_name, maxAgeMs, ready) => {
    const redis: RevocationStoreState = {
      kind: 'away',
      entries: [],
      problems: [],
      reason: 'starting',
      message: 'connection refused',
      sinceMs: -5_000,
      receivedMs: -6_000,
    };
    expect(Object.keys(failing({ redis, maxAgeMs }))).toEqual(ready ? [] : ['revocation']);
    const detail = check({ redis, maxAgeMs }).find(({ name }) => name === 'revocation')?.detail;
    expect(detail).toContain('Redis away for 5 s: connection refused');
  });

  it('PF-123 is given after a failed reload, whose first problem it tells, within bounds', () => {
    const policyFailure = new Error(`policy.yaml:1:1: ${'x'.repeat(1_000)}\npolicy.yaml:2:1: b\npolicy.yaml:3:1: c`);
    const policy = check({ policyFailure }).find(({ name }) => name === 'policy');
    expect(policy?.ok).toBe(true);
    expect(policy?.detail).toMatch(/; the last reload failed: policy\.yaml:1:1: x+ \(and 2 more\)$/);
    expect(policy?.detail.length).toBeLessThan(500);
  });
});
