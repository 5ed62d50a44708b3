// Holds the matrix against its tests.

import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import type { CompiledPolicy } from './matrix.ts';
import type { PolicyTest } from './test-document.ts';

export interface FailedTest {
  readonly test: PolicyTest;
  readonly decision: Decision;
}

/** The tests whose effect, or reason or verb where they name one, is not what the matrix answers; in order. */
export function findFailures(policy: CompiledPolicy, tests: readonly PolicyTest[]): readonly FailedTest[] {
  return tests.flatMap((test) => {
    const { principal, to: target, method, path, query, upgrade, expected } = test;
    const decision = decide(policy, { principal, target, method, path, query, upgrade });
    const isAsExpected =
      decision.effect === expected.effect &&
      (expected.reason === null || decision.reason === expected.reason) &&
      (expected.verb === null || decision.verb === expected.verb);
    return isAsExpected ? [] : [{ test, decision }];
  });
}
