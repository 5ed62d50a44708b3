import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/audit/cluster.ts';
import { spreads } from '../../../src/audit/matrix/spread.ts';
import { kubernetesPolicies } from '../network/reference/arbitrary-policies.ts';
import { bodiesOf } from '../network/reference/random-world.ts';
import { type Body, clusterFrom } from '../network/scene.ts';
import { objectsOf } from '../inventory.ts';
import {
  COMPONENTS,
  matrices,
  naiveEdges,
  naiveFallen,
  naivePassages,
  naiveSaving,
  servingPods,
  textOf,
  type NaiveWorld,
} from './naive.ts';
import { accessFor, policyOf, verdictsOf, type Terms } from './setting.ts';

const worlds: fc.Arbitrary<NaiveWorld> = fc
  .tuple(servingPods, kubernetesPolicies, matrices)
  .map(([list, policies, matrix]) => ({ list, matrix, bodies: [...bodiesOf(list), ...policies] }));

/** Of verdicts, in the words of the naive evaluator. */
function edgesOf(cluster: Cluster, terms: Terms): readonly string[] {
  const lines = new Set<string>();
  for (const kind of ['hole', 'breakage'] as const) {
    for (const { verdict, resource, evidence, key } of verdictsOf(`matrix-${kind}`, cluster, terms)) {
      if (verdict === 'fail') {
        for (const port of evidence['ports'] as readonly string[])
          lines.add(`${kind} ${key} > ${resource.ref} ${port}`);
      } else if (verdict === 'unknown') {
        const sources = kind === 'hole' ? (evidence['sources'] as readonly string[]) : [key];
        for (const source of sources) lines.add(`doubt ${source} > ${resource.ref}`);
      }
    }
  }
  return [...lines].sort();
}

/** As `kubectl apply` would leave it. */
function apply(bodies: readonly Body[], manifest: string): readonly Body[] {
  const applied = objectsOf(manifest).map(({ body }) => body as Body);
  const keyOf = ({ kind, apiVersion, metadata }: Body): string =>
    JSON.stringify([kind, apiVersion, metadata.namespace, metadata.name]);
  const keys = new Set(applied.map(keyOf));
  return [...bodies.filter((body) => !keys.has(keyOf(body))), ...applied];
}

describe('the matrix against the cluster, held against a naive evaluator', () => {
  it('finds the same holes, breakages and doubts, pod by pod and port by port', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const policy = policyOf(COMPONENTS, textOf(world.matrix));
        expect(edgesOf(clusterFrom(world.bodies), { policy })).toEqual(naiveEdges(world));
      }),
      { numRuns: 250 },
    );
  });

  it('finds what falls with each component, and the change that saves most', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const access = accessFor(clusterFrom(world.bodies), policyOf(COMPONENTS, textOf(world.matrix)));
        for (const { component, reached, workloads, cut } of spreads(access)) {
          const fallen = naiveFallen(world, component).filter(({ namespace }) => namespace !== component);
          expect(reached.map((each) => each.component).sort()).toEqual(
            [...new Set(fallen.map(({ namespace }) => namespace))].sort(),
          );
          expect(workloads).toBe(fallen.length);
          expect(cut?.saved ?? 0).toBe(naiveSaving(world, component));
          expect(cut?.isBest ?? true).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('proposes policies that close every hole of their target, open none, and break nothing that the matrix grants', () => {
    let applied = 0;
    fc.assert(
      fc.property(worlds, (world) => {
        const terms = { policy: policyOf(COMPONENTS, textOf(world.matrix)) };
        const before = naiveEdges(world);
        const seen = new Set<string>();
        let bodies = world.bodies;
        for (const { verdict, resource, remediation } of verdictsOf('matrix-hole', clusterFrom(world.bodies), terms)) {
          if (verdict !== 'fail' || remediation.manifest === null || seen.has(resource.ref)) continue;
          seen.add(resource.ref);
          applied += 1;
          const after = naiveEdges({ ...world, bodies: apply(world.bodies, remediation.manifest) });
          expect(after.filter((line) => line.startsWith('hole') && line.includes(` > ${resource.ref} `))).toEqual([]);
          expect(after.filter((line) => !before.includes(line))).toEqual([]);
          bodies = apply(bodies, remediation.manifest);
        }
        // All of them together, in their order, and port by port: nobody gets further than before, and no hole that was closed is open again.
        const closed = { ...world, bodies };
        const passages = new Set(naivePassages(world));
        expect(naivePassages(closed).filter((line) => !passages.has(line))).toEqual([]);
        const holes = naiveEdges(closed).filter((line) => line.startsWith('hole'));
        expect(holes.filter((line) => [...seen].some((ref) => line.includes(` > ${ref} `)))).toEqual([]);
      }),
      { numRuns: 200 },
    );
    // Were none proposed, nothing would have been shown.
    expect(applied).toBeGreaterThan(50);
  });
});
