import { describe, expect, it } from 'vitest';
import { runAudit } from '../../src/audit/audit.ts';
import { ANNOTATION_PREFIX } from '../../src/audit/exception-match.ts';
import { ALL_RULES } from '../../src/audit/rules.ts';
import { TENETS } from '../../src/audit/tenets.ts';
import { inventoryOf } from './inventory.ts';
import { termsOf } from './terms.ts';

const AREAS = ['network', 'rdma', 'mesh', 'pod', 'credential', 'exposure', 'artifact', 'matrix'];
/** https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/#syntax-and-character-set */
const MAX_ANNOTATION_NAME = 63;

describe('every rule', () => {
  it('has an id of its own', () => {
    const ids = ALL_RULES.map(({ info }) => info.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(ALL_RULES.map((rule) => [rule.info.id, rule] as const))('%s says what it is about', (id, { info }) => {
    expect(id).toMatch(/^[a-z]+(?:-[a-z0-9]+)+$/);
    expect(AREAS).toContain(id.split('-')[0]);
    expect(`${ANNOTATION_PREFIX}${id}`.split('/')[1]?.length).toBeLessThanOrEqual(MAX_ANNOTATION_NAME);
    expect(info.title).not.toBe('');
    expect(info.help).not.toBe('');
    expect(info.tenets.length).toBeGreaterThan(0);
    for (const tenet of info.tenets) expect(TENETS.has(tenet)).toBe(true);
    for (const technique of info.atlas) expect(technique).toMatch(/^AML\.TA?\d{4}(?:\.\d{3})?$/);
    for (const alias of info.aliases) expect(alias).toMatch(/^[\w.-]+$/);
  });

  it('looks at nothing without breaking, and lets nothing pass that is not there', () => {
    const report = runAudit(inventoryOf([]), termsOf({ rules: ALL_RULES }));
    expect(report.coverage.failures).toEqual([]);
    expect(report.findings.filter(({ verdict }) => verdict === 'pass')).toEqual([]);
  });
});
