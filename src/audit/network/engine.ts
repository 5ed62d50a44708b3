// Policies, pods and the outside of one cluster, compiled: bounds of connections by class and part.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import type { AddressSet } from './address-set.ts';
import type { Program } from './binding.ts';
import { type Bounds, keyOfBounds, meet } from './bounds.ts';
import { compileTiers, type EnforcedTiers } from './enforced-tiers.ts';
import type { Enforcement } from './enforcement.ts';
import type { PodFacts } from './endpoint.ts';
import { Matcher } from './matcher.ts';
import { cutOutside, type OutsideMap } from './outside.ts';
import { groupPods, type PodClass } from './pod-class.ts';
import { createPrograms } from './programs.ts';
import { buildRow, type Row } from './row.ts';
import type { Direction } from './traffic-policy.ts';
import { createVocabulary } from './vocabulary.ts';

export interface Engine {
  readonly classes: readonly PodClass[];
  readonly outside: OutsideMap;
  /** What may restrict nodes. */
  readonly ofNodes: KubeObject | null;
  readonly enforced: readonly EnforcedTiers[];
  programOfClass(id: number, direction: Direction): Program;
  programOfPod(pod: PodFacts, direction: Direction): Program;
  rowOf(program: Program): Row;
  /** What both let through, by their numbers. */
  meetOf(left: number, right: number): Bounds;
}

export function createEngine(cluster: Cluster, enforcement: Enforcement): Engine {
  const vocabulary = createVocabulary();
  const enforced = enforcement.enforcers.map((enforcer) => compileTiers(enforcer, { cluster, vocabulary }));
  const classes = groupPods(cluster, vocabulary);
  const outside = cutOutside(addressSetsOf(enforced));
  const matcher = new Matcher(classes, outside);
  const programs = createPrograms({ enforced, classes, matcher });
  const numbers = new Map<string, number>();
  const bounds: Bounds[] = [];
  const rows = new Map<Program, Row>();
  const met: Bounds[][] = [];
  const numberOf = (found: Bounds): number => {
    const key = keyOfBounds(found);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, bounds.length);
    return bounds.push(found) - 1;
  };
  let cases = 0;
  return {
    classes,
    outside,
    enforced,
    ofNodes: enforced.find(({ ofNodes }) => ofNodes !== null)?.ofNodes ?? null,
    programOfClass: (id, direction) => programs.ofClass(id, direction),
    programOfPod: (pod, direction) => programs.ofPod(pod, direction),
    rowOf: (program) => {
      let row = rows.get(program);
      if (row === undefined) {
        row = buildRow(program, matcher, (found) => {
          const number = numberOf(found);
          cases += 1;
          return { id: cases - 1, bounds: bounds[number] ?? found, number };
        });
        rows.set(program, row);
      }
      return row;
    },
    meetOf: (left, right) => {
      const known = met[left]?.[right];
      if (known !== undefined) return known;
      const found = meetNumbers(bounds, left, right);
      (met[left] ??= [])[right] = found;
      return found;
    },
  };
}

function meetNumbers(bounds: readonly Bounds[], left: number, right: number): Bounds {
  const [one, other] = [bounds[left], bounds[right]];
  if (one === undefined || other === undefined) throw new RangeError('there are no such bounds');
  return meet(one, other);
}

function* addressSetsOf(enforced: readonly EnforcedTiers[]): Iterable<AddressSet> {
  for (const { tiers } of enforced) {
    for (const policy of tiers.flatMap(({ ranks }) => ranks).flat(2)) {
      for (const { peer } of [...policy.ingress.rules, ...policy.egress.rules]) {
        yield peer.outside.certain;
        yield peer.outside.possible;
      }
    }
  }
}
