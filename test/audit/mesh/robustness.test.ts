import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildCluster } from '../../../src/audit/cluster.ts';
import { ANONYMOUS, STRANGER } from '../../../src/audit/mesh/caller.ts';
import { authorize } from '../../../src/audit/mesh/admission.ts';
import { listMtls } from '../../../src/audit/mesh/list-mtls.ts';
import { meshAuthorization, meshOf, requiresIdentity } from '../../../src/audit/mesh/mesh.ts';
import { meshRules } from '../../../src/audit/mesh/mesh-rules.ts';
import { inventoryOf, objectOf } from '../inventory.ts';
import { termsOf } from '../terms.ts';
import { AMBIENT, namespace, OPTIONS, SIDECARS, type Body } from './setting.ts';

/** Objects of every kind that is read, in which anything may stand anywhere. */
const KINDS: readonly (readonly [apiVersion: string, kind: string, keys: readonly string[]])[] = [
  [
    'security.istio.io/v1',
    'PeerAuthentication',
    ['selector', 'matchLabels', 'matchExpressions', 'mtls', 'mode', 'portLevelMtls', '8080', 'app'],
  ],
  [
    'security.istio.io/v1',
    'AuthorizationPolicy',
    [
      'action',
      'rules',
      'from',
      'to',
      'when',
      'source',
      'operation',
      'principals',
      'ports',
      'key',
      'values',
      'selector',
      'matchLabels',
      'targetRefs',
    ],
  ],
  [
    'networking.istio.io/v1',
    'DestinationRule',
    [
      'host',
      'trafficPolicy',
      'tls',
      'mode',
      'portLevelSettings',
      'port',
      'number',
      'subsets',
      'exportTo',
      'workloadSelector',
    ],
  ],
  ['policy.linkerd.io/v1beta3', 'Server', ['podSelector', 'matchLabels', 'port', 'accessPolicy', 'app']],
  ['policy.linkerd.io/v1alpha1', 'AuthorizationPolicy', ['targetRef', 'kind', 'name', 'requiredAuthenticationRefs']],
  ['policy.linkerd.io/v1alpha1', 'MeshTLSAuthentication', ['identities', 'identityRefs', 'kind', 'name']],
  [
    'policy.linkerd.io/v1beta1',
    'ServerAuthorization',
    ['server', 'selector', 'client', 'meshTLS', 'serviceAccounts', 'networks'],
  ],
  [
    'cilium.io/v2',
    'CiliumNetworkPolicy',
    ['endpointSelector', 'matchLabels', 'ingress', 'authentication', 'mode', 'toPorts', 'ports', 'port', 'app'],
  ],
  ['v1', 'Service', ['selector', 'app', 'ports', 'port', 'targetPort', 'protocol']],
  [
    'apps/v1',
    'Deployment',
    [
      'template',
      'metadata',
      'labels',
      'annotations',
      'spec',
      'containers',
      'initContainers',
      'name',
      'image',
      'ports',
      'containerPort',
      'hostNetwork',
      'args',
      'volumes',
      'volumeMounts',
      'configMap',
      'app',
    ],
  ],
];
const LEAF = fc.constantFrom<unknown>(
  null,
  true,
  false,
  0,
  8080,
  -1,
  1.5,
  '',
  'api',
  'app',
  '8080',
  'STRICT',
  'DISABLE',
  'DENY',
  '*',
  'istio-proxy',
  'sallyport',
  'run',
  '--config',
  'required',
  'Server',
  'api.ml.svc.cluster.local',
  'source.namespace',
);

function valueOf(keys: readonly string[]): fc.Arbitrary<unknown> {
  const { value } = fc.letrec<{ readonly value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      LEAF,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('value'), { maxKeys: 4 }),
    ),
  }));
  return value;
}

const OBJECTS = fc.array(
  fc.constantFrom(...KINDS).chain(([apiVersion, kind, keys]) =>
    fc.record({ spec: valueOf(keys), labels: valueOf(['app']), place: fc.constantFrom('ml', 'istio-system') }).map(
      ({ spec, labels, place }): Body => ({
        apiVersion,
        kind,
        metadata: { name: 'api', namespace: place, labels },
        spec,
      }),
    ),
  ),
  { maxLength: 8 },
);
const TEXTS = fc.array(
  fc
    .record({
      name: fc.constantFrom('istio', 'istio-sidecar-injector', 'linkerd-config', 'cilium-config', 'sallyport-config'),
      key: fc.constantFrom('mesh', 'config', 'values', 'sallyport.yaml'),
      text: fc.oneof(
        fc.string(),
        fc.constantFrom('a: [', '{}', '[]', 'listeners: 1', 'rootNamespace: []', 'global: x', 'policy: { mode: 1 }'),
      ),
    })
    .map(
      ({ name, key, text }): Body => ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: 'istio-system' },
        data: { [key]: text },
      }),
    ),
  { maxLength: 3 },
);

describe('objects in which anything stands anywhere', () => {
  it('are judged without a crash, and every question has an answer', () => {
    fc.assert(
      fc.property(OBJECTS, TEXTS, fc.constantFrom(SIDECARS, AMBIENT, {}), (objects, texts, labels) => {
        const cluster = buildCluster(
          inventoryOf([namespace('ml', labels), ...objects, ...texts].map((body) => objectOf(body))),
        );
        for (const rule of meshRules) {
          for (const verdict of rule.evaluate(cluster, termsOf().context))
            expect(verdict.detail).not.toContain('undefined');
        }
        for (const { mode, source } of listMtls(cluster, OPTIONS)) {
          expect(['STRICT', 'PERMISSIVE', 'DISABLE', 'UNKNOWN']).toContain(mode);
          expect(source).not.toBe('');
        }
        const mesh = meshOf(cluster, OPTIONS);
        for (const to of cluster.workloads) {
          expect(['yes', 'no', 'unknown']).toContain(requiresIdentity(mesh, to, 8080));
          for (const caller of [ANONYMOUS, STRANGER]) {
            expect(authorize(mesh, caller, { to, port: 8080 }).why.length).toBeGreaterThan(0);
          }
          for (const from of cluster.workloads)
            expect(meshAuthorization(mesh, from, { to, port: 8080 }).why.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 400 },
    );
  });
});
