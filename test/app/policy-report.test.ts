import { describe, expect, it } from 'vitest';
import { reportPolicy } from '../../src/app/policy-report.ts';
import { ARTICLE_POLICY, compilePolicy } from '../support/proxy-fixture.ts';

describe('reportPolicy', () => {
  it('says of each component what the matrix says, and only where it says something', () => {
    const value = compilePolicy(ARTICLE_POLICY);
    const { epoch, digest, table, text } = reportPolicy({ epoch: 7, value });
    expect({ epoch, digest }).toEqual({ epoch: 7, digest: value.digest });
    expect(table()).toEqual([
      {
        component: 'training',
        targets: [
          { target: 'registry', verbs: { read: 'allow', write: 'allow' } },
          { target: 'feature-store', verbs: { read: 'allow', write: 'allow' } },
        ],
      },
      { component: 'inference', targets: [{ target: 'registry', verbs: { read: 'allow', write: 'none' } }] },
      { component: 'registry', targets: [] },
      { component: 'feature-store', targets: [] },
    ]);
    expect(text()).toContain('training');
  });

  it('costs no more than there are rules', () => {
    const names = Array.from({ length: 2_000 }, (_, index) => `c${index}`);
    const components = names.map((name) => `  ${name}: {}`).join('\n');
    const access = names.map((name, index) => `  ${name}: { allow: [c${(index + 1) % names.length}] }`).join('\n');
    const value = compilePolicy(
      `version: 1\ntrustDomain: ai.example\ncomponents:\n${components}\naccess:\n${access}\n`,
    );
    const beganMs = performance.now();
    expect(reportPolicy({ epoch: 1, value }).table()).toHaveLength(names.length);
    // Every component by every target would be four million cells.
    expect(performance.now() - beganMs).toBeLessThan(500);
  });
});
