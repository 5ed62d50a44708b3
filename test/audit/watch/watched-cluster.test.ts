import { describe, expect, it } from 'vitest';
import { NO_EXCEPTIONS } from '../../../src/audit/exceptions.ts';
import type { Unreadable } from '../../../src/audit/inventory.ts';
import { type KubeObject, readKubeObject } from '../../../src/audit/kube-object.ts';
import { ALL_RULES } from '../../../src/audit/rules.ts';
import { type AuditEvent, describeEvent } from '../../../src/audit/watch/audit-event.ts';
import { describeChange, type ObjectChange } from '../../../src/audit/watch/object-change.ts';
import { WatchedCluster } from '../../../src/audit/watch/watched-cluster.ts';
import type { Workload } from '../../../src/audit/workload.ts';
import { LISTED_KINDS } from '../../../src/kube/kinds.ts';

function object(
  apiVersion: string,
  kind: string,
  place: string,
  rest: Readonly<Record<string, unknown>> = {},
): KubeObject {
  const [name = '', namespace] = place.split('/').toReversed();
  const body = { apiVersion, kind, metadata: { name, namespace }, ...rest };
  const reading = readKubeObject(body, { origin: 'live', defaultNamespace: '', locate: () => null });
  if (reading.kind !== 'object') throw new Error(reading.detail);
  return reading.object;
}

function job(place: string, labels: Readonly<Record<string, string>> = {}): KubeObject {
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'x' }] } };
  return object('batch/v1', 'Job', place, { spec: { template } });
}

function policy(place: string, spec: Readonly<Record<string, unknown>>): KubeObject {
  return object('networking.k8s.io/v1', 'NetworkPolicy', place, { spec });
}

const CALICO = object('apps/v1', 'DaemonSet', 'kube-system/calico-node', {
  spec: {
    template: {
      metadata: { labels: { 'k8s-app': 'calico-node' } },
      spec: { hostNetwork: true, containers: [{ name: 'calico-node', image: 'docker.io/calico/node:v3.28.0' }] },
    },
  },
});
const CLOSED = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
const UNREAD: Unreadable = {
  what: 'networkpolicies.networking.k8s.io',
  kind: 'NetworkPolicy.networking.k8s.io',
  namespace: null,
  reason: 'forbidden',
  detail: 'refused',
  position: null,
};

function eventsOf(
  before: readonly KubeObject[],
  after: readonly KubeObject[],
  {
    changes = [],
    unread = [],
    keeps = () => true,
  }: {
    readonly changes?: readonly ObjectChange[];
    readonly unread?: readonly Unreadable[];
    readonly keeps?: (workload: Workload) => boolean;
  } = {},
): readonly string[] {
  const watched = new WatchedCluster({
    terms: () => ({
      rules: ALL_RULES.filter(({ info }) => info.id.startsWith('network-')),
      context: {
        policy: null,
        options: { spiffeIdTemplate: '', componentLabel: null, meshRootNamespace: '' },
        nowMs: 0,
      },
      exceptions: NO_EXCEPTIONS,
      baseline: null,
    }),
    filter: (evaluations) => evaluations,
    keeps,
  });
  const inventory = (
    objects: readonly KubeObject[],
    unreadable: readonly Unreadable[],
  ): Parameters<WatchedCluster['audit']>[0] => ({
    objects,
    unreadable,
    completeKinds: new Set(LISTED_KINDS.map(({ key }) => key)),
  });
  const events: AuditEvent[] = [];
  const tell = (event: AuditEvent): void => void events.push(event);
  watched.audit(inventory(before, []), [], tell);
  expect(events).toEqual([]);
  watched.audit(inventory(after, unread), changes, tell);
  return events.map(describeEvent);
}

function reachOf(events: readonly string[]): readonly string[] {
  return events.filter((event) => /can (?:perhaps |no longer )?reach|certain/.test(event) && !event.includes('calico'));
}

const [A, B] = [job('ml/a', { app: 'a' }), job('ml/b', { app: 'b' })];
const deny = policy('ml/deny', CLOSED);

describe('what an audit says that the one before did not', () => {
  it('is nothing when nothing is different', () => {
    expect(eventsOf([CALICO, A, B, deny], [CALICO, A, B, deny])).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, unknown>>, readonly string[]]>([
    [
      'an address block',
      { ...CLOSED, egress: [{ to: [{ ipBlock: { cidr: '10.1.0.0/16' } }] }] },
      [
        'policy ml/deny got an egress rule: ml/a[Job] can reach outside[10.1.0.0/16]',
        'policy ml/deny got an egress rule: ml/b[Job] can reach outside[10.1.0.0/16]',
      ],
    ],
    [
      'one port of the world',
      {
        ...CLOSED,
        egress: [{ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] } }], ports: [{ port: 443 }] }],
      },
      [
        'policy ml/deny got an egress rule: ml/a[Job] can reach the internet on TCP 443',
        'policy ml/deny got an egress rule: ml/b[Job] can reach the internet on TCP 443',
      ],
    ],
    [
      'everybody who wants in',
      { ...CLOSED, ingress: [{}] },
      [
        'policy ml/deny got an ingress rule: the internet and the instance metadata service can reach ml/a[Job]',
        'policy ml/deny got an ingress rule: the internet and the instance metadata service can reach ml/b[Job]',
      ],
    ],
    ['one pod to another', { podSelector: { matchLabels: { app: 'none' } } }, []],
  ])('names who reaches whom once a policy lets through %s', (_name, spec, said) => {
    const changed = policy('ml/deny', spec);
    const events = eventsOf([CALICO, A, B, deny], [CALICO, A, B, changed], {
      changes: [{ kind: 'modified', before: deny, object: changed }],
    });
    if (said.length > 0) expect(reachOf(events)).toEqual(said);
    else expect(reachOf(events).length).toBeGreaterThan(3);
  });

  it('is that one workload reaches another, and not the other way round', () => {
    const open = [
      policy('ml/out', {
        podSelector: { matchLabels: { app: 'a' } },
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: {} }], ports: [{ port: 80 }] }],
      }),
      policy('ml/in', { podSelector: { matchLabels: { app: 'b' } }, ingress: [{ from: [{ podSelector: {} }] }] }),
    ];
    const changes = open.map((added): ObjectChange => ({ kind: 'added', object: added }));
    const unrelated: ObjectChange = { kind: 'added', object: object('v1', 'ConfigMap', 'ml/settings') };
    expect(
      reachOf(eventsOf([CALICO, A, B, deny], [CALICO, A, B, deny, ...open], { changes: [unrelated, ...changes] })),
    ).toEqual(['policy ml/out was added, policy ml/in was added: ml/a[Job] can reach ml/b[Job] on TCP 80']);
  });

  it('is told of one, and not of each of the many that reach it now', () => {
    const others = Array.from({ length: 6 }, (_, index) => job(`w${index}/x`));
    const opened = policy('ml/deny', {
      podSelector: {},
      ingress: [{ from: [{ namespaceSelector: {} }] }],
      policyTypes: ['Ingress', 'Egress'],
    });
    const events = eventsOf([CALICO, A, deny, ...others], [CALICO, A, opened, ...others]);
    expect(reachOf(events)).toEqual(['w0/x[Job], w1/x[Job], w2/x[Job] and 3 more can reach ml/a[Job]']);
  });

  it('is what a new workload reaches, and nothing of one that is gone', () => {
    const added: ObjectChange = { kind: 'added', object: B };
    const events = reachOf(eventsOf([CALICO, A], [CALICO, A, B], { changes: [added] }));
    expect(events).toContain('Job ml/b was added: ml/b[Job] can reach the internet and the instance metadata service');
    expect(reachOf(eventsOf([CALICO, A, B], [CALICO, A], { changes: [{ kind: 'deleted', before: B }] }))).toEqual([]);
  });

  it('is that nobody knows any more, when policies cannot be read: nothing is resolved', () => {
    const events = eventsOf([CALICO, A], [CALICO, A], { unread: [UNREAD] });
    expect(events).toContain('can no longer see networkpolicies.networking.k8s.io (forbidden): refused');
    expect(events).toContain(
      'whether ml/a[Job] can reach the internet and the instance metadata service is no longer certain',
    );
    expect(events.filter((event) => event.includes('resolved'))).toEqual([]);
    expect(
      events.some((event) => event.startsWith('can no longer be judged network-default-deny-egress: ml/a[Job]')),
    ).toBe(true);
  });

  it('is nothing of workloads that nobody asked for', () => {
    const kept = (workload: Workload): boolean => workload.name === 'b';
    expect(reachOf(eventsOf([CALICO, A, deny], [CALICO, A], { keeps: kept }))).toEqual([]);
  });

  it('moves no cursor', () => {
    const evil = object('v1', 'Namespace', 'x');
    const named = { ...evil, name: 'x\u001b[2J' };
    const [text] = eventsOf([CALICO], [CALICO, A], { changes: [{ kind: 'added', object: named }] });
    expect(text).not.toContain('\u001b');
  });
});

describe('what happened to an object', () => {
  const rules = (count: number): readonly unknown[] =>
    Array.from({ length: count }, (_, port) => ({ ports: [{ port }] }));
  it.each<[string, Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>]>([
    ['lost its egress rule', { egress: rules(1) }, {}],
    ['lost its egress rules', { egress: rules(3) }, { egress: null }],
    ['lost 1 egress rule', { egress: rules(3) }, { egress: rules(2) }],
    ['got an ingress rule', {}, { ingress: rules(1) }],
    ['got 2 ingress rules', { ingress: rules(1) }, { ingress: rules(3) }],
    ['has other egress rules', { egress: [{}] }, { egress: rules(1) }],
    ['lost the policy type Egress', { policyTypes: ['Ingress', 'Egress'] }, { policyTypes: ['Ingress'] }],
    ['got the policy type Egress', {}, { policyTypes: ['Egress'] }],
    ['selects other pods', { podSelector: {} }, { podSelector: { matchLabels: { a: 'b' } } }],
    ['was changed', { x: 1 }, { x: 2 }],
  ])('is that a policy %s', (said, before, after) => {
    const change: ObjectChange = { kind: 'modified', before: policy('ml/p', before), object: policy('ml/p', after) };
    expect(describeChange(change)).toBe(`policy ml/p ${said}`);
  });

  it('is that it was added or deleted, or has other labels', () => {
    expect(describeChange({ kind: 'added', object: A })).toBe('Job ml/a was added');
    expect(describeChange({ kind: 'deleted', before: A })).toBe('Job ml/a was deleted');
    expect(describeChange({ kind: 'modified', before: A, object: job('ml/a') })).toBe('Job ml/a has other labels');
  });
});
