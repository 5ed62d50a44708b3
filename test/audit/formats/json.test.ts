import { describe, expect, it } from 'vitest';
import { formatJson } from '../../../src/audit/formats/json.ts';
import { parseBaseline } from '../../../src/audit/baseline.ts';
import type { AuditReport } from '../../../src/audit/report.ts';
import { CLEAN, HOSTILE, HOSTILE_DETAIL, HOSTILE_NAME, MIXED } from './reports.ts';

function textOf(report: AuditReport): string {
  return [...formatJson(report)].join('');
}

describe('a report as JSON', () => {
  it('has the shape of the contract', () => {
    const document = JSON.parse(textOf(MIXED));
    expect(Object.keys(document)).toEqual([
      'schemaVersion',
      'findings',
      'summary',
      'coverage',
      'exceptions',
      'baseline',
    ]);
    expect(document.findings[1]).toEqual({
      rule: 'test-rule',
      verdict: 'fail',
      severity: 'medium',
      title: 'A test',
      detail: 'looked at',
      resource: { apiVersion: 'v1', kind: 'Service', namespace: 'ml', name: 'accepted' },
      location: { file: 'manifests/my services.yaml', line: expect.any(Number), column: expect.any(Number) },
      evidence: {},
      remediation: { text: '', patch: null, manifest: null },
      aliases: ['C-0001'],
      tenets: ['T2'],
      atlas: [],
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      state: { kind: 'excepted', reason: 'known', expires: expect.stringMatching(/^2026-12-31T|^2027-01-01T/) },
    });
  });

  it('tells every verdict, the reason of an unknown one, and what was not read', () => {
    const document = JSON.parse(textOf(MIXED));
    expect(document.findings.map(({ verdict }: { verdict: string }) => verdict)).toEqual([
      'fail',
      'fail',
      'fail',
      'unknown',
      'pass',
    ]);
    expect(document.findings[3]).toMatchObject({ verdict: 'unknown', reason: 'test' });
    expect(document.coverage.isComplete).toBe(false);
    expect(document.coverage.unreadable).toMatchObject([{ what: 'broken.yaml', reason: 'malformed' }]);
    expect(document.exceptions.uses.map(({ state }: { state: string }) => state)).toEqual(['applied', 'unused']);
  });

  it('refers from checks to findings by their fingerprint', () => {
    const document = JSON.parse(textOf(MIXED));
    const check = document.summary.checks.find(({ verdict }: { verdict: string }) => verdict === 'fail');
    expect(check.check).toBe('external-access');
    expect(check.findings).toContain(document.findings[0].fingerprint);
  });

  it('has findings of an object that means harm, as they are', () => {
    const document = JSON.parse(textOf(HOSTILE));
    expect(document.findings[0].evidence).toEqual({ [HOSTILE_NAME]: HOSTILE_DETAIL });
  });

  it.each([
    ['a clean report', CLEAN],
    ['a mixed one', MIXED],
  ])('is taken for a baseline: %s', (_name, report) => {
    const baseline = parseBaseline(Buffer.from(textOf(report)), 'before.json');
    for (const { fingerprint, verdict } of report.findings) {
      if (verdict === 'fail') expect(baseline.failures.has(fingerprint ?? '')).toBe(true);
    }
  });

  it('is valid without a single finding', () => {
    expect(JSON.parse(textOf({ ...CLEAN, findings: [] })).findings).toEqual([]);
  });
});
