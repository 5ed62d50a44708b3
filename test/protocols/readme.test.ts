import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DECISION_REASONS, VERBS } from '../../src/policy/decision.ts';
import { lintPolicy } from '../../src/policy/lint.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { parsePolicyTests } from '../../src/policy/test-document.ts';
import { findFailures } from '../../src/policy/test-run.ts';
import { PRESETS, SHIPPED } from './preset.ts';

const README = readFileSync(new URL('../../policies/README.md', import.meta.url), 'utf8');
// The formatter pads tables.
const TEXT = README.replaceAll(/ +/g, ' ');
const [policyText = '', protocolText = '', testText = ''] = [...README.matchAll(/^```yaml\n(.*?)^```$/gms)].map(
  ([, yaml = '']) => yaml,
);

describe('the guide to policies', () => {
  const policy = loadPolicy(
    [{ file: 'policy.yaml', kind: 'policy', bytes: Buffer.from(policyText) }, ...SHIPPED],
    'enforce',
  );

  it('shows a policy that loads, with nothing to warn of but the grant under watch', () => {
    expect(policy.components).toEqual(['training', 'batch-scoring', 'registry', 'inference']);
    expect(lintPolicy(policy).map(({ code }) => code)).toEqual(['rule-in-shadow']);
  });

  it('shows a test file that the policy passes', () => {
    const tests = parsePolicyTests(Buffer.from(testText), 'policy.test.yaml', policy);
    expect(tests).toHaveLength(5);
    expect(findFailures(policy, tests)).toEqual([]);
  });

  it('shows a protocol file that loads', () => {
    const user = 'version: 1\ntrustDomain: ai.example\ncomponents:\n  store: { protocol: model-store }\n';
    const withProtocol = loadPolicy(
      [
        { file: 'policy.yaml', kind: 'policy', bytes: Buffer.from(user) },
        { file: 'protocols/model-store.yaml', kind: 'protocol', bytes: Buffer.from(protocolText) },
      ],
      'enforce',
    );
    expect(withProtocol.protocols.get('model-store')?.routes).toHaveLength(5);
  });

  it('says what every reason means, as the code does', () => {
    const rows = Object.entries(DECISION_REASONS).map(([reason, meaning]) => `| \`${reason}\` | ${meaning} |`);
    for (const row of rows) expect(TEXT).toContain(row);
  });

  it('names every verb and every shipped protocol', () => {
    for (const verb of VERBS) expect(TEXT).toContain(`| \`${verb}\` |`);
    for (const preset of PRESETS) expect(README).toContain(`](protocols/${preset}.yaml)`);
  });
});
