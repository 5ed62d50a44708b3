// Who can connect to whom, as the policies of a cluster say and its CNI enforces them.

import type { Cluster } from '../cluster.ts';
import type { Workload } from '../workload.ts';
import { type Doubt, doubt, isDoubt } from './answer.ts';
import { aboutPeer, askProgram } from './ask-program.ts';
import type { Program } from './binding.ts';
import { ALL_BOUNDS, type Bounds, eitherOf, isExact, meet, UNKNOWN_BOUNDS } from './bounds.ts';
import { ALL_CONNECTIONS, type ConnectionSet } from './connection-set.ts';
import { type Endpoint, OTHER_NODE, type PodFacts, SAME_NODE } from './endpoint.ts';
import { createEngine, type Engine } from './engine.ts';
import { detectEnforcement, type Enforcement, type EnforcementTerms, UNDETECTED } from './enforcement.ts';
import { parseAddress } from './ip-address.ts';
import type { Outside } from './outside.ts';
import type { PodClass } from './pod-class.ts';
import { explainProgram, type Reason } from './reason.ts';
import { type Case, caseOfClass, caseOfPart, type Row } from './row.ts';
import type { Direction, TrafficPolicy } from './traffic-policy.ts';

/** A workload, or a part of the outside: one of `outside`. */
export type Place = Workload | Outside;

export interface Connection {
  readonly connections: ConnectionSet | 'unknown';
  /** What is certain, and what is possible; the same unless `connections` is unknown. */
  readonly bounds: Bounds;
  /** Made when asked for. */
  readonly why: readonly Reason[];
}

export interface PlacedConnection extends Connection {
  /** Equal for connections with equal reasons. */
  readonly key: string;
}

export interface Connectivity {
  readonly enforcement: Enforcement;
  /** Why nothing that policies deny is certain to be denied; null when it is. */
  readonly enforcementDoubt: Doubt | null;
  /** Workloads with the network of their node are in none. */
  readonly classes: readonly PodClass[];
  /** Together every address there is. */
  readonly outside: readonly Outside[];
  /** The class of a workload; null for one on the network of its node, to which policies are not applied. */
  classOf(workload: Workload): PodClass | null;
  /** Null for what is no address. */
  outsideAt(address: string): Outside | null;
  between(from: Place, to: Place): PlacedConnection;
  /** Between different pods of two classes. */
  betweenClasses(from: PodClass, to: PodClass): Bounds;
  /** Every ordered pair of classes, one and the same included. */
  eachPair(visit: (from: PodClass, to: PodClass, bounds: Bounds) => void): void;
  /** Between endpoints that need not exist, at least one of which is a pod. */
  probe(from: Endpoint, to: Endpoint): Connection;
  /** What decides about one direction of a pod that need not exist. */
  readonly programOf: (pod: PodFacts, direction: Direction) => Program;
  /** What the program of one end lets through to, or from, a class. */
  towards(program: Program, peer: PodClass): Bounds;
  /** All that have an effect, or perhaps one, in the order in which they are asked. */
  readonly policies: readonly TrafficPolicy[];
}

const DEFAULT_TERMS: EnforcementTerms = { cni: null, undetected: 'unknown' };

export function connectivity(cluster: Cluster, terms: EnforcementTerms = DEFAULT_TERMS): Connectivity {
  const enforcement = detectEnforcement(cluster, terms);
  const engine = createEngine(cluster, enforcement);
  const enforcementDoubt = doubtAbout(enforcement);
  const classOf = new Map(engine.classes.flatMap((one) => one.workloads.map((workload) => [workload, one] as const)));
  const spots = new Map([...classOf].map(([workload, { id }]): [Workload, Spot] => [workload, { kind: 'class', id }]));
  const context: Context = {
    cluster,
    engine,
    enforcement,
    enforcementDoubt,
    spots,
    loosened: new WeakMap(),
    met: new Map(),
  };
  return {
    enforcement,
    enforcementDoubt,
    classes: engine.classes,
    outside: engine.outside.parts,
    classOf: (workload) => classOf.get(workload) ?? null,
    outsideAt: (address) => {
      const parsed = parseAddress(address);
      return parsed === null ? null : engine.outside.partAt(parsed);
    },
    between: (from, to) => connect(context, from, to),
    betweenClasses: (from, to) => loosen(context, boundsOfClasses(engine, from.id, to.id)),
    eachPair: (visit) => eachPair(context, visit),
    probe: (from, to) => probe(context, from, to),
    programOf: (pod, direction) => engine.programOfPod(pod, direction),
    towards: (program, peer) => caseOfClass(engine.rowOf(program), peer.id).bounds,
    policies: policiesOf(engine),
  };
}

interface Context {
  readonly cluster: Cluster;
  readonly engine: Engine;
  readonly enforcement: Enforcement;
  readonly enforcementDoubt: Doubt | null;
  /** Of workloads that policies are applied to. */
  readonly spots: ReadonlyMap<Workload, Spot>;
  /** By bounds, what is left of them when nobody knows whether policies are enforced. */
  readonly loosened: WeakMap<Bounds, Bounds>;
  /** By what the source says, and what the target does: of millions of pairs, most have these two in common with others. */
  readonly met: Map<Case, Map<Case, PlacedConnection>>;
}

const ON_NODE = doubt(
  'node',
  'pods on the same node are always let in, those on other nodes only where policies say so',
);
const NODE_POLICY = doubt('unmodelled', 'policies of nodes are there, and their effect is not computed');

function doubtAbout({ basis, enforcers }: Enforcement): Doubt | null {
  if (basis === 'unknown') return UNDETECTED;
  return enforcers.map(({ isEnforcing }) => isEnforcing).find(isDoubt) ?? null;
}

/** What is denied by policies that perhaps nobody enforces may be allowed. */
function loosen({ enforcementDoubt, loosened }: Context, bounds: Bounds): Bounds {
  if (enforcementDoubt === null) return bounds;
  let loose = loosened.get(bounds);
  if (loose === undefined) {
    loose = { certain: bounds.certain, possible: ALL_CONNECTIONS };
    loosened.set(bounds, loose);
  }
  return loose;
}

/** Where a place is, for policies: one endpoint of a class or part, or any node. */
type Spot =
  | { readonly kind: 'class'; readonly id: number }
  | { readonly kind: 'part'; readonly part: Outside }
  | { readonly kind: 'nodes' };

const ON_NODES: Spot = { kind: 'nodes' };

function spotOf({ spots }: Context, place: Place): Spot {
  if ('addresses' in place) return { kind: 'part', part: place };
  return spots.get(place) ?? ON_NODES;
}

function connect(context: Context, from: Place, to: Place): PlacedConnection {
  if (from === to && !('addresses' in from) && from.replicas === 1) {
    return create(ALL_BOUNDS, 'self', () => [beyond('a pod can always connect to itself')]);
  }
  const source = spotOf(context, from);
  const target = spotOf(context, to);
  if (source.kind !== 'class' || target.kind !== 'class') return connectSpots(context, source, target);
  const { engine, met } = context;
  const egress = caseOfClass(engine.rowOf(engine.programOfClass(source.id, 'egress')), target.id);
  const ingress = caseOfClass(engine.rowOf(engine.programOfClass(target.id, 'ingress')), source.id);
  let ofEgress = met.get(egress);
  if (ofEgress === undefined) {
    if (met.size === MAX_REMEMBERED) met.clear();
    ofEgress = new Map();
    met.set(egress, ofEgress);
  }
  let connection = ofEgress.get(ingress);
  if (connection === undefined) {
    if (ofEgress.size === MAX_REMEMBERED) ofEgress.clear();
    connection = connectSpots(context, source, target);
    ofEgress.set(ingress, connection);
  }
  return connection;
}

const MAX_REMEMBERED = 500;

function connectSpots(context: Context, source: Spot, target: Spot): PlacedConnection {
  const egress = sideOf(context, source, target, 'egress');
  const ingress = sideOf(context, target, source, 'ingress');
  const bounds = loosen(context, meet(egress.bounds, ingress.bounds));
  return create(bounds, `${egress.key}/${ingress.key}`, () => [
    ...egress.why(),
    ...ingress.why(),
    ...reasonsOfEnforcement(context),
  ]);
}

interface Side {
  readonly bounds: Bounds;
  readonly why: () => readonly Reason[];
  /** Equal for sides with equal reasons. */
  readonly key: string;
}

function sideOf(context: Context, own: Spot, peer: Spot, direction: Direction): Side {
  const { engine } = context;
  if (own.kind === 'nodes') return sideOfNodes(context, direction);
  if (own.kind === 'part') {
    return { bounds: ALL_BOUNDS, why: () => [], key: '-' };
  }
  const program = engine.programOfClass(own.id, direction);
  const row = engine.rowOf(program);
  switch (peer.kind) {
    case 'class': {
      const found = caseOfClass(row, peer.id);
      const pod = engine.classes[peer.id]?.pod;
      return sideOfCase(found, program, pod === undefined ? OTHER_NODE : { kind: 'pod', pod });
    }
    case 'part': {
      const [range] = peer.part.addresses;
      const found = caseOfPart(row, peer.part.id);
      return sideOfCase(found, program, range === undefined ? OTHER_NODE : { kind: 'outside', range });
    }
    case 'nodes':
      return sideTowardsNodes(program, row);
  }
}

function sideOfCase(
  { bounds, id }: { readonly bounds: Bounds; readonly id: number },
  program: Program,
  peer: Endpoint,
): Side {
  return { bounds, why: () => explainProgram(program, peer), key: String(id) };
}

/** Which node a pod is on is not known, so either of two answers may hold. */
function sideTowardsNodes(program: Program, { sameNode, otherNode }: Row): Side {
  const isIngress = program.direction === 'ingress';
  // The kubelet must reach the pods of its node, and so does all else on that network.
  const same = isIngress ? ALL_BOUNDS : sameNode.bounds;
  const bounds = eitherOf(same, otherNode.bounds);
  const why = (): readonly Reason[] => [
    ...explainProgram(program, OTHER_NODE),
    ...(isExact(bounds) ? [] : [unknownBecause(ON_NODE, program.direction)]),
  ];
  return { bounds, why, key: `${sameNode.id}+${otherNode.id}` };
}

function sideOfNodes({ engine }: Context, direction: Direction): Side {
  if (engine.ofNodes !== null) {
    return { bounds: UNKNOWN_BOUNDS, why: () => [unknownBecause(NODE_POLICY, direction)], key: 'n?' };
  }
  const why = (): readonly Reason[] => [
    beyond('policies are not applied to pods on the network of their node', direction),
  ];
  return { bounds: ALL_BOUNDS, why, key: 'n' };
}

function reasonsOfEnforcement({ enforcement, enforcementDoubt }: Context): readonly Reason[] {
  if (enforcementDoubt !== null) return [unknownBecause(enforcementDoubt, null)];
  if (enforcement.enforcers.length > 0) return [];
  return [{ ...beyond(`policies have no effect: ${enforcement.detail}`), effect: 'not-enforced' }];
}

function beyond(detail: string, direction: Direction | null = null): Reason {
  return { direction, effect: 'beyond-policy', policy: null, path: [], connections: null, doubt: null, detail };
}

function unknownBecause(reason: Doubt, direction: Direction | null): Reason {
  const { detail } = reason;
  return { direction, effect: 'unknown', policy: null, path: [], connections: null, doubt: reason, detail };
}

function create(bounds: Bounds, key: string, explain: () => readonly Reason[]): PlacedConnection {
  let why: readonly Reason[] | null = null;
  return {
    connections: isExact(bounds) ? bounds.certain : 'unknown',
    bounds,
    key,
    get why() {
      why ??= explain();
      return why;
    },
  };
}

function probe(context: Context, from: Endpoint, to: Endpoint): Connection {
  const egress = probeSide(context, from, to, 'egress');
  const ingress = probeSide(context, to, from, 'ingress');
  const bounds = loosen(context, meet(egress.bounds, ingress.bounds));
  return create(bounds, '', () => [...egress.why(), ...ingress.why(), ...reasonsOfEnforcement(context)]);
}

function probeSide(
  { engine }: Context,
  own: Endpoint,
  peer: Endpoint,
  direction: Direction,
): Pick<Side, 'bounds' | 'why'> {
  if (own.kind !== 'pod' || (direction === 'ingress' && peer.kind === 'node' && peer.place === SAME_NODE.place)) {
    return { bounds: ALL_BOUNDS, why: () => [beyond('no policy is applied', direction)] };
  }
  const program = engine.programOfPod(own.pod, direction);
  return { bounds: askProgram(program, { peer, answerOf: aboutPeer(peer) }), why: () => explainProgram(program, peer) };
}

function boundsOfClasses(engine: Engine, from: number, to: number): Bounds {
  const egress = caseOfClass(engine.rowOf(engine.programOfClass(from, 'egress')), to);
  const ingress = caseOfClass(engine.rowOf(engine.programOfClass(to, 'ingress')), from);
  return engine.meetOf(egress.number, ingress.number);
}

/** By class and not by pod: cost grows with pairs of classes, each of which takes a few reads of arrays. */
function eachPair(context: Context, visit: (from: PodClass, to: PodClass, bounds: Bounds) => void): void {
  const { engine } = context;
  const { classes } = engine;
  const ingressRows = classes.map(({ id }) => engine.rowOf(engine.programOfClass(id, 'ingress')));
  const distinct = [...new Set(ingressRows)];
  const numberOfRow = new Map(distinct.map((row, index) => [row, index]));
  const rowOfClass = Int32Array.from(ingressRows, (row) => numberOfRow.get(row) ?? 0);
  const admitted = transpose(distinct, classes.length);
  const ingress = Int32Array.from(distinct, ({ pods }) => pods.number);
  const egress = new Int32Array(classes.length);
  for (const from of classes) {
    const row = engine.rowOf(engine.programOfClass(from.id, 'egress'));
    egress.fill(row.pods.number);
    for (const [id, { number }] of row.byClass) egress[id] = number;
    const exceptions = admitted[from.id] ?? [];
    for (const [index, number] of exceptions) ingress[index] = number;
    for (const to of classes) {
      const bounds = engine.meetOf(egress[to.id] ?? 0, ingress[rowOfClass[to.id] ?? 0] ?? 0);
      visit(from, to, loosen(context, bounds));
    }
    for (const [index] of exceptions) ingress[index] = distinct[index]?.pods.number ?? 0;
  }
}

/** By class that connects: the rows that have an own answer about it, and its number. */
function transpose(rows: readonly Row[], classes: number): readonly (readonly (readonly [number, number])[])[] {
  const byClass: (readonly [number, number])[][] = Array.from({ length: classes }, () => []);
  for (const [index, { byClass: cases }] of rows.entries()) {
    for (const [id, { number }] of cases) byClass[id]?.push([index, number]);
  }
  return byClass;
}

function policiesOf({ enforced }: Engine): readonly TrafficPolicy[] {
  return enforced.flatMap(({ tiers }) => tiers.flatMap(({ ranks }) => ranks).flat(2));
}
