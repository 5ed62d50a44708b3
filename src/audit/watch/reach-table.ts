// Who reaches whom in one state of a cluster, so compact that two states can be held against each other.

import type { Cluster } from '../cluster.ts';
import { type Bounds, keyOfBounds } from '../network/bounds.ts';
import type { Connectivity } from '../network/connectivity.ts';
import type { Outside } from '../network/outside.ts';
import { sharedConnectivity } from '../network/shared-connectivity.ts';
import type { Workload } from '../workload.ts';

/** Numbers for bounds, the same in every table. */
export class BoundsNumbers {
  readonly #byKey = new Map<string, number>();
  readonly #byBounds = new WeakMap<Bounds, number>();
  readonly #all: Bounds[] = [];

  numberOf(bounds: Bounds): number {
    const known = this.#byBounds.get(bounds);
    if (known !== undefined) return known;
    const key = keyOfBounds(bounds);
    const number = this.#byKey.get(key) ?? this.#all.push(bounds) - 1;
    this.#byKey.set(key, number);
    this.#byBounds.set(bounds, number);
    return number;
  }

  boundsOf(number: number): Bounds {
    const bounds = this.#all[number];
    if (bounds === undefined) throw new RangeError(`there are no bounds ${number}`);
    return bounds;
  }
}

export interface ReachTable {
  readonly found: Connectivity;
  /** By reference. */
  readonly workloads: ReadonlyMap<string, Workload>;
  /** Places of workloads that reach the same and are reached by the same: a class of pods, or the nodes. */
  readonly placeOf: ReadonlyMap<string, number>;
  readonly places: number;
  /** From place × places + to place; null when there are too many to compare. */
  readonly pairs: Int32Array | null;
  /** Place × parts of the outside + part. */
  readonly egress: Int32Array;
  readonly ingress: Int32Array;
}

/** Of 36 million numbers: more pairs than that are not compared. */
const MAX_PLACES = 6000;

export function tabulateReach(cluster: Cluster, numbers: BoundsNumbers): ReachTable {
  const found = sharedConnectivity(cluster);
  const placeOf = new Map<string, number>();
  const examples: Workload[] = [];
  for (const workload of cluster.workloads) {
    const place = found.classOf(workload)?.id ?? found.classes.length;
    placeOf.set(workload.ref, place);
    examples[place] ??= workload;
  }
  const places = found.classes.length + 1;
  return {
    found,
    workloads: new Map(cluster.workloads.map((workload) => [workload.ref, workload])),
    placeOf,
    places,
    pairs: places > MAX_PLACES ? null : tabulatePairs(found, examples, numbers),
    egress: tabulateOutside(found, examples, (example, part) => numbers.numberOf(found.between(example, part).bounds)),
    ingress: tabulateOutside(found, examples, (example, part) => numbers.numberOf(found.between(part, example).bounds)),
  };
}

function tabulatePairs(found: Connectivity, examples: readonly Workload[], numbers: BoundsNumbers): Int32Array {
  const nodes = found.classes.length;
  const places = nodes + 1;
  const pairs = new Int32Array(places * places);
  found.eachPair((from, to, bounds) => {
    pairs[from.id * places + to.id] = numbers.numberOf(bounds);
  });
  const node = examples[nodes];
  if (node === undefined) return pairs;
  for (const [place, example] of examples.entries()) {
    pairs[nodes * places + place] = numbers.numberOf(found.between(node, example).bounds);
    pairs[place * places + nodes] = numbers.numberOf(found.between(example, node).bounds);
  }
  return pairs;
}

function tabulateOutside(
  { outside }: Connectivity,
  examples: readonly Workload[],
  numberOf: (example: Workload, part: Outside) => number,
): Int32Array {
  const table = new Int32Array(examples.length * outside.length);
  for (const [place, example] of examples.entries()) {
    for (const [index, part] of outside.entries()) table[place * outside.length + index] = numberOf(example, part);
  }
  return table;
}
