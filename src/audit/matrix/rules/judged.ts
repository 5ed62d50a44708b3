// Every way into every workload of a component, as rules go through them.

import type { Workload } from '../../workload.ts';
import type { Access } from '../access.ts';
import type { Cell } from '../cell.ts';
import type { EdgeCase, PortVerdict } from '../edge.ts';
import { explainDoubt, findWitness, type Witness } from '../witness.ts';

/** One port, and somebody who comes to it. */
export interface Way {
  readonly edge: EdgeCase;
  readonly verdict: PortVerdict;
  readonly witness: Witness;
}

export interface Judged {
  readonly cell: Cell;
  readonly component: string;
  readonly to: Workload;
  /** By the component that asks. */
  readonly ways: ReadonlyMap<string, readonly Way[]>;
}

/** Of each target only the ways that `isWanted`: there are many, and most of no interest. */
export function* eachTarget(
  { cells, into, found }: Access,
  isWanted: (verdict: PortVerdict) => boolean,
): Iterable<Judged> {
  for (const cell of cells) {
    const { component } = cell;
    if (component === null) continue;
    const wanted = [...(into[cell.id] ?? [])].map(([source, edges]) => ({
      source,
      ports: edges.flatMap((edge) => edge.ports.filter(isWanted).map((verdict) => ({ edge, verdict }))),
    }));
    for (const to of cell.workloads) {
      const ways = new Map<string, readonly Way[]>();
      for (const { source, ports } of wanted) {
        const passing = ports.flatMap(({ edge, verdict }): readonly Way[] => {
          const witness = findWitness(found, edge, { to, verdict });
          return witness === null ? [] : [{ edge, verdict, witness }];
        });
        if (passing.length > 0) ways.set(source, passing);
      }
      yield { cell, component, to, ways };
    }
  }
}

/** Whether anybody of another object could ask at all; of nobody nothing is proved. */
export function isAsked({ into }: Access, cell: Cell): boolean {
  return (into[cell.id]?.size ?? 0) > 0;
}

export interface Doubtful {
  readonly reason: string;
  readonly detail: string;
}

/** Why nobody knows. */
export function doubtAbout({ found }: Access, { verdict, witness }: Way): Doubtful {
  const { network, guards, port } = verdict;
  if (network === 'unknown') {
    const detail = explainDoubt(witness).join('; ') || 'the policies of the network leave it open';
    const doubt = witness.reasons.find((reason) => reason.doubt !== null)?.doubt;
    return { reason: found.enforcementDoubt === null ? (doubt?.code ?? 'network') : 'cni-unknown', detail };
  }
  const guard = guards.find(({ answer, toRegular }) => answer === 'unknown' || toRegular === 'unknown');
  if (guard !== undefined) return { reason: guard.reason, detail: guard.detail };
  return { reason: port.besides === null ? 'listen-address' : 'port-undeclared', detail: port.doubt ?? 'not known' };
}
