// The matrix against the cluster as anybody would work it out by hand: pod by pod, port by port, policy by policy. Nothing is shared with the engine.

import * as fc from 'fast-check';
import { kubernetesAllows } from '../network/reference/kubernetes.ts';
import { NAMESPACES, pods } from '../network/reference/random-world.ts';
import { all, type RefPod } from '../network/reference/world.ts';
import type { Body } from '../network/scene.ts';

/** By component, those that it may ask. */
export type NaiveMatrix = Readonly<Record<string, readonly string[]>>;

export const COMPONENTS = Object.keys(NAMESPACES);

export const matrices: fc.Arbitrary<NaiveMatrix> = fc
  .array(fc.subarray(COMPONENTS), { minLength: COMPONENTS.length, maxLength: COMPONENTS.length })
  .map((lists) => Object.fromEntries(COMPONENTS.map((name, index) => [name, lists[index] ?? []])));

/** Each serves something. */
export const servingPods: fc.Arbitrary<readonly RefPod[]> = pods.map((list) =>
  list.map((one) => (one.ports.length > 0 ? one : { ...one, ports: [['http', 80, 'TCP']] as const })),
);

export function textOf(matrix: NaiveMatrix): string {
  const rows = Object.entries(matrix).filter(([, targets]) => targets.length > 0);
  return rows.map(([name, targets]) => `  ${name}: { allow: [${targets.join(', ')}] }`).join('\n');
}

export type Answer = 'yes' | 'no' | 'unknown';

export interface NaiveWorld {
  readonly list: readonly RefPod[];
  readonly bodies: readonly Body[];
  readonly matrix: NaiveMatrix;
}

function admits({ bodies }: NaiveWorld, from: RefPod, to: RefPod, [, port, protocol]: RefPod['ports'][number]): Answer {
  const point = { protocol, port };
  const { mayBeYes, mayBeNo } = all(
    kubernetesAllows(bodies, { direction: 'egress', own: from, peer: to, point }),
    kubernetesAllows(bodies, { direction: 'ingress', own: to, peer: from, point }),
  );
  if (mayBeYes && mayBeNo) return 'unknown';
  return mayBeYes ? 'yes' : 'no';
}

/** Ports of which a pod says nothing, one at least of each stretch that policies treat alike. */
function undeclared({ list, bodies }: NaiveWorld, to: RefPod): RefPod['ports'] {
  const named = [...JSON.stringify(bodies).matchAll(/"(?:port|endPort)":(\d+)/g)].map(([, digits]) => Number(digits));
  const served = list.flatMap(({ ports }) => ports.map(([, number]) => number));
  const edges = [...named, ...served].flatMap((number) => [number - 1, number, number + 1]);
  const numbers = new Set([1, 65_535, ...edges.filter((number) => number >= 1 && number <= 65_535)]);
  return (['TCP', 'UDP', 'SCTP'] as const).flatMap((protocol) =>
    [...numbers]
      .filter((number) => !to.ports.some((port) => port[1] === number && port[2] === protocol))
      .map((number) => ['', number, protocol] as const),
  );
}

/** `hole web > ml/pod-0[Pod] TCP 80`, `breakage …`, `doubt …`. */
export function naiveEdges(world: NaiveWorld): readonly string[] {
  const lines = new Set<string>();
  for (const from of world.list) {
    for (const to of world.list) {
      if (from === to) continue;
      const isGranted = world.matrix[from.namespace]?.includes(to.namespace) === true;
      const tcp = to.ports.filter(([, , protocol]) => protocol === 'TCP');
      const isBeyond = !isGranted && undeclared(world, to).some((port) => admits(world, from, to, port) !== 'no');
      if (isBeyond) lines.add(`doubt ${from.namespace} > ${to.namespace}/${to.name}[Pod]`);
      for (const port of isGranted && tcp.length > 0 ? tcp : to.ports) {
        const answer = admits(world, from, to, port);
        const kind =
          answer === 'unknown'
            ? 'doubt'
            : isGranted
              ? answer === 'no'
                ? 'breakage'
                : ''
              : answer === 'yes'
                ? 'hole'
                : '';
        const [, number, protocol] = port;
        const place = kind === 'doubt' ? '' : ` ${protocol} ${number}`;
        if (kind !== '') lines.add(`${kind} ${from.namespace} > ${to.namespace}/${to.name}[Pod]${place}`);
      }
    }
  }
  return [...lines].sort();
}

/** Everything that is perhaps let through, whatever the matrix says, at declared ports and others. */
export function naivePassages(world: NaiveWorld): readonly string[] {
  return world.list.flatMap((from) =>
    world.list.flatMap((to) =>
      [...to.ports, ...undeclared(world, to)]
        .filter((port) => from !== to && admits(world, from, to, port) !== 'no')
        .map(([, number, protocol]) => `${from.name} > ${to.name} ${protocol} ${number}`),
    ),
  );
}

/** Pods that fall with a component, when nothing gets from one component to another where `isClosed`. */
export function naiveFallen(
  world: NaiveWorld,
  component: string,
  isClosed: (from: string, to: string) => boolean = () => false,
): readonly RefPod[] {
  const fallen = new Set(world.list.filter(({ namespace }) => namespace === component));
  for (;;) {
    const next = world.list.filter(
      (to) =>
        !fallen.has(to) &&
        [...fallen].some(
          (from) =>
            !isClosed(from.namespace, to.namespace) && to.ports.some((port) => admits(world, from, to, port) === 'yes'),
        ),
    );
    if (next.length === 0) return [...fallen];
    for (const one of next) fallen.add(one);
  }
}

/** The most pods that one change saves which keeps what the matrix grants. */
export function naiveSaving(world: NaiveWorld, component: string): number {
  const before = naiveFallen(world, component).length;
  const isGranted = (from: string, to: string): boolean => world.matrix[from]?.includes(to) === true;
  let most = 0;
  for (const to of COMPONENTS) {
    const isolated = naiveFallen(world, component, (a, b) => b === to && a !== b && !isGranted(a, b)).length;
    most = Math.max(most, before - isolated);
    for (const from of COMPONENTS.filter((name) => name !== to && !isGranted(name, to))) {
      most = Math.max(most, before - naiveFallen(world, component, (a, b) => a === from && b === to).length);
    }
  }
  return most;
}
