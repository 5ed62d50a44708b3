import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadPolicy, type PolicySource } from '../../../src/policy/load.ts';
import { linesOf, verdictsOf, type Setting } from './verdicts.ts';

const ACCOUNT = 'credential-shared-service-account';
const SECRET = 'credential-shared-secret';

function pod(name: string, labels: string, spec = ''): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ml, labels: ${labels} }
spec: { serviceAccountName: shared, containers: [{ name: main, image: a:1 }]${spec} }
`;
}

const READS = ', volumes: [{ name: v, secret: { secretName: api-key } }]';

function policySetting(template: string, componentLabel: string | null = null): Setting {
  const bytesOf = (file: string): Uint8Array => readFileSync(new URL(`../../../policies/${file}`, import.meta.url));
  const sources: readonly PolicySource[] = [
    { file: 'ai-platform.yaml', kind: 'policy', bytes: bytesOf('ai-platform.yaml') },
    { file: 'protocols/mlflow.yaml', kind: 'protocol', bytes: bytesOf('protocols/mlflow.yaml') },
    { file: 'protocols/generic.yaml', kind: 'protocol', bytes: bytesOf('protocols/generic.yaml') },
  ];
  const policy = loadPolicy(sources, 'enforce');
  return {
    context: { policy, options: { spiffeIdTemplate: template, componentLabel, meshRootNamespace: 'istio-system' } },
  };
}

describe('credential-shared-service-account', () => {
  it('S27 finds the account that several components run under', () => {
    const text = [pod('a', '{ app: training }'), pod('b', '{ app: inference }')].join('---');
    expect(linesOf(ACCOUNT, text)).toEqual(['fail medium ml/shared[ServiceAccount]']);
    expect(verdictsOf(ACCOUNT, text)[0]?.evidence).toEqual({
      components: { training: ['ml/a[Pod]'], inference: ['ml/b[Pod]'] },
    });
  });

  it.each<[string, readonly string[], string]>([
    ['one component in two workloads', [pod('a', '{ app: training }'), pod('b', '{ app: training }')], 'pass'],
    ['one workload without a label', [pod('a', '{}')], 'pass'],
    ['two workloads without labels', [pod('a', '{}'), pod('b', '{}')], 'unknown'],
    ['one with a label and one without', [pod('a', '{ app: training }'), pod('b', '{}')], 'unknown'],
    [
      'the component label before the others',
      [
        pod('a', '{ app: ex, app.kubernetes.io/component: training }'),
        pod('b', '{ app: why, app.kubernetes.io/component: training }'),
      ],
      'pass',
    ],
  ])('S27 judges %s', (_what, pods, verdict) => {
    expect(linesOf(ACCOUNT, pods.join('---')).map((line) => line.split(' ')[0])).toEqual([verdict]);
  });

  it('S27 goes by the components of the policy, where there is one', () => {
    const text = [pod('a', '{ app: ex }'), pod('b', '{ app: why }')].join('---');
    expect(linesOf(ACCOUNT, text, policySetting('/training/{name}'))).toEqual(['pass ml/shared[ServiceAccount]']);
    expect(linesOf(ACCOUNT, text, policySetting('/{label:app}/{name}'))).toEqual([
      'unknown component-unknown ml/shared[ServiceAccount]',
    ]);
    const labelled = [pod('a', '{ c: training }'), pod('b', '{ c: inference }')].join('---');
    expect(linesOf(ACCOUNT, labelled, policySetting('/{label:c}/{name}'))).toEqual([
      'fail medium ml/shared[ServiceAccount]',
    ]);
    expect(linesOf(ACCOUNT, labelled, policySetting('/training/x', 'c'))).toEqual([
      'fail medium ml/shared[ServiceAccount]',
    ]);
    // Whoever is of no component is somebody else to the policy.
    const stranger = [pod('a', '{ c: training }'), pod('b', '{ c: dashboard }')].join('---');
    expect(linesOf(ACCOUNT, stranger, policySetting('/{label:c}/{name}'))).toEqual([
      'fail medium ml/shared[ServiceAccount]',
    ]);
  });
});

describe('credential-shared-secret', () => {
  it('S27 finds the Secret that several components read, however they do', () => {
    const inEnv = pod('b', '{ app: inference }').replace(
      'image: a:1',
      'image: a:1, envFrom: [{ secretRef: { name: api-key } }]',
    );
    const text = [pod('a', '{ app: training }', READS), inEnv].join('---');
    expect(linesOf(SECRET, text)).toEqual(['fail medium ml/api-key[Secret]']);
  });

  it('S27 passes one that a single component reads, and what is for pulling images', () => {
    expect(linesOf(SECRET, [pod('a', '{ app: ex }', READS), pod('b', '{ app: ex }', READS)].join('---'))).toEqual([
      'pass ml/api-key[Secret]',
    ]);
    const pull = ', imagePullSecrets: [{ name: api-key }]';
    expect(linesOf(SECRET, [pod('a', '{ app: ex }', pull), pod('b', '{ app: why }', pull)].join('---'))).toEqual([]);
  });

  it('tells Secrets of one name in two namespaces apart', () => {
    const other = pod('b', '{ app: why }', READS).replace('namespace: ml', 'namespace: other');
    expect(linesOf(SECRET, [pod('a', '{ app: ex }', READS), other].join('---'))).toEqual([
      'pass ml/api-key[Secret]',
      'pass other/api-key[Secret]',
    ]);
  });
});
