import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DECISION_REASONS } from '../../src/policy/decision.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { parsePolicyTests } from '../../src/policy/test-document.ts';
import { findFailures } from '../../src/policy/test-run.ts';
import { ask, policySource, protocolSource, SHIPPED_PROTOCOLS } from './policies.ts';

const README = readFileSync(new URL('../../policies/README.md', import.meta.url), 'utf8');
const [policyExample = '', protocolExample = '', testExample = ''] = [...README.matchAll(/```yaml\n([^]*?)```/g)].map(
  ([, text]) => text ?? '',
);

describe('policies/README.md', () => {
  it('lists every reason with its meaning', () => {
    const listed = [...README.matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [code, meaning]);
    expect(Object.fromEntries(listed)).toEqual(DECISION_REASONS);
  });

  it('shows a policy, a protocol and tests that load and do what is said of them', () => {
    const policy = loadPolicy([policySource(policyExample), ...SHIPPED_PROTOCOLS], 'enforce');
    expect(ask(policy, 'spiffe://partner.example/gpu/1', 'registry', 'GET /health').component).toBe('inference');
    expect(ask(policy, 'training/x', 'registry', 'POST /api/2.0/mlflow/users/create').effect).toBe('deny');
    expect(findFailures(policy, parsePolicyTests(Buffer.from(testExample), 'x.test.yaml', policy))).toEqual([]);
    const own = protocolSource(protocolExample, 'protocols/mlflow.yaml');
    const replaced = loadPolicy([policySource(policyExample), own, ...SHIPPED_PROTOCOLS], 'enforce');
    expect(replaced.readsQuery('registry')).toBe(true);
    expect(ask(replaced, 'training/x', 'registry', 'GET /health').reason).toBe('unknown-route');
  });
});
