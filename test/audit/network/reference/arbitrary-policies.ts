// Random policies of every kind.

import * as fc from 'fast-check';
import {
  adminPolicy,
  baselinePolicy,
  type Body,
  calicoGlobal,
  calicoPolicy,
  calicoTier,
  ciliumClusterwide,
  ciliumPolicy,
  clusterPolicy,
  type Labels,
  networkPolicy,
} from '../scene.ts';
import { action, block, ipBlock, NAMESPACES, namespaceSelector, podSelector, protocol } from './random-world.ts';

const PLACES = Object.keys(NAMESPACES);
const place = fc.constantFrom(...PLACES);

const kubernetesPeers = fc.array(
  fc.oneof(
    fc.record({ podSelector }),
    fc.record({ namespaceSelector }),
    fc.record({ podSelector, namespaceSelector }),
    fc.record({ ipBlock }),
  ),
  { maxLength: 2 },
);
const kubernetesPorts = fc.array(
  fc.oneof(
    fc.record({ port: fc.constantFrom(80, 8080, 53), protocol }, { requiredKeys: ['port'] }),
    fc.record({ port: fc.constantFrom('http', 'dns', 'alt'), protocol }, { requiredKeys: ['port'] }),
    fc.constant({ port: 80, endPort: 443 }),
    fc.record({ protocol }),
  ),
  { maxLength: 2 },
);

export const kubernetesPolicies: fc.Arbitrary<readonly Body[]> = fc
  .array(
    fc.tuple(
      place,
      fc.record(
        {
          podSelector,
          policyTypes: fc.subarray(['Ingress', 'Egress']),
          ingress: fc.array(fc.record({ from: kubernetesPeers, ports: kubernetesPorts }, { requiredKeys: [] }), {
            maxLength: 2,
          }),
          egress: fc.array(fc.record({ to: kubernetesPeers, ports: kubernetesPorts }, { requiredKeys: [] }), {
            maxLength: 2,
          }),
        },
        { requiredKeys: ['podSelector'] },
      ),
    ),
    { maxLength: 4 },
  )
  .map((list) => list.map(([where, spec], index) => networkPolicy(`${where}/policy-${index}`, spec)));

const pods = fc.record({ namespaceSelector, podSelector });
const subject = fc.oneof(fc.record({ namespaces: namespaceSelector }), fc.record({ pods }));
const adminIngressPeers = fc.array(fc.oneof(fc.record({ namespaces: namespaceSelector }), fc.record({ pods })), {
  minLength: 1,
  maxLength: 2,
});
const adminEgressPeers = fc.array(
  fc.oneof(
    fc.record({ namespaces: namespaceSelector }),
    fc.record({ pods }),
    fc.record({ networks: fc.array(block, { minLength: 1, maxLength: 2 }) }),
  ),
  { minLength: 1, maxLength: 2 },
);
const adminPorts = fc.array(
  fc.oneof(
    fc.record({ portNumber: fc.record({ protocol, port: fc.constantFrom(80, 53) }) }),
    fc.record({ portRange: fc.constant({ protocol: 'TCP', start: 80, end: 443 }) }),
    fc.record({ namedPort: fc.constantFrom('http', 'dns', 'alt') }),
  ),
  { minLength: 1, maxLength: 2 },
);
const clusterProtocols = fc.array(
  fc.oneof(
    fc
      .record({
        tcp: fc.constantFrom(
          {},
          { destinationPort: { number: 80 } },
          { destinationPort: { range: { start: 80, end: 443 } } },
        ),
      })
      .filter(({ tcp }) => Object.keys(tcp).length > 0),
    fc.record({ udp: fc.constant({ destinationPort: { number: 53 } }) }),
    fc.record({ destinationNamedPort: fc.constantFrom('http', 'dns') }),
  ),
  { minLength: 1, maxLength: 2 },
);
const priority = fc.integer({ min: 0, max: 2 });
const adminSections = {
  ingress: fc.array(
    fc.record({ action, from: adminIngressPeers, ports: adminPorts }, { requiredKeys: ['action', 'from'] }),
    { maxLength: 2 },
  ),
  egress: fc.array(fc.record({ action, to: adminEgressPeers, ports: adminPorts }, { requiredKeys: ['action', 'to'] }), {
    maxLength: 2,
  }),
};
const clusterAction = fc.constantFrom('Accept', 'Deny', 'Pass');
const clusterSections = {
  ingress: fc.array(
    fc.record(
      { action: clusterAction, from: adminIngressPeers, protocols: clusterProtocols },
      { requiredKeys: ['action', 'from'] },
    ),
    { maxLength: 2 },
  ),
  egress: fc.array(
    fc.record(
      { action: clusterAction, to: adminEgressPeers, protocols: clusterProtocols },
      { requiredKeys: ['action', 'to'] },
    ),
    { maxLength: 2 },
  ),
};
const baselineRules = fc.constantFrom('Allow', 'Deny');

export const adminPolicies: fc.Arbitrary<readonly Body[]> = fc
  .record({
    admin: fc.array(fc.record({ priority, subject, ...adminSections }), { maxLength: 2 }),
    baseline: fc.option(
      fc.record({
        subject,
        ingress: fc.array(fc.record({ action: baselineRules, from: adminIngressPeers }), { maxLength: 2 }),
        egress: fc.array(fc.record({ action: baselineRules, to: adminEgressPeers }), { maxLength: 1 }),
      }),
      { nil: null },
    ),
    cluster: fc.array(
      fc.record({ tier: fc.constantFrom('Admin', 'Baseline'), priority, subject, ...clusterSections }),
      { maxLength: 2 },
    ),
  })
  .map(({ admin, baseline, cluster }) => [
    ...admin.map((spec, index) => adminPolicy(`admin-${index}`, spec)),
    ...(baseline === null ? [] : [baselinePolicy(baseline)]),
    ...cluster.map((spec, index) => clusterPolicy(`cluster-${index}`, spec)),
  ]);

const ciliumSelector = fc.oneof(
  fc.constant({}),
  fc.constantFrom('a', 'b').map((app) => ({ matchLabels: { app } })),
  fc.constantFrom('a', 'b').map((app) => ({ matchLabels: { 'k8s:app': app } })),
  fc.constantFrom('ml', 'web').map((name) => ({ matchLabels: { 'k8s:io.kubernetes.pod.namespace': name } })),
  fc.constantFrom('ml', 'web').map((team) => ({ matchLabels: { 'io.cilium.k8s.namespace.labels.team': team } })),
  fc.constant({ matchLabels: { 'io.cilium.k8s.policy.serviceaccount': 'runner' } }),
  fc.constantFrom('Exists', 'DoesNotExist').map((operator) => ({ matchExpressions: [{ key: 'role', operator }] })),
  fc
    .constantFrom('In', 'NotIn')
    .map((operator) => ({ matchExpressions: [{ key: 'any:app', operator, values: ['a', 'c'] }] })),
);
const ciliumPorts = fc.array(
  fc.record({
    ports: fc.array(
      fc.oneof(
        fc.record(
          { port: fc.constantFrom('80', '53', '0'), protocol: fc.constantFrom('TCP', 'UDP', 'ANY') },
          { requiredKeys: ['port'] },
        ),
        fc.record(
          { port: fc.constantFrom('http', 'dns'), protocol: fc.constantFrom('TCP', 'UDP', 'ANY') },
          { requiredKeys: ['port'] },
        ),
        fc.constant({ port: '80', endPort: 443, protocol: 'TCP' }),
      ),
      { minLength: 1, maxLength: 2 },
    ),
  }),
  { minLength: 1, maxLength: 2 },
);

function ciliumRules(prefix: 'from' | 'to'): fc.Arbitrary<readonly object[]> {
  const toPorts = ciliumPorts;
  const lists = [
    fc.record(
      { [`${prefix}Endpoints`]: fc.array(ciliumSelector, { minLength: 1, maxLength: 2 }), toPorts },
      { requiredKeys: [`${prefix}Endpoints`] },
    ),
    fc.record(
      {
        [`${prefix}Entities`]: fc.array(fc.constantFrom('all', 'world', 'cluster'), { minLength: 1, maxLength: 1 }),
        toPorts,
      },
      { requiredKeys: [`${prefix}Entities`] },
    ),
    fc.record(
      { [`${prefix}CIDRSet`]: fc.array(ipBlock, { minLength: 1, maxLength: 2 }), toPorts },
      { requiredKeys: [`${prefix}CIDRSet`] },
    ),
    fc.record({ toPorts }, { requiredKeys: [] }),
  ];
  return fc.array(fc.oneof(...lists), { maxLength: 2 });
}

const ciliumSpec = fc.record(
  {
    endpointSelector: fc.oneof(
      fc.constant({}),
      fc.constantFrom('a', 'b').map((app) => ({ matchLabels: { app } })),
      fc.constantFrom('Exists', 'DoesNotExist').map((operator) => ({ matchExpressions: [{ key: 'role', operator }] })),
    ),
    ingress: ciliumRules('from'),
    egress: ciliumRules('to'),
    ingressDeny: ciliumRules('from'),
    egressDeny: ciliumRules('to'),
    enableDefaultDeny: fc.record({ ingress: fc.boolean(), egress: fc.boolean() }, { requiredKeys: [] }),
  },
  { requiredKeys: ['endpointSelector'] },
);

export const ciliumPolicies: fc.Arbitrary<readonly Body[]> = fc
  .record({
    own: fc.array(fc.tuple(place, ciliumSpec), { maxLength: 3 }),
    ofAll: fc.array(ciliumSpec, { maxLength: 2 }),
    several: fc.option(fc.tuple(place, fc.array(ciliumSpec, { minLength: 1, maxLength: 2 })), { nil: null }),
  })
  .map(({ own, ofAll, several }) => [
    ...own.map(([where, spec], index) => ciliumPolicy(`${where}/own-${index}`, spec)),
    ...ofAll.map((spec, index) => ciliumClusterwide(`all-${index}`, spec)),
    ...(several === null
      ? []
      : [{ ...ciliumPolicy(`${several[0]}/several`, several[1][0]), specs: several[1].slice(1) }]),
  ]);

export interface WrittenSelector {
  readonly text: string;
  readonly test: (labels: Labels) => boolean;
}

/** What an expression means is said where it is written, not read out of its text again. */
const { selector: calicoSelector } = fc.letrec<{ selector: WrittenSelector; atom: WrittenSelector }>((tie) => ({
  atom: fc.oneof(
    fc
      .record({
        key: fc.constantFrom('app', 'role'),
        value: fc.constantFrom('a', 'b', 'x'),
        quote: fc.constantFrom('"', "'"),
      })
      .map(({ key, value, quote }) => ({
        text: `${key} == ${quote}${value}${quote}`,
        test: (labels: Labels) => labels[key] === value,
      })),
    fc
      .constantFrom('a', 'x')
      .map((value) => ({ text: `app != '${value}'`, test: (labels: Labels) => labels['app'] !== value })),
    fc
      .constantFrom('app', 'role')
      .map((key) => ({ text: `has(${key})`, test: (labels: Labels) => labels[key] !== undefined })),
    fc.subarray(['a', 'b', 'y']).map((values) => ({
      text: `app in { ${values.map((value) => `"${value}"`).join(', ')} }`,
      test: (labels: Labels) => labels['app'] !== undefined && values.includes(labels['app']),
    })),
    fc.subarray(['a', 'b', 'y']).map((values) => ({
      text: `role not in {${values.map((value) => `'${value}'`).join(',')}}`,
      test: (labels: Labels) => labels['role'] === undefined || !values.includes(labels['role']),
    })),
    fc.constant({ text: "app starts with 'a'", test: (labels: Labels) => labels['app']?.startsWith('a') ?? false }),
    fc.constant({ text: 'all()', test: () => true }),
    fc.constantFrom('ml', 'web').map((name) => ({
      text: `projectcalico.org/namespace == '${name}'`,
      test: (labels: Labels) => labels['projectcalico.org/namespace'] === name,
    })),
  ),
  selector: fc.oneof(
    { maxDepth: 2 },
    tie('atom'),
    fc.tuple(tie('selector'), tie('selector')).map(([left, right]) => ({
      text: `(${left.text}) && (${right.text})`,
      test: (labels: Labels) => left.test(labels) && right.test(labels),
    })),
    fc.tuple(tie('selector'), tie('atom')).map(([left, right]) => ({
      text: `(${left.text}) || ${right.text}`,
      test: (labels: Labels) => left.test(labels) || right.test(labels),
    })),
    tie('selector').map(({ text, test }) => ({ text: `!(${text})`, test: (labels: Labels) => !test(labels) })),
  ),
}));

const placeSelector = fc.oneof(
  fc
    .constantFrom('ml', 'web')
    .map((team) => ({ text: `team == '${team}'`, test: (labels: Labels) => labels['team'] === team })),
  fc.constant({ text: '!has(env)', test: (labels: Labels) => labels['env'] === undefined }),
  fc.constantFrom('ml', 'dev').map((name) => ({
    text: `projectcalico.org/name == '${name}'`,
    test: (labels: Labels) => labels['projectcalico.org/name'] === name,
  })),
  fc.constant({ text: 'all()', test: () => true }),
);
const accountSelector = fc.constantFrom(
  { text: "kind == 'runner'", test: (labels: Labels) => labels['kind'] === 'runner' },
  { text: '!has(kind)', test: (labels: Labels) => labels['kind'] === undefined },
);

interface WithSelectors<T> {
  readonly value: T;
  readonly written: readonly WrittenSelector[];
}

const entity: fc.Arbitrary<WithSelectors<object>> = fc
  .record(
    {
      selector: calicoSelector,
      notSelector: calicoSelector,
      namespaceSelector: placeSelector,
      nets: fc.array(block, { minLength: 1, maxLength: 2 }),
      notNets: fc.array(block, { minLength: 1, maxLength: 1 }),
      serviceAccounts: fc.constant({ names: ['runner'] }),
    },
    { requiredKeys: [] },
  )
  .chain((parts) => {
    // Few of them at once, or nothing ever matches.
    const keys = Object.keys(parts) as (keyof typeof parts)[];
    return fc.subarray(keys, { maxLength: Math.min(2, keys.length) }).map((chosen) => {
      const written = chosen.flatMap((key) => {
        const part = parts[key];
        return part !== undefined && 'text' in part ? [part] : [];
      });
      const value = Object.fromEntries(
        chosen.map((key) => {
          const part = parts[key];
          return [key, part !== undefined && 'text' in part ? part.text : part];
        }),
      );
      return { value, written };
    });
  });

const calicoPorts = fc.array(fc.constantFrom<number | string>(80, '443', '80:443', 'http', 'dns'), {
  minLength: 1,
  maxLength: 2,
});

const calicoRule: fc.Arbitrary<WithSelectors<object>> = fc
  .record({
    action: fc.constantFrom('Allow', 'Deny', 'Pass', 'Log'),
    source: entity,
    destination: entity,
    transport: fc.oneof(
      fc.constant({ rule: {}, entity: {} }),
      protocol.map((name) => ({ rule: { protocol: name }, entity: {} })),
      protocol.map((name) => ({ rule: { notProtocol: name }, entity: {} })),
      fc.tuple(protocol, calicoPorts).map(([name, ports]) => ({ rule: { protocol: name }, entity: { ports } })),
      fc.tuple(protocol, calicoPorts).map(([name, notPorts]) => ({ rule: { protocol: name }, entity: { notPorts } })),
    ),
    isPlain: fc.boolean(),
  })
  .map(({ action: verb, source, destination, transport, isPlain }) => ({
    value: {
      action: verb,
      ...transport.rule,
      ...(isPlain ? {} : { source: source.value }),
      destination: { ...(isPlain ? {} : destination.value), ...transport.entity },
    },
    written: isPlain ? [] : [...source.written, ...destination.written],
  }));

const calicoRules = fc.array(calicoRule, { maxLength: 2 });
const order = fc.option(fc.constantFrom(1, 2, 1000), { nil: null });

const calicoSpec: fc.Arbitrary<WithSelectors<object>> = fc
  .record({
    tier: fc.constantFrom('default', 'first', 'later', null),
    order,
    selector: fc.option(calicoSelector, { nil: null }),
    serviceAccountSelector: fc.option(accountSelector, { nil: null, freq: 4 }),
    types: fc.option(fc.subarray(['Ingress', 'Egress']), { nil: null }),
    ingress: calicoRules,
    egress: calicoRules,
  })
  .map(({ tier, order: number, selector, serviceAccountSelector, types, ingress, egress }) => ({
    value: {
      ...(tier === null ? {} : { tier }),
      ...(number === null ? {} : { order: number }),
      ...(selector === null ? {} : { selector: selector.text }),
      ...(serviceAccountSelector === null ? {} : { serviceAccountSelector: serviceAccountSelector.text }),
      ...(types === null ? {} : { types }),
      ingress: ingress.map(({ value }) => value),
      egress: egress.map(({ value }) => value),
    },
    written: [
      selector,
      serviceAccountSelector,
      ...ingress.flatMap(({ written }) => written),
      ...egress.flatMap(({ written }) => written),
    ].filter((one) => one !== null),
  }));

export interface CalicoSetting {
  readonly bodies: readonly Body[];
  readonly selectors: ReadonlyMap<string, (labels: Labels) => boolean>;
}

export const calicoSettings: fc.Arbitrary<CalicoSetting> = fc
  .record({
    own: fc.array(fc.tuple(place, calicoSpec), { maxLength: 3 }),
    ofAll: fc.array(fc.tuple(calicoSpec, fc.option(placeSelector, { nil: null })), { maxLength: 2 }),
    firstEnd: fc.constantFrom('Deny', 'Pass', undefined),
    hasSet: fc.boolean(),
  })
  .map(({ own, ofAll, firstEnd, hasSet }) => {
    const written = [
      ...own.flatMap(([, spec]) => spec.written),
      ...ofAll.flatMap(([spec, where]) => [...spec.written, ...(where === null ? [] : [where])]),
    ];
    return {
      selectors: new Map(written.map(({ text, test }) => [text, test])),
      bodies: [
        calicoTier('first', { order: 10, ...(firstEnd === undefined ? {} : { defaultAction: firstEnd }) }),
        calicoTier('later', { order: 2_000_000 }),
        ...(hasSet
          ? [
              {
                apiVersion: 'projectcalico.org/v3',
                kind: 'GlobalNetworkSet',
                metadata: { name: 'set', labels: { app: 'a' } },
                spec: { nets: ['192.0.2.0/24'] },
              },
            ]
          : []),
        ...own.map(([where, { value }], index) => calicoPolicy(`${where}/own-${index}`, value)),
        ...ofAll.map(([{ value }, where], index) =>
          calicoGlobal(`all-${index}`, { ...value, ...(where === null ? {} : { namespaceSelector: where.text }) }),
        ),
      ],
    };
  });
