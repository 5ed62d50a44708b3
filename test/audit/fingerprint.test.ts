import { describe, expect, it } from 'vitest';
import { buildCluster } from '../../src/audit/cluster.ts';
import { refToWorkload, type Verdict } from '../../src/audit/finding.ts';
import { fingerprintOf, identityOf } from '../../src/audit/fingerprint.ts';
import { runAudit } from '../../src/audit/audit.ts';
import type { Path } from '../../src/audit/path.ts';
import { NO_REMEDIATION, failed } from '../../src/audit/verdict.ts';
import { inventoryOf, objectsOf } from './inventory.ts';
import { ruleOf, termsOf } from './terms.ts';

const POD = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ml, uid: one }
spec:
  replicas: 1
  template:
    spec:
      containers: [{ name: side, image: side:1 }, { name: main, image: main:1, args: [a, b] }]
`;

interface Account {
  readonly at: Path;
  readonly container: string | null;
  readonly key?: string;
}

function print(text: string, { at, container, key }: Account, rule = 'test-rule'): string {
  const [workload] = buildCluster(inventoryOf(objectsOf(text))).workloads;
  if (workload === undefined) throw new Error('no workload');
  const named = workload.containers.find(({ name }) => name === container) ?? null;
  const verdict: Verdict = failed(refToWorkload(workload, named), {
    at: named === null ? at : [...named.path, ...at],
    detail: 'x',
    evidence: {},
    remediation: NO_REMEDIATION,
    ...(key === undefined ? {} : { key }),
  });
  return fingerprintOf(identityOf(rule, verdict), 1);
}

const IMAGE: Account = { at: ['image'], container: 'main' };

describe('a fingerprint', () => {
  const original = print(POD, IMAGE);

  it.each<[string, string]>([
    ['a comment and other lines', `# a comment\n${POD.replace('replicas: 1', '# more\n  replicas: 1')}`],
    [
      'another order of containers',
      POD.replace('{ name: side, image: side:1 }, ', '').replace('b] }]', 'b] }, { name: side, image: side:1 }]'),
    ],
    ['another uid', POD.replace('uid: one', 'uid: two')],
    ['another number of replicas', POD.replace('replicas: 1', 'replicas: 9')],
    ['another version of the API', POD.replace('apps/v1', 'apps/v2')],
    ['another image', POD.replace('main:1', 'main:2')],
  ])('stays with %s', (_name, text) => {
    expect(print(text, IMAGE)).toBe(original);
  });

  it.each<[string, string]>([
    ['another name', print(POD.replace('name: web', 'name: api'), IMAGE)],
    ['another namespace', print(POD.replace('namespace: ml', 'namespace: web'), IMAGE)],
    ['another kind', print(POD.replace('kind: Deployment', 'kind: StatefulSet'), IMAGE)],
    ['another rule', print(POD, IMAGE, 'test-other')],
    ['another container', print(POD, { ...IMAGE, container: 'side' })],
    ['another place', print(POD, { ...IMAGE, at: ['args', 0] })],
    ['another target', print(POD, { ...IMAGE, key: 'ml/db' })],
  ])('changes with %s', (_name, fingerprint) => {
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(fingerprint).not.toBe(original);
  });

  it('tells items without names apart by their index', () => {
    expect(print(POD, { ...IMAGE, at: ['args', 0] })).not.toBe(print(POD, { ...IMAGE, at: ['args', 1] }));
  });

  it('is no other for a place that is not there', () => {
    expect(print(POD, { ...IMAGE, at: ['securityContext', 'runAsUser'] })).toMatch(/^[0-9a-f]{64}$/);
  });

  it('differs for two findings of one rule in one place', () => {
    const rule = ruleOf({ subject: 'workload' }, function* (cluster) {
      for (const workload of cluster.workloads) {
        const account = { at: workload.podPath, detail: 'x', evidence: {}, remediation: NO_REMEDIATION };
        yield failed(refToWorkload(workload, null), account);
        yield failed(refToWorkload(workload, null), account);
      }
    });
    const { findings } = runAudit(inventoryOf(objectsOf(POD)), termsOf({ rules: [rule] }));
    expect(new Set(findings.map(({ fingerprint }) => fingerprint)).size).toBe(2);
  });
});
