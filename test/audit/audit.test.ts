import { describe, expect, it } from 'vitest';
import { assembleReport, outcomeOf, runAudit } from '../../src/audit/audit.ts';
import { refToCluster, refToWorkload, type Rule } from '../../src/audit/finding.ts';
import type { Inventory, Unreadable } from '../../src/audit/inventory.ts';
import type { AuditReport } from '../../src/audit/report.ts';
import { passed, unknownWithout } from '../../src/audit/verdict.ts';
import { inventoryOf, objectsOf } from './inventory.ts';
import { judgeServices, ruleOf, service, termsOf } from './terms.ts';

function audit(
  text: string,
  terms: Partial<Parameters<typeof runAudit>[1]> = {},
  inventory: Partial<Inventory> = {},
): AuditReport {
  return runAudit(inventoryOf(objectsOf(text), inventory), termsOf(terms));
}

const THREE = [service('a', 'pass'), service('b', 'fail'), service('c', 'unknown')].join('---\n');

/** Passes every workload. */
const WORKLOADS: Rule = ruleOf({ id: 'pod-test', subject: 'workload', tenets: ['T5'] }, function* (cluster) {
  for (const workload of cluster.workloads) yield passed(refToWorkload(workload, null), workload.podPath, 'fine');
});

const MALFORMED_POD = `
apiVersion: v1
kind: Pod
metadata: { name: x, namespace: ml }
spec: { hostNetwork: "true", containers: [{ name: main, image: main:1 }] }
`;

describe('an audit', () => {
  it('reports what rules say, failures first', () => {
    const report = audit(THREE);
    expect(
      report.findings.map(({ rule, verdict, severity, reason, resource, at }) => [
        rule.id,
        verdict,
        severity,
        reason,
        resource.ref,
        at,
      ]),
    ).toEqual([
      ['test-rule', 'fail', 'medium', null, 'ml/b[Service]', ['spec', 'type']],
      ['test-rule', 'unknown', 'medium', 'test', 'ml/c[Service]', ['spec', 'type']],
      ['test-rule', 'pass', 'medium', null, 'ml/a[Service]', ['spec', 'type']],
    ]);
    expect(report.findings[0]).toMatchObject({
      location: { file: 'cluster.yaml', line: 19, column: 15 },
      resource: { apiVersion: 'v1', kind: 'Service', namespace: 'ml', name: 'b', container: null },
      state: { kind: 'open' },
    });
    expect(report.summary).toMatchObject({
      verdicts: { pass: 1, fail: 1, unknown: 1 },
      severities: { critical: 0, high: 0, medium: 1, low: 0, info: 0 },
      excepted: 0,
      inBaseline: 0,
      objects: 3,
      namespaces: 1,
    });
  });

  it('orders failures by gravity, then by rule and resource, whatever order they came in', () => {
    const grave = service('z', 'fail').replace('verdict: fail', 'verdict: fail, severity: critical');
    const slight = service('a', 'fail').replace('verdict: fail', 'verdict: fail, severity: low');
    const texts = [slight, service('m', 'fail'), grave];
    const rules = [ruleOf({ id: 'test-two' }), ruleOf({ id: 'test-one' })];
    const order = (text: string): readonly string[] =>
      audit(text, { rules }).findings.map(({ rule, resource, severity }) => `${severity} ${rule.id} ${resource.name}`);
    expect(order(texts.join('---\n'))).toEqual([
      'critical test-one z',
      'critical test-two z',
      'medium test-one m',
      'medium test-two m',
      'low test-one a',
      'low test-two a',
    ]);
    expect(order(texts.toReversed().join('---\n'))).toEqual(order(texts.join('---\n')));
  });

  it('S6 lets nothing pass of an object that no API server would take', () => {
    const report = audit(MALFORMED_POD, { rules: [WORKLOADS] });
    expect(report.findings).toMatchObject([
      {
        verdict: 'unknown',
        reason: 'malformed',
        detail: 'spec.hostNetwork must be true or false, and is a string',
        at: ['spec', 'hostNetwork'],
        location: { line: 5, column: 22 },
      },
    ]);
    expect(report.coverage.malformed).toMatchObject([{ ref: 'ml/x[Pod]' }]);
  });

  it('S6 lets nothing pass of a workflow whose template, in another object, is malformed', () => {
    const text = `
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: { name: base, namespace: ml }
spec: { templates: [{ name: a, container: { image: 1 } }] }
---
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: { name: run, namespace: ml }
spec: { workflowTemplateRef: { name: base } }
`;
    expect(audit(text, { rules: [WORKLOADS] }).findings).toMatchObject([
      { verdict: 'unknown', reason: 'malformed', resource: { ref: 'ml/run[Workflow]' }, location: { line: 5 } },
    ]);
  });

  it('S6 lets nothing pass for what a later rule finds malformed', () => {
    const reader = ruleOf({ id: 'test-reader' }, (cluster) => {
      for (const object of cluster.byKind('', 'Service')) cluster.field(object, 'spec', 'type').asNumber();
      return [];
    });
    const report = audit(service('a', 'pass'), { rules: [ruleOf({}), reader] });
    expect(report.findings).toMatchObject([{ verdict: 'unknown', reason: 'malformed' }]);
  });

  it('S7 says of every rule about workloads that it did not see a template that is elsewhere', () => {
    const text = `
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: { name: x, namespace: ml }
spec: { workflowTemplateRef: { name: absent } }
`;
    const report = audit(text, { rules: [WORKLOADS, ruleOf({})] });
    expect(report.findings).toMatchObject([
      { rule: { id: 'pod-test' }, verdict: 'unknown', reason: 'unseen-template', resource: { ref: 'ml/x[Workflow]' } },
    ]);
    expect(report.coverage.unseen).toMatchObject([{ ref: 'ml/x[Workflow]', position: { line: 5 } }]);
    expect(report.coverage.isComplete).toBe(false);
  });

  it('goes on when a rule breaks, and says which', () => {
    const broken = ruleOf({ id: 'test-broken' }, function* (cluster) {
      yield* judgeServices(cluster);
      throw new Error('oops');
    });
    const report = audit(THREE, { rules: [broken, ruleOf({})] });
    expect(report.findings).toHaveLength(6);
    expect(report.coverage.failures).toEqual([{ rule: 'test-broken', message: 'oops' }]);
    expect(report.coverage.rules.map(({ rule, state }) => [rule, state])).toEqual([
      ['test-broken', 'failed'],
      ['test-rule', 'partly'],
    ]);
    expect(outcomeOf(report, null)).toBe('broken');
  });

  it('says of every rule what it looked at, and why it could not', () => {
    const texts = [THREE, service('d', 'unknown'), service('e', 'unknown').replace('verdict: unknown', 'detail: else')];
    const nothing = ruleOf({ id: 'test-nothing' }, () => []);
    const { coverage } = audit(texts.join('---\n'), { rules: [ruleOf({}), nothing] });
    expect(coverage.rules).toEqual([
      {
        rule: 'test-rule',
        pass: 1,
        fail: 1,
        unknown: 3,
        state: 'partly',
        reasons: [{ reason: 'test', count: 3, example: 'ml/c[Service]: looked at' }],
      },
      { rule: 'test-nothing', pass: 0, fail: 0, unknown: 0, state: 'no-subject', reasons: [] },
    ]);
    expect(audit(service('a', 'unknown')).coverage).toMatchObject({
      isComplete: false,
      rules: [{ state: 'not-evaluated' }],
    });
    expect(audit(service('a', 'pass')).coverage).toMatchObject({ isComplete: true, rules: [{ state: 'evaluated' }] });
  });

  it('puts together what was judged elsewhere, without a cluster', () => {
    const { info } = ruleOf({ subject: 'artifact' });
    const resource = { ...refToCluster(), kind: 'Artifact', name: 'model.bin', ref: 'run/model.bin' };
    const report = assembleReport(null, [{ info, verdicts: [passed(resource, [], 'fine')], failure: null }], termsOf());
    expect(report.findings.map(({ verdict, resource: { ref } }) => [verdict, ref])).toEqual([
      ['pass', 'run/model.bin'],
    ]);
    expect(report.summary.workloads).toBe(0);
  });
});

describe('tenets and checks', () => {
  const standing = (text: string): unknown =>
    audit(text, { rules: [ruleOf({ tenets: ['T2', 'T6'] })] }).summary.tenets.map(
      ({ tenet, standing }) => `${tenet} ${standing}`,
    );

  it.each([
    ['broken', THREE],
    ['held', service('a', 'pass')],
    ['partly-evidenced', [service('a', 'pass'), service('b', 'unknown')].join('---\n')],
    ['not-evidenced', service('a', 'unknown')],
  ])('are %s', (expected, text) => {
    expect(standing(text)).toEqual([
      'T1 not-evidenced',
      `T2 ${expected}`,
      'T3 not-evidenced',
      'T4 not-evidenced',
      'T5 not-evidenced',
      `T6 ${expected}`,
      'T7 not-evidenced',
    ]);
  });

  it('answers the five checks, and unknown where no rule looked', () => {
    const rules = [ruleOf({ check: 'mesh-mtls', tenets: ['T2'] })];
    const checksOf = (text: string): readonly unknown[] =>
      audit(text, { rules }).summary.checks.map(({ check, verdict, findings }) => [check, verdict, findings.length]);
    expect(checksOf(THREE)).toEqual([
      ['default-deny', 'unknown', 0],
      ['mesh-mtls', 'fail', 2],
      ['token-projection', 'unknown', 0],
      ['privileged-containers', 'unknown', 0],
      ['external-access', 'unknown', 0],
    ]);
    expect(checksOf(service('a', 'pass'))[1]).toEqual(['mesh-mtls', 'pass', 0]);
    expect(checksOf([service('a', 'pass'), service('b', 'unknown')].join('---\n'))[1]).toEqual([
      'mesh-mtls',
      'unknown',
      1,
    ]);
  });
});

describe('the outcome', () => {
  const forbidden: Unreadable = {
    what: 'x',
    kind: null,
    namespace: null,
    reason: 'forbidden',
    detail: '403',
    position: null,
  };
  const absent: Unreadable = { ...forbidden, kind: 'PeerAuthentication.security.istio.io', reason: 'absent-kind' };

  it.each<[string, string, Partial<Inventory>, Parameters<typeof outcomeOf>[1]]>([
    ['clean', service('a', 'pass'), {}, null],
    ['clean', service('a', 'pass'), { unreadable: [absent] }, null],
    ['unknown', service('a', 'unknown'), {}, null],
    ['findings', THREE, {}, null],
    ['findings', THREE, {}, 'medium'],
    ['unknown', THREE, {}, 'high'],
    ['unread', THREE, { unreadable: [forbidden] }, null],
    ['unread', service('a', 'pass'), { unreadable: [forbidden] }, null],
    ['unread', service('a', 'pass').replace('verdict: pass', 'verdict: pass, port: 1'), {}, null],
  ])('%s', (expected, text, inventory, threshold) => {
    expect(outcomeOf(audit(text, {}, inventory), threshold)).toBe(expected);
  });

  it('names in a verdict what could not be looked at', () => {
    expect(unknownWithout(refToCluster(), [], { ...absent, what: 'peerauthentications' })).toMatchObject({
      verdict: 'unknown',
      reason: 'absent-kind',
      detail: 'peerauthentications could not be looked at: 403',
    });
  });
});
