import { describe, expect, it } from 'vitest';
import { formatObject, readKubeObject, type ObjectSource } from '../../src/audit/kube-object.ts';

const FILE: ObjectSource = { origin: 'file', defaultNamespace: 'default', locate: () => null };

function read(body: unknown, source: ObjectSource = FILE): unknown {
  const reading = readKubeObject(body, source);
  return reading.kind === 'object' ? reading.object : reading;
}

describe('objects', () => {
  it('has its metadata read', () => {
    const metadata = {
      name: 'web',
      namespace: 'ml',
      uid: 'u',
      creationTimestamp: '2026-01-02T03:04:05Z',
      labels: { app: 'web', broken: 1 },
      annotations: { note: 'x' },
    };
    expect(read({ apiVersion: 'apps/v1', kind: 'Deployment', metadata })).toMatchObject({
      group: 'apps',
      kind: 'Deployment',
      namespace: 'ml',
      name: 'web',
      uid: 'u',
      createdMs: Date.UTC(2026, 0, 2, 3, 4, 5),
      labels: new Map([['app', 'web']]),
      annotations: new Map([['note', 'x']]),
    });
  });

  it.each<[string, unknown, Partial<ObjectSource>, string | null]>([
    ['a Pod in a file', { apiVersion: 'v1', kind: 'Pod' }, {}, 'default'],
    ['a Pod in a file of another namespace', { apiVersion: 'v1', kind: 'Pod' }, { defaultNamespace: 'ml' }, 'ml'],
    ['a ClusterRole in a file', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole' }, {}, null],
    ['an object of any kind of an API server', { apiVersion: 'a.example/v1', kind: 'Thing' }, { origin: 'live' }, null],
  ])('puts %s in its namespace', (_name, type, source, namespace) => {
    expect(read({ ...Object(type), metadata: { name: 'x' } }, { ...FILE, ...source })).toMatchObject({ namespace });
  });

  it.each([
    ['null', null, ['apiVersion']],
    ['a list', [], ['apiVersion']],
    ['a text', 'x', ['apiVersion']],
    ['no apiVersion', { kind: 'Pod', metadata: { name: 'x' } }, ['apiVersion']],
    ['an apiVersion that is no text', { apiVersion: 1, kind: 'Pod', metadata: { name: 'x' } }, ['apiVersion']],
    ['no kind', { apiVersion: 'v1', metadata: { name: 'x' } }, ['kind']],
    ['no metadata', { apiVersion: 'v1', kind: 'Pod' }, ['metadata', 'name']],
    ['an empty name', { apiVersion: 'v1', kind: 'Pod', metadata: { name: '' } }, ['metadata', 'name']],
    [
      'metadata of a prototype',
      Object.create({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' } }),
      ['apiVersion'],
    ],
  ])('refuses %s', (_name, body, at) => {
    expect(read(body)).toMatchObject({ kind: 'malformed', at });
  });

  it.each([null, 7, 'yesterday', '2026-13-01T00:00:00Z'])('takes %j for no time of creation', (creationTimestamp) => {
    expect(read({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', creationTimestamp } })).toMatchObject({
      createdMs: null,
    });
  });

  it('is written with its namespace and kind', () => {
    expect(formatObject({ namespace: 'ml', name: 'web', kind: 'Deployment' })).toBe('ml/web[Deployment]');
    expect(formatObject({ namespace: null, name: 'admin', kind: 'ClusterRole' })).toBe('admin[ClusterRole]');
  });
});
