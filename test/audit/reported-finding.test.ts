import { describe, expect, it } from 'vitest';
import type { ResourceRef, RuleInfo, Verdict } from '../../src/audit/finding.ts';
import type { Path } from '../../src/audit/path.ts';
import { Neighbours, ReportedFinding } from '../../src/audit/reported-finding.ts';

const RULE = { id: 'pod-x', severity: 'low' } as RuleInfo;

function findingsOf(verdicts: readonly Verdict[]): readonly ReportedFinding[] {
  const neighbours = new Neighbours();
  return verdicts.map(
    (verdict) => new ReportedFinding(RULE, verdict, { fingerprint: 'f', state: { kind: 'open' }, neighbours }),
  );
}

function resource(file: string, body: object | null, asked: string[]): ResourceRef {
  const locate = (path: Path): { file: string; line: number; column: number } => {
    asked.push(`${file}:${path.join('.')}`);
    return { file, line: path.length, column: 1 };
  };
  return { ref: file, body, locate } as unknown as ResourceRef;
}

function verdict(of: ResourceRef, at: Path, kind: 'fail' | 'pass' = 'fail'): Verdict {
  return { verdict: kind, resource: of, at, detail: '', evidence: {} } as unknown as Verdict;
}

describe('the place of a finding', () => {
  it('is asked for together with those of all findings about the same text, and once', () => {
    const asked: string[] = [];
    const [a, b] = [resource('a', {}, asked), resource('b', {}, asked)];
    const findings = findingsOf([verdict(a, ['x']), verdict(b, ['x']), verdict(a, ['y', 'z']), verdict(a, [], 'pass')]);
    expect(findings.slice(0, 3).map(({ location }) => location)).toEqual([
      { file: 'a', line: 1, column: 1 },
      { file: 'b', line: 1, column: 1 },
      { file: 'a', line: 2, column: 1 },
    ]);
    expect(asked).toEqual(['a:x', 'a:y.z', 'b:x']);
    expect(findings[3]?.location).toEqual({ file: 'a', line: 0, column: 1 });
    expect(asked).toHaveLength(4);
  });

  it('is found of what has no text in common with anything', () => {
    const findings = findingsOf([verdict(resource('a', null, []), ['x']), verdict(resource('b', null, []), ['x'])]);
    expect(findings.map(({ location }) => location?.file)).toEqual(['a', 'b']);
  });
});
