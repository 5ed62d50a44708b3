import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { evaluateRules } from '../../src/audit/audit.ts';
import { buildCluster, type Cluster } from '../../src/audit/cluster.ts';
import { ALL_RULES } from '../../src/audit/rules.ts';
import { kindKey } from '../../src/audit/scope.ts';
import { AUDIT_DEFAULTS } from '../../src/cli/audit-input.ts';
import { isListed, LISTED_KINDS } from '../../src/kube/kinds.ts';

/** Names of resources that are not the kind in lower case and plural. */
const IRREGULAR: Readonly<Record<string, string>> = {
  NetworkAttachmentDefinition: 'network-attachment-definitions',
  IngressClassParams: 'ingressclassparams',
  SecurityContextConstraints: 'securitycontextconstraints',
};

function resourceOf(kind: string): string {
  const name = kind.toLowerCase();
  if (/(?:s|x|ch|sh)$/.test(name)) return IRREGULAR[kind] ?? `${name}es`;
  return IRREGULAR[kind] ?? (/[^aeiou]y$/.test(name) ? `${name.slice(0, -1)}ies` : `${name}s`);
}

/** Kinds that rules ask for by name, of a cluster in which there is something of everything that makes them ask. */
function askedKinds(): ReadonlySet<string> {
  const asked = new Map<string, readonly [string, string]>();
  const note = (group: string, kind: string): void => void asked.set(kindKey(group, kind), [group, kind]);
  const template = { spec: { containers: [{ name: 'main', image: 'x', env: [{ name: 'A', valueFrom: {} }] }] } };
  const objects = [
    { group: 'apps', kind: 'Deployment', spec: { template } },
    { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', spec: { parentRefs: [{ name: 'g' }], rules: [] } },
    { group: 'networking.istio.io', kind: 'VirtualService', spec: { gateways: ['g'], hosts: ['h'] } },
  ].map(({ group, kind, spec }) => ({
    apiVersion: `${group}/v1`,
    group,
    kind,
    namespace: 'ml',
    name: 'x',
    uid: null,
    createdMs: null,
    labels: new Map<string, string>(),
    annotations: new Map<string, string>(),
    origin: 'live' as const,
    body: { apiVersion: `${group}/v1`, kind, metadata: { name: 'x', namespace: 'ml' }, spec },
    locate: () => null,
  }));
  const inner = buildCluster({ objects, unreadable: [], completeKinds: new Set(LISTED_KINDS.map(({ key }) => key)) });
  const built = new Map<unknown, unknown>();
  const cluster: Cluster = {
    ...inner,
    byKind: (group, kind) => (note(group, kind), inner.byKind(group, kind)),
    inNamespace: (group, kind, namespace) => (note(group, kind), inner.inNamespace(group, kind, namespace)),
    find: (group, kind, at) => (note(group, kind), inner.find(group, kind, at)),
    isKnown: (group, kind, namespace) => (note(group, kind), inner.isKnown(group, kind, namespace)),
    once: <T>(build: (cluster: Cluster) => T): T => {
      if (!built.has(build)) built.set(build, build(cluster));
      return built.get(build) as T;
    },
  };
  evaluateRules(cluster, { rules: ALL_RULES, context: { policy: null, options: AUDIT_DEFAULTS, nowMs: 0 } });
  return new Set(
    [...asked.values()].filter(([group, kind]) => !isListed(group, kind)).map(([group, kind]) => kindKey(group, kind)),
  );
}

describe('the kinds that are listed', () => {
  it('are all that rules ask for, but for what says no more than others', () => {
    // One for every pod: that Cilium is there shows elsewhere.
    expect(askedKinds()).toEqual(new Set(['CiliumEndpoint.cilium.io']));
  });

  it('are those that the ClusterRole of the audit may read, but for Secrets', () => {
    const path = fileURLToPath(new URL('../../deploy/audit/rbac.yaml', import.meta.url));
    const { rules } = parse(readFileSync(path, 'utf8'));
    const granted = rules.flatMap(({ apiGroups, resources, verbs }: Readonly<Record<string, readonly string[]>>) => {
      expect(verbs).toEqual(['get', 'list', 'watch']);
      return apiGroups?.flatMap((group) => resources?.map((resource) => `${resource}.${group}`));
    });
    const wanted = LISTED_KINDS.filter(({ key }) => key !== 'Secret').map(
      ({ group, kind }) => `${resourceOf(kind)}.${group}`,
    );
    expect(new Set(granted)).toEqual(new Set(wanted));
    expect(granted).toHaveLength(wanted.length);
  });
});
