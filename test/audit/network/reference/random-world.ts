// Random pods, namespaces and pieces of policies: small, so that policies and pods meet often.

import * as fc from 'fast-check';
import { type Body, type Labels, namespace, pod } from '../scene.ts';
import type { RefPlace, RefPod } from './world.ts';

export const NAMESPACES: Readonly<Record<string, Labels>> = {
  ml: { team: 'ml', env: 'prod' },
  web: { team: 'web', env: 'prod' },
  dev: { team: 'ml' },
};
const ADDRESSES = ['10.1.2.3', '10.1.200.1', '192.0.2.1', '169.254.169.254'] as const;
export const POINTS = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'TCP', port: 8080 },
  { protocol: 'TCP', port: 443 },
  { protocol: 'UDP', port: 80 },
  { protocol: 'UDP', port: 53 },
  { protocol: 'SCTP', port: 80 },
] as const;

const labels: fc.Arbitrary<Labels> = fc
  .record({ app: fc.constantFrom('a', 'b', 'c'), role: fc.constantFrom('x', 'y') }, { requiredKeys: [] })
  .map((record) => ({ ...record }));

const portList = fc.subarray([
  ['http', 80, 'TCP'],
  ['http', 8080, 'TCP'],
  ['dns', 53, 'UDP'],
  ['alt', 443, 'TCP'],
] as const);

export const pods: fc.Arbitrary<readonly RefPod[]> = fc
  .array(
    fc.record({
      place: fc.constantFrom(...Object.keys(NAMESPACES)),
      labels,
      ports: portList,
      serviceAccount: fc.constantFrom('default', 'runner'),
    }),
    { minLength: 2, maxLength: 5 },
  )
  .map((list) =>
    list.map(({ place, ...rest }, index) => ({
      kind: 'pod' as const,
      namespace: place,
      namespaceLabels: NAMESPACES[place] ?? {},
      name: `pod-${index}`,
      ...rest,
    })),
  );

export function bodiesOf(list: readonly RefPod[]): readonly Body[] {
  return [
    ...Object.entries(NAMESPACES).map(([name, own]) => namespace(name, own)),
    ...list.map((one) => pod(`${one.namespace}/${one.name}`, { ...one, ports: one.ports })),
    ...Object.keys(NAMESPACES).map((place) => ({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { namespace: place, name: 'runner', labels: { kind: 'runner' } },
    })),
    ...Object.keys(NAMESPACES).map((place) => ({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { namespace: place, name: 'default' },
    })),
  ];
}

export function placesOf(list: readonly RefPod[]): readonly RefPlace[] {
  return [...list, ...ADDRESSES.map((text) => ({ kind: 'address' as const, text }))];
}

export function nameOf(place: RefPlace): string {
  return place.kind === 'pod' ? `${place.namespace}/${place.name}` : place.text;
}

const expression = fc.oneof(
  fc.record({
    key: fc.constantFrom('app', 'role'),
    operator: fc.constantFrom('In', 'NotIn'),
    values: fc.subarray(['a', 'b', 'x'], { minLength: 1 }),
  }),
  fc.record({ key: fc.constantFrom('app', 'role'), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);

export const podSelector = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  { weight: 3, arbitrary: labels.map((matchLabels) => ({ matchLabels })) },
  {
    weight: 2,
    arbitrary: fc.array(expression, { minLength: 1, maxLength: 2 }).map((matchExpressions) => ({ matchExpressions })),
  },
);

export const namespaceSelector = fc.oneof(
  fc.constant({}),
  fc.constantFrom('ml', 'web').map((team) => ({ matchLabels: { team } })),
  fc.constantFrom('ml', 'web', 'dev').map((name) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } })),
  fc.constantFrom('Exists', 'DoesNotExist').map((operator) => ({ matchExpressions: [{ key: 'env', operator }] })),
);

export const block = fc.constantFrom('0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/17', '192.0.2.0/24', '169.254.169.254/32');

export const ipBlock = fc.record(
  { cidr: fc.constantFrom('0.0.0.0/0', '10.1.0.0/16'), except: fc.subarray(['10.1.2.0/24', '10.1.200.0/24']) },
  { requiredKeys: ['cidr'] },
);

export const protocol = fc.constantFrom('TCP', 'UDP', 'SCTP');
export const action = fc.constantFrom('Allow', 'Deny', 'Pass');
