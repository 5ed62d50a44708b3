// What falls after a component has: everything that can be reached from it over several hops, and the one change that keeps most of it.

import { isTraining } from '../mesh/rules/scope.ts';
import type { Access } from './access.ts';
import type { BitMatrix } from './bit-matrix.ts';
import { search, type Blocked, type Found } from './search.ts';

export interface ReachedComponent {
  readonly component: string;
  readonly hops: number;
  /** Workloads on a shortest way, the first of the component that has fallen. */
  readonly path: readonly string[];
  /** Nothing but what the matrix grants leads there too, over however many hops. */
  readonly isGranted: boolean;
}

export interface Cut {
  /** `edge`: one component is kept from another; `isolate`: a component is closed to everybody to whom the matrix grants nothing of it. */
  readonly kind: 'edge' | 'isolate';
  /** Null for everybody. A component, or `namespace x` for workloads of no component. */
  readonly from: string | null;
  readonly to: string;
  /** Workloads that are not reached any more. */
  readonly saved: number;
  /** Every change that could be better was tried. */
  readonly isBest: boolean;
}

export interface Spread {
  readonly component: string;
  /** Of other components, in the order of hops. */
  readonly reached: readonly ReachedComponent[];
  /** All workloads that are reached, those of no component included. */
  readonly workloads: number;
  /** Of these, of no component. */
  readonly unmapped: number;
  /** Components that are perhaps reached, and not for certain. */
  readonly perhaps: readonly string[];
  /** Null when no change that keeps what the matrix grants saves anything. */
  readonly cut: Cut | null;
}

/** Those with training jobs first: they run what others wrote. */
export function spreads(access: Access): readonly Spread[] {
  const training = new Set(
    access.cells.filter(({ workloads }) => workloads.some(isTraining)).map(({ component }) => component),
  );
  const present = access.policy.components.filter((name) => access.cells.some(({ component }) => component === name));
  const ordered = [...present].sort((left, right) => Number(training.has(right)) - Number(training.has(left)));
  return ordered.map((component) => spreadFrom(access, component));
}

function spreadFrom(access: Access, component: string): Spread {
  const { cells, open, possible } = access;
  const starts = cells.filter((cell) => cell.component === component).map(({ id }) => id);
  const found = searchIn(access, open, starts, null);
  const granted = closureOf(access, component);
  const reached = componentsOf(access, found, component).map(({ name, cell }) => ({
    component: name,
    hops: found.hops[cell] ?? 0,
    path: pathTo(access, found, cell),
    isGranted: granted.has(name),
  }));
  const isReached = new Set(reached.map((each) => each.component));
  const maybe = searchIn(access, possible, starts, null);
  const perhaps = componentsOf(access, maybe, component).flatMap(({ name }) => (isReached.has(name) ? [] : [name]));
  const others = found.order.filter((id) => cells[id]?.component !== component);
  return {
    component,
    reached: reached.sort((left, right) => left.hops - right.hops),
    workloads: weigh(access, others),
    unmapped: weigh(
      access,
      others.filter((id) => cells[id]?.component === null),
    ),
    perhaps: perhaps.filter((name) => !granted.has(name)),
    cut: findCut(access, starts, found),
  };
}

function searchIn({ cells }: Access, matrix: BitMatrix, starts: readonly number[], blocked: Blocked | null): Found {
  return search({ matrix, starts, groupOf: (id) => cells[id]?.group ?? '' }, blocked);
}

function componentsOf(
  { cells }: Access,
  { order }: Found,
  own: string,
): readonly { readonly name: string; readonly cell: number }[] {
  const first = new Map<string, number>();
  for (const id of order) {
    const name = cells[id]?.component ?? null;
    if (name !== null && name !== own && !first.has(name)) first.set(name, id);
  }
  return [...first].map(([name, cell]) => ({ name, cell }));
}

function pathTo({ cells }: Access, { parents }: Found, cell: number): readonly string[] {
  const path: string[] = [];
  for (let at = cell; at >= 0; at = parents[at] ?? -1) path.unshift(cells[at]?.workloads[0].ref ?? '');
  return path;
}

function weigh({ cells }: Access, ids: readonly number[]): number {
  return new Set(ids.flatMap((id) => cells[id]?.workloads ?? [])).size;
}

/** What the matrix alone leads to. */
function closureOf({ policy, grants }: Access, component: string): ReadonlySet<string> {
  const reached = new Set([component]);
  for (const from of reached) {
    for (const to of policy.components) if (grants.has(from, to)) reached.add(to);
  }
  return reached;
}

/** Bits to look at in all trials of one component: with ten thousand cells, a dozen trials. */
const TRIAL_BUDGET = 50_000_000;
const MIN_TRIALS = 8;

interface Candidate {
  readonly cut: Pick<Cut, 'kind' | 'from' | 'to'>;
  /** What it saves at most. */
  limit: number;
}

/**
 * Only what a search tree uses can cut anything off, and at most what hangs below it there; so candidates are tried in the order of that, until the
 * next cannot be better. Each trial is a search: cells times words of a row.
 */
function findCut(access: Access, starts: readonly number[], found: Found): Cut | null {
  const { cells, open } = access;
  const candidates = candidatesOf(access, found);
  const before = weigh(access, found.order);
  const trials = Math.max(MIN_TRIALS, Math.floor(TRIAL_BUDGET / Math.max(1, cells.length * open.width)));
  let best: Cut | null = null;
  for (const [index, { cut, limit }] of candidates.entries()) {
    if (best !== null && limit <= best.saved) return best;
    if (index === trials) return best === null ? null : { ...best, isBest: false };
    const left = searchIn(access, open, starts, (from, to) => isCut(access, cut, { from, to }));
    const saved = before - weigh(access, left.order);
    if (saved > (best?.saved ?? 0)) best = { ...cut, saved, isBest: true };
  }
  return best;
}

interface Step {
  readonly from: string;
  readonly to: string;
}

function isCut({ grants }: Access, cut: Candidate['cut'], { from, to }: Step): boolean {
  if (to !== cut.to || from === to) return false;
  return cut.kind === 'edge' ? from === cut.from : !grants.has(from, to);
}

/** What the matrix grants stays, and so does what is in one component. */
function candidatesOf(access: Access, { order, parents }: Found): readonly Candidate[] {
  const { cells, grants } = access;
  const below = new Map<number, number>();
  const candidates = new Map<string, Candidate>();
  for (const id of order.toReversed()) {
    const weight = (below.get(id) ?? 0) + (cells[id]?.workloads.length ?? 0);
    const parent = parents[id] ?? -1;
    if (parent < 0) continue;
    below.set(parent, (below.get(parent) ?? 0) + weight);
    const from = cells[parent]?.group ?? '';
    const to = cells[id]?.group ?? '';
    if (from === to || grants.has(from, to)) continue;
    for (const cut of [{ kind: 'edge', from, to } as const, { kind: 'isolate', from: null, to } as const]) {
      const key = JSON.stringify(cut);
      const candidate = candidates.get(key) ?? { cut, limit: 0 };
      candidate.limit += weight;
      candidates.set(key, candidate);
    }
  }
  const rank = ({ cut: { kind, to } }: Candidate): number => (grants.isKnown(to) ? 0 : 2) + (kind === 'edge' ? 0 : 1);
  // Of equal ones the least change, and components before what is none.
  return [...candidates.values()].sort((left, right) => right.limit - left.limit || rank(left) - rank(right));
}

/** `ml/a[Job] → ml/b[Deployment] → ml/c[Deployment]`. */
export function describePath({ component, path }: ReachedComponent): string {
  return `${component} by ${path.join(' → ')}`;
}

export function describeCut({ kind, from, to }: Cut): string {
  if (kind === 'edge') return `keeping ${from ?? 'everybody'} from ${to}`;
  return `isolating ${to} from all but those whom the matrix grants something of it`;
}
