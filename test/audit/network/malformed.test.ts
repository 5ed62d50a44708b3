import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateRules } from '../../../src/audit/audit.ts';
import type { Cluster } from '../../../src/audit/cluster.ts';
import { type ConnectionSet, isNone, subtract } from '../../../src/audit/network/connection-set.ts';
import type { CniName } from '../../../src/audit/network/cni.ts';
import { type Connectivity, connectivity } from '../../../src/audit/network/connectivity.ts';
import { networkRulesFor } from '../../../src/audit/network/network-rules.ts';
import { termsOf } from '../terms.ts';
import { listConnections } from './connection-rows.ts';
import {
  adminPolicy,
  baselinePolicy,
  type Body,
  calicoGlobal,
  calicoPolicy,
  calicoTier,
  ciliumClusterwide,
  ciliumPolicy,
  clusterFrom,
  clusterPolicy,
  namespace,
  networkPolicy,
  pod,
} from './scene.ts';

const WORLD: readonly Body[] = [
  namespace('ml', { team: 'ml' }),
  namespace('other', { team: 'other' }),
  pod('ml/a', { labels: { app: 'a' }, ports: [['http', 80]] }),
  pod('ml/b', { labels: { app: 'b' } }),
  pod('other/c'),
  pod('other/host', { hostNetwork: true }),
];

/** Closed, with a few narrow rules: whatever breaks in them must not open anything for certain. */
const SETTINGS: readonly (readonly [name: string, cni: CniName, policies: readonly Body[]])[] = [
  [
    'NetworkPolicy',
    'standard',
    [
      networkPolicy('ml/p', {
        podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'b'] }] },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            from: [{ podSelector: { matchLabels: { app: 'a' } }, namespaceSelector: { matchLabels: { team: 'ml' } } }],
            ports: [{ port: 'http', protocol: 'TCP' }],
          },
        ],
        egress: [
          {
            to: [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } }],
            ports: [{ port: 443, endPort: 444 }],
          },
        ],
      }),
    ],
  ],
  [
    'policies of Cilium',
    'cilium',
    [
      ciliumPolicy('ml/p', {
        endpointSelector: { matchLabels: { 'k8s:app': 'a' } },
        ingress: [
          {
            fromEndpoints: [{ matchLabels: { app: 'b' } }],
            toPorts: [{ ports: [{ port: '80', protocol: 'TCP', endPort: 81 }] }],
          },
          { fromEntities: ['host'] },
        ],
        egress: [
          { toCIDRSet: [{ cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] }] },
          { toFQDNs: [{ matchName: 'a.example' }] },
        ],
        egressDeny: [{ toEntities: ['world'] }],
        enableDefaultDeny: { ingress: true, egress: true },
      }),
      ciliumClusterwide('all', { endpointSelector: {}, ingress: [{}], egress: [{}] }),
    ],
  ],
  [
    'policies of Calico',
    'calico',
    [
      calicoTier('first', { order: 1, defaultAction: 'Deny' }),
      calicoPolicy('ml/p', {
        tier: 'first',
        order: 1,
        selector: "app == 'a'",
        types: ['Ingress', 'Egress'],
        ingress: [
          {
            action: 'Allow',
            protocol: 'TCP',
            source: { selector: "app == 'b'", serviceAccounts: { names: ['x'] } },
            destination: { ports: [80, '90:91'] },
          },
        ],
        egress: [{ action: 'Pass' }],
      }),
      calicoGlobal('all', {
        namespaceSelector: "team == 'ml'",
        types: ['Ingress', 'Egress'],
        ingress: [{ action: 'Deny', source: { nets: ['203.0.113.0/24'] } }],
      }),
    ],
  ],
  [
    'admin policies',
    'standard',
    [
      adminPolicy('a', {
        priority: 1,
        subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'a' } } } },
        ingress: [
          {
            name: 'x',
            action: 'Deny',
            from: [{ namespaces: { matchLabels: { team: 'other' } } }],
            ports: [{ portNumber: { protocol: 'TCP', port: 80 } }],
          },
        ],
        egress: [{ action: 'Allow', to: [{ networks: ['203.0.113.0/24'] }] }],
      }),
      clusterPolicy('c', {
        tier: 'Admin',
        priority: 2,
        subject: { namespaces: {} },
        ingress: [
          {
            action: 'Deny',
            from: [{ namespaces: {} }],
            protocols: [{ tcp: { destinationPort: { range: { start: 1, end: 100 } } } }],
          },
        ],
      }),
      baselinePolicy({ subject: { namespaces: {} }, ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] }),
    ],
  ],
];

type Place = readonly (string | number)[];

/** Every place in the specification of a policy. */
function placesOf(value: unknown, at: Place = []): readonly Place[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [
    at,
    ...Object.entries(value).flatMap(([key, inner]) =>
      placesOf(inner, [...at, Array.isArray(value) ? Number(key) : key]),
    ),
  ];
}

function replaceAt(value: unknown, [step, ...rest]: Place, replacement: unknown): unknown {
  if (step === undefined) return replacement;
  if (Array.isArray(value))
    return value.map((item, index) => (index === step ? replaceAt(item, rest, replacement) : item));
  return {
    ...(value as object),
    [step]: replaceAt((value as Readonly<Record<string, unknown>>)[step], rest, replacement),
  };
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    65_536,
    '',
    'x',
    '0.0.0.0/0',
    [],
    {},
    [null],
    [{}],
    { a: 1 },
    'Allow',
    'Deny',
    'Pass',
    ['Ingress'],
    'all()',
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

const broken = fc.constantFrom(...SETTINGS).chain(([, cni, policies]) =>
  fc.nat(policies.length - 1).chain((index) => {
    const policy = policies[index];
    return fc.record({
      cni: fc.constant(cni),
      policies: fc.constant(policies),
      index: fc.constant(index),
      // A specification without anything in it is a policy that does nothing, and so not among them.
      at: fc.constantFrom(...placesOf(policy?.['spec']).filter(({ length }) => length > 0)),
      replacement: junk,
    });
  }),
);

describe('policies with anything in place of anything', () => {
  it('break nothing', () => {
    fc.assert(
      fc.property(broken, ({ cni, policies, index, at, replacement }) => {
        const bodies = policies.map((policy, number) =>
          number === index ? { ...policy, spec: replaceAt(policy['spec'], at, replacement) } : policy,
        );
        const cluster = clusterFrom([...WORLD, ...bodies]);
        for (const { connections, why } of listConnections(cluster, cni)) {
          expect(connections).toMatch(/^(?:All|None|Unknown|(?:(?:TCP|UDP|SCTP) [\d,-]+(?:, )?)+)$/);
          expect(why.length).toBeGreaterThan(0);
        }
        const evaluations = evaluateRules(cluster, { rules: networkRulesFor(cni), context: termsOf().context });
        expect(evaluations.map(({ failure }) => failure)).toEqual(evaluations.map(() => null));
      }),
      { numRuns: 200 },
    );
  });

  it('open nothing for certain where what stands there is no such value', () => {
    fc.assert(
      fc.property(broken, ({ cni, policies, index, at, replacement }) => {
        const read = (changed: unknown): { readonly cluster: Cluster; readonly known: Connectivity } => {
          const bodies = policies.map((policy, number) =>
            number === index ? { ...policy, spec: replaceAt(policy['spec'], at, changed) } : policy,
          );
          const cluster = clusterFrom([...WORLD, ...bodies]);
          return { cluster, known: connectivity(cluster, { cni, undetected: 'unknown' }) };
        };
        const isSound = (changed: unknown): boolean => {
          const { cluster, known } = read(changed);
          for (const from of cluster.workloads) for (const to of cluster.workloads) known.between(from, to);
          return cluster.malformed.length === 0;
        };
        const sane = clusterFrom([...WORLD, ...policies]);
        const before = connectivity(sane, { cni, undetected: 'unknown' });
        const odd = read(replacement);
        // Of a list what is sound counts, whatever stands beside it.
        const sound = Array.isArray(replacement) ? replacement.filter((item) => isSound([item])) : [];
        const allowed = sound.length === 0 ? null : read(sound);
        const opened = sane.workloads.some((from, i) =>
          sane.workloads.some((to, j) => {
            const certain = ({ cluster, known }: typeof odd): ConnectionSet => {
              const [source, target] = [cluster.workloads[i], cluster.workloads[j]];
              if (source === undefined || target === undefined) throw new Error('the same workloads');
              return known.between(source, target).bounds.certain;
            };
            const more = subtract(certain(odd), before.between(from, to).bounds.certain);
            return !isNone(allowed === null ? more : subtract(more, certain(allowed)));
          }),
        );
        // What is noted as malformed opens nothing; what opens something is a policy as good as the first.
        if (odd.cluster.malformed.length > 0) expect(opened).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it.each(SETTINGS)('of kind %s are read without a note when nothing is wrong', (_, cni, policies) => {
    const cluster = clusterFrom([...WORLD, ...policies]);
    expect([...listConnections(cluster, cni)].length).toBeGreaterThan(0);
    expect(cluster.malformed).toEqual([]);
  });
});
