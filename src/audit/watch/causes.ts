// Which of the objects that have changed is behind something: the policies that decide it, or what is nearest.

import type { KubeObject } from '../kube-object.ts';
import type { Place } from '../network/connectivity.ts';
import { type ObjectChange, subjectOf } from './object-change.ts';
import type { ReachChange } from './reach-changes.ts';
import type { ReachTable } from './reach-table.ts';

export interface ReachStates {
  readonly before: ReachTable;
  readonly after: ReachTable;
}

export function causesOfReach(
  { asked }: ReachChange,
  changes: readonly ObjectChange[],
  { before, after }: ReachStates,
): readonly ObjectChange[] {
  if (changes.length < 2) return changes;
  const deciding = new Set(
    [...policiesOf(before, asked.before), ...policiesOf(after, asked.after)].map((object) => identityOf(object)),
  );
  const named = changes.filter((change) => deciding.has(identityOf(subjectOf(change))));
  if (named.length > 0) return named;
  return nearest(changes, namespacesOf(asked.after));
}

/** Of what stands in a namespace, or in none. */
export function nearest(changes: readonly ObjectChange[], namespaces: readonly string[]): readonly ObjectChange[] {
  const near = changes.filter((change) => {
    const { kind, namespace, name } = subjectOf(change);
    return namespaces.includes(kind === 'Namespace' ? name : (namespace ?? ''));
  });
  return near.length > 0 ? near : changes;
}

function policiesOf({ found }: ReachTable, places: readonly [Place, Place] | null): readonly KubeObject[] {
  if (places === null) return [];
  return found.between(...places).why.flatMap(({ policy }) => policy?.object ?? []);
}

function namespacesOf(places: readonly Place[]): readonly string[] {
  return places.flatMap((place) => ('addresses' in place ? [] : [place.namespace]));
}

function identityOf({ group, kind, namespace, name }: KubeObject): string {
  return JSON.stringify([group, kind, namespace, name]);
}
