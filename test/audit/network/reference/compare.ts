// Holds the engine against a naive reading, at every pair of places and every port that could tell them apart.

import { includes, isProtocol } from '../../../../src/audit/network/connection-set.ts';
import type { CniName } from '../../../../src/audit/network/cni.ts';
import { type Body, sceneOf } from '../scene.ts';
import type { Question } from './kubernetes.ts';
import { nameOf, placesOf, POINTS } from './random-world.ts';
import { all, type Outcome, type RefPod, YES } from './world.ts';

/** The pairs and points at which they differ, in words. */
export function differences(
  pods: readonly RefPod[],
  bodies: readonly Body[],
  { cni, allows }: { readonly cni: CniName; readonly allows: (question: Question) => Outcome },
): readonly string[] {
  const scene = sceneOf(bodies, cni);
  const places = placesOf(pods);
  const found: string[] = [];
  for (const from of places) {
    for (const to of places) {
      if (from === to || (from.kind !== 'pod' && to.kind !== 'pod')) continue;
      const { bounds } = scene.found.between(scene.place(nameOf(from)), scene.place(nameOf(to)));
      for (const point of POINTS) {
        const egress = from.kind === 'pod' ? allows({ direction: 'egress', own: from, peer: to, point }) : YES;
        const ingress = to.kind === 'pod' ? allows({ direction: 'ingress', own: to, peer: from, point }) : YES;
        const { mayBeYes, mayBeNo } = all(egress, ingress);
        if (!isProtocol(point.protocol)) throw new Error('a protocol');
        const certain = includes(bounds.certain, point.protocol, point.port);
        const possible = includes(bounds.possible, point.protocol, point.port);
        if (possible === mayBeYes && certain === !mayBeNo) continue;
        const expected = mayBeYes && mayBeNo ? 'unknown' : mayBeYes ? 'allowed' : 'denied';
        const actual = possible && !certain ? 'unknown' : certain ? 'allowed' : 'denied';
        found.push(`${nameOf(from)} > ${nameOf(to)} ${point.protocol} ${point.port}: ${actual}, not ${expected}`);
      }
    }
  }
  return found;
}
