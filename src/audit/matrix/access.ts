// The access matrix held against a cluster: every way between cells of workloads, each kind of it judged once.

import type { Cluster } from '../cluster.ts';
import type { ComponentAnswer } from '../component.ts';
import type { AuditContext, AuditOptions } from '../finding.ts';
import { meshOf, type Mesh } from '../mesh/mesh.ts';
import { findUnread } from '../mesh/readable.ts';
import { type Bounds, keyOfBounds } from '../network/bounds.ts';
import type { CniName } from '../network/cni.ts';
import type { Connectivity } from '../network/connectivity.ts';
import { sharedConnectivity } from '../network/shared-connectivity.ts';
import type { CompiledPolicy } from '../../policy/matrix.ts';
import type { Workload } from '../workload.ts';
import { BitMatrix } from './bit-matrix.ts';
import { groupCells, type Cell } from './cell.ts';
import { judgePort, keyOfPorts, portsToJudge, type EdgeCase } from './edge.ts';
import { Grants } from './grants.ts';
import { askGuards, askNetwork, Opinions, type Guards } from './layers.ts';

export interface Access {
  readonly policy: CompiledPolicy;
  readonly mesh: Mesh;
  readonly found: Connectivity;
  readonly grants: Grants;
  readonly cells: readonly Cell[];
  readonly answers: ReadonlyMap<Workload, ComponentAnswer>;
  /** By the cell that is asked, and the component that asks: different answers, each with somebody who gets it. */
  readonly into: readonly ReadonlyMap<string, readonly EdgeCase[]>[];
  /** From row to column: somebody gets an answer at some port, for certain. */
  readonly open: BitMatrix;
  /** Nothing that is known keeps it closed. */
  readonly possible: BitMatrix;
}

/** Made once for a cluster, its options, a policy and a CNI. Null without a policy: there is nothing to hold. */
export function accessOf(cluster: Cluster, { policy, options }: AuditContext, cni: CniName | null): Access | null {
  if (policy === null) return null;
  const known = cluster.once(createMemory);
  const ofPolicy = known.get(policy) ?? new Map<string, Access>();
  known.set(policy, ofPolicy);
  const key = JSON.stringify([options, cni]);
  const access = ofPolicy.get(key) ?? buildAccess(cluster, { policy, options }, sharedConnectivity(cluster, cni));
  ofPolicy.set(key, access);
  return access;
}

function createMemory(): Map<CompiledPolicy, Map<string, Access>> {
  return new Map();
}

interface AccessTerms {
  readonly policy: CompiledPolicy;
  readonly options: AuditOptions;
}

/** Grows with the square of the cells, each pair of which takes a few look-ups; whatever is alike is judged once. */
function buildAccess(cluster: Cluster, { policy, options }: AccessTerms, found: Connectivity): Access {
  const mesh = meshOf(cluster, options);
  const grants = new Grants(policy);
  const { all: cells, answers } = groupCells({ cluster, mesh, found, policy, options });
  const open = new BitMatrix(cells.length);
  const possible = new BitMatrix(cells.length);
  const guards = { mesh, isMeshless: isMeshless(cluster, mesh), grants, opinions: new Opinions() };
  const targets = cells.map((cell) => new Target(cell, guards));
  const ofNodes = new Map<string, Bounds>();
  // One caller after the other: targets remember no more than what they said to the last.
  for (const from of cells.toSorted(compareCallers)) {
    for (const target of targets) {
      const { cell: to } = target;
      const edge = target.ask(from, boundsBetween({ found, ofNodes }, from, to));
      if (edge.isOpen) open.set(from.id, to.id);
      if (edge.isPossible) possible.set(from.id, to.id);
    }
  }
  joinTwins(cells, [open, possible]);
  return { policy, mesh, found, grants, cells, answers, into: targets.map(({ edges }) => edges), open, possible };
}

/** Whoever has a workload as one of its components has it as the other too. */
function joinTwins(cells: readonly Cell[], relations: readonly BitMatrix[]): void {
  const cellsOf = new Map<Workload, number[]>();
  for (const { id, workloads } of cells) {
    for (const workload of workloads) cellsOf.set(workload, [...(cellsOf.get(workload) ?? []), id]);
  }
  for (const ids of cellsOf.values()) {
    for (const from of ids) {
      for (const to of ids) if (from !== to) for (const relation of relations) relation.set(from, to);
    }
  }
}

function isMeshless(cluster: Cluster, { isPresent }: Mesh): boolean {
  const unread = [
    { group: 'security.istio.io', kind: 'PeerAuthentication', namespace: null },
    { group: '', kind: 'Namespace', namespace: null },
  ].map((asked) => findUnread(cluster, asked));
  return !isPresent && unread.every((entry) => entry === null);
}

function compareCallers(left: Cell, right: Cell): number {
  return compareTexts(left.group, right.group) || compareTexts(left.caller, right.caller);
}

function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

interface BoundsSource {
  readonly found: Connectivity;
  /** By their key: equal bounds are one object, by which cases are told apart. */
  readonly ofNodes: Map<string, Bounds>;
}

function boundsBetween({ found, ofNodes }: BoundsSource, from: Cell, to: Cell): Bounds {
  if (from.podClass !== null && to.podClass !== null) return found.betweenClasses(from.podClass, to.podClass);
  const { bounds } = found.between(from.workloads[0], to.workloads.at(-1) ?? to.workloads[0]);
  const key = keyOfBounds(bounds);
  const known = ofNodes.get(key) ?? bounds;
  ofNodes.set(key, known);
  return known;
}

/** Pods of one object are one thing: the matrix is about different ones. */
function isBetweenObjects({ workloads: sources }: Cell, { workloads: targets }: Cell): boolean {
  const [{ object }] = sources;
  return sources.some((other) => other.object !== object) || targets.some((other) => other.object !== object);
}

/** Its sources are still being collected. */
interface OpenCase extends EdgeCase {
  readonly sources: Workload[];
}

class Target {
  readonly cell: Cell;
  /** By component. */
  readonly edges = new Map<string, EdgeCase[]>();
  readonly #guards: Guards;
  /** Of the component whose turn it is, by what is judged alike. */
  #judged = new Map<string, OpenCase>();
  #group: string | null = null;
  /** Of the caller whose turn it is. */
  #cases = new Map<Bounds, OpenCase>();
  #caller: string | null = null;

  constructor(cell: Cell, guards: Guards) {
    this.cell = cell;
    this.#guards = guards;
  }

  ask(from: Cell, bounds: Bounds): EdgeCase {
    this.#turnTo(from);
    const found = this.#cases.get(bounds) ?? this.#judge(from, bounds);
    this.#cases.set(bounds, found);
    const { component } = from;
    if (component === null || this.cell.component === null || !isBetweenObjects(from, this.cell)) return found;
    if (found.sources.length > 1) return found;
    if (found.sources.length === 0) {
      const edges = this.edges.get(component) ?? [];
      edges.push(found);
      this.edges.set(component, edges);
    }
    for (const workload of from.workloads) {
      const isNew = found.sources.every(({ object }) => object !== workload.object);
      if (isNew && found.sources.length < 2) found.sources.push(workload);
    }
    return found;
  }

  /** What is guarded tells callers apart, what is not does not. */
  #turnTo({ group, caller }: Cell): void {
    if (group !== this.#group) {
      this.#group = group;
      this.#judged = new Map();
    } else if (!this.cell.isGuarded || caller === this.#caller) {
      return;
    }
    this.#caller = caller;
    this.#cases = new Map();
  }

  #judge(from: Cell, bounds: Bounds): OpenCase {
    const { cell: to } = this;
    const isGranted = this.#guards.grants.has(from.component, to.component);
    const verdicts = to.ports.map((port) => {
      const passage = { from: from.workloads[0], to: to.workloads[0], component: from.component, port };
      const guards = to.isGuarded ? askGuards(this.#guards, passage) : [];
      return judgePort({ port, network: askNetwork(bounds, port), guards, isGranted });
    });
    const key = keyOfPorts(verdicts, bounds);
    const known = this.#judged.get(key);
    if (known !== undefined) return known;
    const asked = new Set(portsToJudge(to.ports, isGranted));
    const made = {
      sources: [],
      bounds,
      ports: verdicts.filter(({ port }) => asked.has(port)),
      isOpen: verdicts.some((verdict) => verdict.isOpen),
      isPossible: verdicts.some((verdict) => verdict.isPossible),
      isGranted,
    };
    this.#judged.set(key, made);
    return made;
  }
}
