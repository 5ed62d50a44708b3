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
    const [, section = ''] = README.split('## Why a request was decided so');
    const listed = [...section.matchAll(/^\| `([a-z-]+)` +\| (.*?) +\|$/gm)].map(([, code, meaning]) => [
      code,
      meaning,
    ]);
    expect(Object.fromEntries(listed)).toEqual(DECISION_REASONS);
  });

  it('shows a policy, a protocol and tests that load and do what is said of them', () => {
    const policy = loadPolicy([policySource(policyExample), ...SHIPPED_PROTOCOLS], 'enforce');
    expect(ask(policy, 'spiffe://partner.example/scoring', 'registry', 'GET /v2/').component).toBe('batch-scoring');
    expect(findFailures(policy, parsePolicyTests(Buffer.from(testExample), 'x.test.yaml', policy))).toEqual([]);
    const own = protocolSource(protocolExample, 'protocols/model-store.yaml');
    const text = policyExample.replace('protocol: oci', 'protocol: model-store');
    const replaced = loadPolicy([policySource(text), own, ...SHIPPED_PROTOCOLS], 'enforce');
    expect(replaced.readsQuery('registry')).toBe(true);
    expect(ask(replaced, 'training/x', 'registry', 'POST /api/models/a:predict').verb).toBe('infer');
  });
});
