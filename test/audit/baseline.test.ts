import { describe, expect, it } from 'vitest';
import { outcomeOf, runAudit } from '../../src/audit/audit.ts';
import { BaselineError, parseBaseline, type Baseline } from '../../src/audit/baseline.ts';
import type { AuditReport } from '../../src/audit/report.ts';
import { inventoryOf, objectsOf } from './inventory.ts';
import { service, termsOf } from './terms.ts';

function audit(text: string, baseline: Baseline | null): AuditReport {
  return runAudit(inventoryOf(objectsOf(text)), termsOf({ baseline }));
}

function baselineOf(text: string): Baseline {
  const { findings } = audit(text, null);
  const report = { findings: findings.map(({ verdict, fingerprint }) => ({ verdict, fingerprint })) };
  return parseBaseline(Buffer.from(JSON.stringify(report)), 'before.json');
}

describe('a baseline', () => {
  it('takes out what was there before, and leaves what is new', () => {
    const before = baselineOf(
      [service('old', 'fail'), service('fixed', 'fail'), service('dim', 'unknown')].join('---\n'),
    );
    const now = [service('new', 'fail'), service('old', 'fail'), service('dim', 'unknown'), service('fixed', 'pass')];
    const report = audit(now.join('---\n'), before);
    expect(report.findings.map(({ resource, state }) => [resource.name, state.kind])).toEqual([
      ['new', 'open'],
      ['old', 'in-baseline'],
      ['dim', 'open'],
      ['fixed', 'open'],
    ]);
    expect(report.baseline).toEqual({ known: 2, resolved: 1 });
    expect(report.summary).toMatchObject({ inBaseline: 1, severities: { medium: 1 } });
    expect(outcomeOf(report, null)).toBe('findings');
    expect(outcomeOf(audit(service('old', 'fail'), before), null)).toBe('clean');
  });

  it('does not excuse a failure of what was only unknown before, and never what is unknown now', () => {
    expect(audit(service('a', 'fail'), baselineOf(service('a', 'unknown'))).findings[0]?.state.kind).toBe('open');
    expect(audit(service('a', 'fail'), baselineOf(service('a', 'pass'))).findings[0]?.state.kind).toBe('open');
    for (const before of ['fail', 'unknown'] as const) {
      const report = audit(service('a', 'unknown'), baselineOf(service('a', before)));
      expect(report.findings[0]?.state.kind).toBe('open');
      expect(outcomeOf(report, null)).toBe('unknown');
    }
  });

  it('remembers the failure where one fingerprint has both verdicts', () => {
    const fingerprint = '0'.repeat(64);
    const findings = ['fail', 'unknown'].map((verdict) => ({ verdict, fingerprint }));
    const parsed = (list: unknown): unknown => [
      ...parseBaseline(Buffer.from(JSON.stringify({ findings: list })), 'x').failures,
    ];
    expect(parsed(findings)).toEqual([fingerprint]);
    expect(parsed(findings.toReversed())).toEqual([fingerprint]);
  });

  it.each<[string, string | Uint8Array, string]>([
    ['nothing', '', 'not-json'],
    ['broken JSON', '{"findings": [', 'not-json'],
    ['no UTF-8', Uint8Array.of(0xff, 0xfe), 'not-json'],
    ['a list', '[]', 'not-a-report'],
    ['another document', '{"results": []}', 'not-a-report'],
    ['findings that are no list', '{"findings": {}}', 'not-a-report'],
    ['a finding without a fingerprint', '{"findings": [{"verdict": "fail"}]}', 'not-a-report'],
    ['a fingerprint that is none', '{"findings": [{"verdict": "fail", "fingerprint": "x"}]}', 'not-a-report'],
    [
      'a verdict that is none',
      `{"findings": [{"verdict": "bad", "fingerprint": "${'0'.repeat(64)}"}]}`,
      'not-a-report',
    ],
    ['null for a finding', '{"findings": [null]}', 'not-a-report'],
  ])('is refused when it is %s', (_name, source, code) => {
    const bytes = typeof source === 'string' ? Buffer.from(source) : source;
    expect(() => parseBaseline(bytes, 'before.json')).toThrow(expect.objectContaining({ code }));
    expect(() => parseBaseline(bytes, 'before.json')).toThrow(BaselineError);
  });
});
