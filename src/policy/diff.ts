// What changes between two policies: cells of the matrix first, then what gives cells their meaning.

import { summariseCell, type CellSummary } from './cell-summary.ts';
import { VERBS, type Verb } from './decision.ts';
import type { CompiledPolicy } from './matrix.ts';

export interface CellChange {
  readonly component: string;
  readonly target: string;
  readonly verb: Verb;
  readonly before: CellSummary;
  readonly after: CellSummary;
}

export interface PolicyDiff {
  /** Sorted by component, target and verb; a component that one policy lacks has `none` everywhere there. */
  readonly cells: readonly CellChange[];
  readonly trustDomain: { readonly before: string; readonly after: string } | null;
  readonly components: readonly ComponentChange[];
}

export type ComponentChange =
  | { readonly kind: 'added' | 'removed'; readonly component: string }
  | {
      readonly kind: 'ids' | 'protocol' | 'routes';
      readonly component: string;
      readonly before: string;
      readonly after: string;
    };

export function diffPolicies(before: CompiledPolicy, after: CompiledPolicy): PolicyDiff {
  const names = [...new Set([...before.components, ...after.components])].sort();
  const cells: CellChange[] = [];
  for (const component of names) {
    // Only targets that a rule names on either side can differ.
    const targets = new Set([...targetsOf(before, component), ...targetsOf(after, component)]);
    for (const target of [...targets].sort()) {
      for (const verb of VERBS) {
        const cell = { component, target, verb };
        const change = { ...cell, before: summariseCell(before, cell), after: summariseCell(after, cell) };
        if (!isSame(change.before, change.after)) cells.push(change);
      }
    }
  }
  const trustDomain =
    before.trustDomain === after.trustDomain ? null : { before: before.trustDomain, after: after.trustDomain };
  return { cells, trustDomain, components: names.flatMap((name) => diffComponent(name, before, after)) };
}

function targetsOf(policy: CompiledPolicy, component: string): readonly string[] {
  return policy.declarations.get(component)?.rules.map(({ target }) => target.text) ?? [];
}

function isSame(before: CellSummary, after: CellSummary): boolean {
  return before.answer === after.answer && before.conditions.join('\n') === after.conditions.join('\n');
}

function diffComponent(component: string, before: CompiledPolicy, after: CompiledPolicy): readonly ComponentChange[] {
  const old = before.declarations.get(component);
  const current = after.declarations.get(component);
  if (old === undefined) return [{ kind: 'added', component }];
  if (current === undefined) return [{ kind: 'removed', component }];
  const changes: ComponentChange[] = [];
  const idsBefore = claimsOf(old.ids);
  const idsAfter = claimsOf(current.ids);
  if (idsBefore !== idsAfter) changes.push({ kind: 'ids', component, before: idsBefore, after: idsAfter });
  if (old.protocol !== current.protocol) {
    changes.push({ kind: 'protocol', component, before: old.protocol, after: current.protocol });
  } else if (routesOf(before, component) !== routesOf(after, component)) {
    changes.push({ kind: 'routes', component, before: old.protocol, after: current.protocol });
  }
  return changes;
}

function claimsOf(
  ids: readonly {
    readonly pattern: {
      readonly trustDomain: string;
      readonly segments: readonly (string | null)[];
      readonly rest: boolean;
    };
  }[],
): string {
  const patterns = ids.map(({ pattern }) => {
    const segments = pattern.segments.map((segment) => segment ?? '*');
    return `spiffe://${[pattern.trustDomain, ...segments, ...(pattern.rest ? ['**'] : [])].join('/')}`;
  });
  return patterns.sort().join(' ');
}

/** Everything of a protocol's routes that decides about requests, as text. */
function routesOf(policy: CompiledPolicy, component: string): string {
  const routes = policy.protocolOf.get(component)?.routes ?? [];
  return JSON.stringify(
    routes.map(({ declaration: { path, methods, verb, query, also } }) => [path, methods, verb, [...query], also]),
  );
}
