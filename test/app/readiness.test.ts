import { describe, expect, it } from 'vitest';
import type { Materials } from '../../src/app/materials.ts';
import { readinessChecks, type SidecarPhase } from '../../src/app/readiness.ts';
import { SnapshotCell } from '../../src/core/snapshot.ts';
import { ARTICLE_POLICY, bundlesOf, compilePolicy, identityOf } from '../support/proxy-fixture.ts';
import { createTestAuthority, testAuthority } from '../support/svid-fixtures.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = Math.floor(Date.now() / 1000) * 1000;

interface State {
  readonly nowMs?: number;
  readonly phase?: SidecarPhase;
  readonly policyFailure?: unknown;
  readonly bundleOf?: string;
}

/** The detail of each check that is not passed, by name. */
function failing({ nowMs = NOW_MS, phase = 'accepting', ...state }: State): Readonly<Record<string, string>> {
  return Object.fromEntries(
    check({ nowMs, phase, ...state })
      .filter(({ ok }) => !ok)
      .map(({ name, detail }) => [name, detail]),
  );
}

function check({ nowMs = NOW_MS, phase = 'accepting', policyFailure = null, bundleOf = 'ai.example' }: State) {
  const authority = createTestAuthority(bundleOf, {
    notBeforeMs: NOW_MS - 5 * HOUR_MS,
    notAfterMs: NOW_MS + 9 * HOUR_MS,
  });
  const own = testAuthority().issue('/registry/proxy', { notBeforeMs: NOW_MS - HOUR_MS, notAfterMs: NOW_MS + HOUR_MS });
  const materials: Materials = {
    identity: { cell: new SnapshotCell(identityOf(testAuthority(), own)), failure: null },
    trust: { cell: new SnapshotCell(bundlesOf([authority])), failure: null },
    policy: { cell: new SnapshotCell(compilePolicy(ARTICLE_POLICY)), failure: policyFailure },
    follow: () => undefined,
    close: () => undefined,
  };
  const clock = { wallMs: () => nowMs, monotonicMs: () => 0 };
  return readinessChecks(materials, { clock, phase: () => phase }).map(({ name, run }) => ({ name, ...run() }));
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

  it('PF-123 is given after a failed reload, whose first problem it tells, within bounds', () => {
    const policyFailure = new Error(`policy.yaml:1:1: ${'x'.repeat(1_000)}\npolicy.yaml:2:1: b\npolicy.yaml:3:1: c`);
    const policy = check({ policyFailure }).find(({ name }) => name === 'policy');
    expect(policy?.ok).toBe(true);
    expect(policy?.detail).toMatch(/; the last reload failed: policy\.yaml:1:1: x+ \(and 2 more\)$/);
    expect(policy?.detail.length).toBeLessThan(500);
  });
});
