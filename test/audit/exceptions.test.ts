import { describe, expect, it } from 'vitest';
import { outcomeOf, runAudit } from '../../src/audit/audit.ts';
import { parseExceptions, parseExpiry } from '../../src/audit/exceptions.ts';
import { refToWorkload } from '../../src/audit/finding.ts';
import type { AuditReport } from '../../src/audit/report.ts';
import { NO_REMEDIATION, failed } from '../../src/audit/verdict.ts';
import { DocumentError } from '../../src/yaml/located.ts';
import { inventoryOf, objectsOf } from './inventory.ts';
import { exceptionsOf, NOW, ruleOf, service, termsOf } from './terms.ts';

const RULE = ruleOf({ id: 'test-rule', aliases: ['C-0001'] });
const SERVICES = [service('web', 'fail'), service('api', 'fail')].join('---\n');

function audit(exceptions: string, text = SERVICES): AuditReport {
  return runAudit(inventoryOf(objectsOf(text)), termsOf({ rules: [RULE], exceptions: exceptionsOf(exceptions) }));
}

function excepted(report: AuditReport): readonly string[] {
  return report.findings.filter(({ state }) => state.kind === 'excepted').map(({ resource }) => resource.name);
}

describe('exceptions in a file', () => {
  it.each<[string, string, readonly string[]]>([
    ['a whole name', 'resource: "ml/web[Service]"', ['web']],
    ['a name without its kind', 'resource: ml/web', ['web']],
    ['a part of a name', 'resource: "ml/w*"', ['web']],
    ['a part in the middle', 'resource: "m*/*e*[Ser*]"', ['web']],
    ['everything', 'resource: "*"', ['api', 'web']],
    ['everything in any namespace', 'resource: "*/*"', ['api', 'web']],
    ['a namespace', 'namespace: ml', ['api', 'web']],
    ['another namespace', 'namespace: web', []],
    ['parts that overlap', 'resource: "ml/web*eb"', []],
    ['another kind', 'resource: "ml/web[Ingress]"', []],
    ['a name of the cluster', 'resource: web', []],
    ['the beginning of a name', 'resource: ml/we', []],
    ['a name and another namespace', 'resource: ml/web\n    namespace: other', []],
    ['a container', 'resource: ml/web\n    container: main', []],
  ])('match %s', (_name, scope, names) => {
    expect(excepted(audit(`  - rule: test-rule\n    ${scope}\n    reason: known\n    expires: 2026-12-31\n`))).toEqual(
      names,
    );
  });

  it.each(['test-rule', 'test-*', '*', 'C-0001', 'c-0001'])('name a rule as %s', (rule) => {
    const report = audit(`  - { rule: "${rule}", namespace: ml, reason: known, expires: 2026-12-31 }\n`);
    expect(excepted(report)).toHaveLength(2);
    expect(report.summary).toMatchObject({ excepted: 2, severities: { medium: 0 }, verdicts: { fail: 2 } });
    expect(outcomeOf(report, null)).toBe('clean');
    expect(report.findings[0]?.state).toEqual({
      kind: 'excepted',
      reason: 'known',
      expiresMs: Date.UTC(2027, 0, 1),
      position: { file: 'exceptions.yaml', line: 3, column: 5 },
    });
  });

  it('do not hold when expired, and say so, and what is unused', () => {
    const report = audit(`
  - { rule: test-rule, resource: ml/web, reason: old, expires: 2026-06-14 }
  - { rule: test-rule, resource: ml/api, reason: known, expires: 2026-06-15 }
  - { rule: test-other, resource: "*", reason: no such rule, expires: 2026-12-31 }
  - { rule: test-rule, resource: ml/gone, reason: gone, expires: 2020-01-01 }
`);
    expect(excepted(report)).toEqual(['api']);
    expect(report.exceptions.uses.map(({ resource, state, findings }) => [resource, state, findings])).toEqual([
      ['ml/web', 'expired', 1],
      ['ml/api', 'applied', 1],
      ['*', 'unused', 0],
      ['ml/gone', 'expired', 0],
    ]);
    expect(outcomeOf(report, null)).toBe('findings');
  });

  it('take out what is unknown only where they say so, and nothing that passes', () => {
    const texts = [service('a', 'unknown'), service('b', 'pass')].join('---\n');
    const entry = (verdict: string): string =>
      `  - { rule: "*", namespace: ml, ${verdict}reason: known, expires: 2026-12-31 }\n`;
    for (const verdict of ['', 'verdict: fail, ']) {
      const report = audit(entry(verdict), texts);
      expect(excepted(report)).toEqual([]);
      expect(report.exceptions.uses[0]?.state).toBe('unused');
      expect(outcomeOf(report, null)).toBe('unknown');
    }
    const report = audit(entry('verdict: unknown, '), texts);
    expect(excepted(report)).toEqual(['a']);
    expect(report.exceptions.uses[0]?.findings).toBe(1);
    expect(outcomeOf(report, null)).toBe('clean');
    expect(excepted(audit(entry('verdict: unknown, '), service('c', 'fail')))).toEqual([]);
  });

  it('tell roles of one object, and containers, apart', () => {
    const rule = ruleOf({ id: 'pod-test', subject: 'workload' }, function* (cluster) {
      for (const workload of cluster.workloads) {
        for (const container of workload.containers) {
          yield failed(refToWorkload(workload, container), {
            at: container.path,
            detail: 'no',
            evidence: {},
            remediation: NO_REMEDIATION,
          });
        }
      }
    });
    const template = '{ spec: { containers: [{ name: main, image: a:1 }, { name: side, image: a:1 }] } }';
    const text = `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: { name: x, namespace: ml }
spec: { pytorchReplicaSpecs: { Master: { template: ${template} }, Worker: { template: ${template} } } }
`;
    const exceptedBy = (scope: string): readonly string[] =>
      runAudit(
        inventoryOf(objectsOf(text)),
        termsOf({
          rules: [rule],
          exceptions: exceptionsOf(`  - { rule: pod-test, ${scope}, reason: r, expires: 2026-12-31 }\n`),
        }),
      )
        .findings.filter(({ state }) => state.kind === 'excepted')
        .map(({ resource }) => `${resource.ref} ${resource.container}`);
    expect(exceptedBy('resource: "ml/x[PyTorchJob/worker]"')).toEqual([
      'ml/x[PyTorchJob/worker] main',
      'ml/x[PyTorchJob/worker] side',
    ]);
    expect(exceptedBy('resource: "ml/x[PyTorchJob]"')).toHaveLength(4);
    expect(exceptedBy('namespace: ml, container: side')).toEqual([
      'ml/x[PyTorchJob/master] side',
      'ml/x[PyTorchJob/worker] side',
    ]);
  });

  it.each<[string, string, string]>([
    ['no reason', 'exceptions: [{ rule: a, namespace: ml, expires: 2026-12-31 }]', 'missing-key'],
    ['no expiry', 'exceptions: [{ rule: a, namespace: ml, reason: r }]', 'missing-key'],
    ['no rule', 'exceptions: [{ namespace: ml, reason: r, expires: 2026-12-31 }]', 'missing-key'],
    ['no scope', 'exceptions: [{ rule: a, reason: r, expires: 2026-12-31 }]', 'missing-key'],
    ['an empty reason', 'exceptions: [{ rule: a, namespace: ml, reason: " ", expires: 2026-12-31 }]', 'wrong-type'],
    [
      'a day that there is not',
      'exceptions: [{ rule: a, namespace: ml, reason: r, expires: 2026-02-30 }]',
      'bad-expiry',
    ],
    ['an expiry in words', 'exceptions: [{ rule: a, namespace: ml, reason: r, expires: never }]', 'bad-expiry'],
    [
      'a key that nobody knows',
      'exceptions: [{ rule: a, namespace: ml, reason: r, expires: 2026-12-31, until: x }]',
      'unknown-key',
    ],
    [
      'a verdict that nobody gives',
      'exceptions: [{ rule: a, namespace: b, verdict: pass, reason: c, expires: 2026-12-31 }]',
      'wrong-value',
    ],
    ['another key beside the list', 'exceptions: []\nignore: []', 'unknown-key'],
    ['no list', '{}', 'missing-key'],
    ['a mapping for the list', 'exceptions: {}', 'wrong-type'],
    ['a text for an exception', 'exceptions: [a]', 'wrong-type'],
  ])('are refused with %s', (_name, text, code) => {
    const source = text === '{}' ? 'version: 1' : `version: 1\n${text}`;
    expect(codesOf(source)).toEqual([code]);
  });

  it('are refused without a version, and with every problem at once', () => {
    expect(codesOf('exceptions: []')).toEqual(['unsupported-version']);
    expect(codesOf('[]')).toEqual(['wrong-type']);
    expect(codesOf('version: 1\nexceptions: [{ rule: a }, { rule: 1, namespace: ml, reason: r, expires: x }]')).toEqual(
      ['missing-key', 'missing-key', 'missing-key', 'wrong-type', 'bad-expiry'],
    );
  });

  it('are empty in an empty list', () => {
    expect(parseExceptions(Buffer.from('version: 1\nexceptions: []\n'), 'x.yaml')).toEqual({ entries: [] });
  });
});

function codesOf(text: string): readonly string[] {
  try {
    parseExceptions(Buffer.from(text), 'x.yaml');
    return [];
  } catch (error) {
    if (error instanceof DocumentError) return error.problems.map(({ code }) => code);
    throw error;
  }
}

describe('exceptions in annotations', () => {
  const annotated = (value: string, rule = 'test-rule'): string =>
    service('web', 'fail', `annotations: { "sallyport.dev/audit-ignore.${rule}": "${value}" }`);

  it.each(['test-rule', 'C-0001'])('hold for what carries them and no other, by the name %s', (rule) => {
    const report = audit(
      '',
      [annotated('behind a proxy; expires=2026-12-31', rule), service('api', 'fail')].join('---\n'),
    );
    expect(excepted(report)).toEqual(['web']);
    expect(report.exceptions.uses).toMatchObject([
      { rule, resource: 'ml/web[Service]', reason: 'behind a proxy', state: 'applied', position: { line: 8 } },
    ]);
  });

  it('may have a semicolon in the reason', () => {
    const report = audit('', annotated('a; b; expires = 2026-12-31 '));
    expect(report.findings[0]?.state).toMatchObject({ kind: 'excepted', reason: 'a; b' });
  });

  it.each([
    ['no reason', '; expires=2026-12-31'],
    ['no expiry', 'behind a proxy'],
    ['a broken expiry', 'behind a proxy; expires=soon'],
    ['nothing', ''],
  ])('do not hold with %s, and are reported', (_name, value) => {
    const report = audit('', annotated(value));
    expect(excepted(report)).toEqual([]);
    expect(report.exceptions.invalid).toMatchObject([{ ref: 'ml/web[Service]', position: { line: 8 } }]);
  });

  it('do not hold when expired, and say so; and are unused where nothing fails', () => {
    const report = audit('', annotated('old; expires=2026-01-01'));
    expect([excepted(report), report.exceptions.uses[0]?.state]).toEqual([[], 'expired']);
    const other = audit('', annotated('x; expires=2026-12-31', 'test-other'));
    expect([excepted(other), other.exceptions.uses[0]?.state]).toEqual([[], 'unused']);
  });

  it('of a template are not told again for every pod that was made from it', () => {
    const annotations = 'annotations: { "sallyport.dev/audit-ignore.test-rule": "known; expires=2026-12-31" }';
    const owner = 'ownerReferences: [{ apiVersion: apps/v1, kind: DaemonSet, name: x, controller: true }]';
    const spec = '{ containers: [{ name: main, image: a:1 }] }';
    const text = `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: x, namespace: ml }
spec: { template: { metadata: { ${annotations} }, spec: ${spec} } }
---
apiVersion: v1
kind: Pod
metadata: { name: x-1, namespace: ml, ${annotations}, ${owner} }
spec: ${spec}
---
apiVersion: v1
kind: Pod
metadata: { name: done, namespace: ml, ${annotations} }
spec: ${spec}
status: { phase: Succeeded }
---
apiVersion: v1
kind: Pod
metadata: { name: bare, namespace: ml, ${annotations} }
spec: ${spec}
`;
    expect(audit('', text).exceptions.uses.map(({ resource }) => resource)).toEqual([
      'ml/bare[Pod]',
      'ml/x[DaemonSet]',
    ]);
  });

  it('may stand in the pod template', () => {
    const rule = ruleOf({ subject: 'workload' }, function* (cluster) {
      for (const workload of cluster.workloads) {
        yield failed(refToWorkload(workload, null), {
          at: [],
          detail: 'no',
          evidence: {},
          remediation: NO_REMEDIATION,
        });
      }
    });
    const text = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: x, namespace: ml }
spec:
  template:
    metadata: { annotations: { "sallyport.dev/audit-ignore.test-rule": "known; expires=2026-12-31" } }
    spec: { containers: [{ name: main, image: a:1 }] }
`;
    const report = runAudit(inventoryOf(objectsOf(text)), termsOf({ rules: [rule] }));
    expect(report.findings[0]?.state).toMatchObject({ kind: 'excepted', position: { line: 7 } });
  });

  it('of one template do not hold for another of the same object', () => {
    const rule = ruleOf({ subject: 'workload' }, function* (cluster) {
      for (const workload of cluster.workloads) {
        yield failed(refToWorkload(workload, null), {
          at: [],
          detail: 'no',
          evidence: {},
          remediation: NO_REMEDIATION,
        });
      }
    });
    const spec = 'spec: { containers: [{ name: main, image: a:1 }] }';
    const metadata =
      'metadata: { annotations: { "sallyport.dev/audit-ignore.test-rule": "known; expires=2026-12-31" } }';
    const text = `
apiVersion: ray.io/v1
kind: RayCluster
metadata: { name: x, namespace: ml }
spec:
  headGroupSpec: { template: { ${spec} } }
  workerGroupSpecs: [{ groupName: gpu, template: { ${metadata}, ${spec} } }]
`;
    const { findings } = runAudit(inventoryOf(objectsOf(text)), termsOf({ rules: [rule] }));
    expect(findings.map(({ resource, state }) => [resource.ref, state.kind])).toEqual([
      ['ml/x[RayCluster/gpu]', 'excepted'],
      ['ml/x[RayCluster/head]', 'open'],
    ]);
  });
});

describe('the end of an exception', () => {
  it('is the end of the day, in UTC, or the instant', () => {
    expect(parseExpiry('2026-06-14')).toBe(NOW);
    expect(parseExpiry('2026-06-15T12:00:00+02:00')).toBe(NOW + 10 * 3_600_000);
    expect(parseExpiry('tomorrow')).toBeNull();
    expect(parseExpiry('')).toBeNull();
  });
});
