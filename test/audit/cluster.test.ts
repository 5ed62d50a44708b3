import { describe, expect, it, vi } from 'vitest';
import { buildCluster } from '../../src/audit/cluster.ts';
import type { Unreadable } from '../../src/audit/inventory.ts';
import { clusterOf, inventoryOf, objectsOf } from './inventory.ts';

const OBJECTS = `
apiVersion: v1
kind: Namespace
metadata: { name: ml, labels: { team: ml } }
---
apiVersion: v1
kind: Service
metadata: { name: b, namespace: ml }
---
apiVersion: v1
kind: Service
metadata: { name: a, namespace: ml }
---
apiVersion: v1
kind: Service
metadata: { name: a, namespace: web }
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: { name: a, namespace: ml }
spec: { template: { spec: { containers: [{ name: main, image: main:1 }] } } }
`;

describe('the cluster', () => {
  const cluster = clusterOf(OBJECTS);

  it('finds objects by kind, namespace and name, and does not mistake one Service for another', () => {
    expect(cluster.byKind('', 'Service').map(({ namespace, name }) => `${namespace}/${name}`)).toEqual([
      'ml/a',
      'ml/b',
      'web/a',
    ]);
    expect(cluster.inNamespace('', 'Service', 'web').map(({ name }) => name)).toEqual(['a']);
    expect(cluster.find('', 'Service', { namespace: 'ml', name: 'a' })?.apiVersion).toBe('v1');
    expect(cluster.find('', 'Service', { namespace: 'web', name: 'b' })).toBeNull();
    expect(cluster.find('', 'Namespace', { namespace: null, name: 'ml' })?.name).toBe('ml');
    expect(cluster.byKind('', '__proto__')).toEqual([]);
    expect(cluster.workloadsIn('ml').map(({ ref }) => ref)).toEqual(['ml/a[Service]']);
    expect(cluster.workloadsIn('web')).toEqual([]);
  });

  it('knows namespaces that are only spoken of by their name alone', () => {
    expect([...cluster.namespaces.keys()]).toEqual(['ml', 'web']);
    expect(cluster.namespaces.get('ml')).toMatchObject({
      isImplied: false,
      labels: new Map([
        ['team', 'ml'],
        ['kubernetes.io/metadata.name', 'ml'],
      ]),
    });
    expect(cluster.namespaces.get('web')).toMatchObject({
      isImplied: true,
      object: null,
      labels: new Map([['kubernetes.io/metadata.name', 'web']]),
    });
  });

  it('does not take labels for known of which some could not be read', () => {
    const broken = clusterOf(
      'apiVersion: v1\nkind: Namespace\nmetadata: { name: ml, labels: { team: ml, zone: 1 } }\n',
    );
    expect(broken.namespaces.get('ml')?.isImplied).toBe(true);
    expect(broken.malformed.map(({ path }) => path)).toEqual([['metadata', 'labels', 'zone']]);
  });

  it('has the same order whatever the order of the files', () => {
    const forwards = objectsOf(OBJECTS);
    const names = (objects: typeof forwards): readonly string[] =>
      buildCluster(inventoryOf(objects)).objects.map(({ kind, name, namespace }) => `${kind} ${namespace} ${name}`);
    expect(names(forwards.toReversed())).toEqual(names(forwards));
  });

  it('makes once what several rules work on', () => {
    const build = vi.fn(() => ({}));
    expect(cluster.once(build)).toBe(cluster.once(build));
    expect(build).toHaveBeenCalledTimes(1);
    expect(cluster.once(() => 1)).toBe(1);
  });

  it('notes what is malformed as it is read, once', () => {
    const [object] = cluster.byKind('', 'Namespace');
    if (object === undefined) throw new Error('no namespace');
    expect(cluster.malformedIn(object)).toEqual([]);
    expect(cluster.field(object, 'metadata', 'name').asBoolean()).toBeNull();
    cluster.field(object, 'metadata').get('name').asBoolean();
    expect(cluster.malformedIn(object)).toMatchObject([{ path: ['metadata', 'name'], found: 'a string' }]);
    expect(cluster.malformed).toHaveLength(1);
  });
});

describe('S6 whether absence can be concluded', () => {
  const forbidden = (kind: string | null, namespace: string | null): Unreadable => ({
    what: 'x',
    kind,
    namespace,
    reason: 'forbidden',
    detail: '403',
    position: null,
  });
  const POLICY = 'NetworkPolicy.networking.k8s.io';

  it.each<[string, readonly Unreadable[], ReadonlySet<string> | 'as-given', string | null, string]>([
    ['listed whole', [], new Set([POLICY]), null, 'known'],
    ['listed whole, asked of one namespace', [], new Set([POLICY]), 'ml', 'known'],
    ['listed in this namespace', [], new Set([`ml/${POLICY}`]), 'ml', 'known'],
    ['listed in another namespace', [], new Set([`web/${POLICY}`]), 'ml', 'not-given'],
    ['listed in one namespace, asked of all', [], new Set([`ml/${POLICY}`]), null, 'not-given'],
    ['not listed', [], new Set(), null, 'not-given'],
    ['forbidden everywhere', [forbidden(POLICY, null)], new Set(), 'ml', 'forbidden'],
    ['forbidden in this namespace', [forbidden(POLICY, 'ml')], new Set([POLICY]), 'ml', 'forbidden'],
    ['forbidden in another namespace', [forbidden(POLICY, 'web')], new Set([POLICY]), 'ml', 'known'],
    ['forbidden in some namespace, asked of all', [forbidden(POLICY, 'web')], new Set([POLICY]), null, 'forbidden'],
    ['another kind forbidden', [forbidden('Service', null)], new Set([POLICY]), null, 'known'],
    ['not among the files', [], 'as-given', null, 'not-given'],
    ['a file that could have held anything', [forbidden(null, null)], 'as-given', 'ml', 'forbidden'],
  ])('%s', (_name, unreadable, completeKinds, namespace, expected) => {
    const cluster = buildCluster(inventoryOf([], { unreadable, completeKinds }));
    const answer = cluster.isKnown('networking.k8s.io', 'NetworkPolicy', namespace);
    expect(answer === true ? 'known' : answer.reason).toBe(expected);
    expect(cluster.isKnown('networking.k8s.io', 'NetworkPolicy', namespace)).toBe(answer);
  });

  it('a kind of which files hold some', () => {
    expect(clusterOf(OBJECTS).isKnown('', 'Service')).toBe(true);
    expect(clusterOf(OBJECTS).isKnown('', 'Secret')).toMatchObject({ reason: 'not-given', what: 'Secret' });
  });
});
