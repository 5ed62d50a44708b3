// A compiled protocol: from method, path and query to the verb of a request and what else it needs.

import { VERBS, type DecisionReason } from './decision.ts';
import { buildPathTable, findMatches, type PathTable } from './path-table.ts';
import type { FurtherPermissionDeclaration, ProtocolDocument, RouteDeclaration } from './protocol-document.ts';
import { isPlainPathText, readParameters, type QueryParameters } from './query.ts';
import { RequestPath } from './request-path.ts';

export interface Protocol {
  readonly name: string;
  readonly routes: readonly ProtocolRoute[];
  readonly table: PathTable<RouteEntry>;
  readonly readsQuery: boolean;
}

export interface ProtocolRoute {
  readonly declaration: RouteDeclaration;
  /** Index in `VERBS`. */
  readonly verb: number;
  /** Query parameters that decide whether it matches or what else it needs. */
  readonly reads: readonly string[];
}

/** A route with what it resolves to when it reads no query, so that nothing is made per request. */
interface RouteEntry {
  readonly route: ProtocolRoute;
  readonly resolution: Resolution;
}

/** A permission besides the route's own verb on the request's own path. */
export interface FurtherPermission {
  readonly verb: number;
  readonly method: string;
  readonly path: RequestPath;
}

export type RefusalByProtocol = Extract<
  DecisionReason,
  'unknown-route' | 'malformed-path' | 'ambiguous-query' | 'missing-parameter' | 'unsafe-parameter'
>;

export type Resolution =
  | { readonly kind: 'route'; readonly route: ProtocolRoute; readonly further: readonly FurtherPermission[] }
  | { readonly kind: 'refused'; readonly reason: RefusalByProtocol };

export interface ProtocolRequest {
  readonly method: string;
  readonly query: string | null;
}

export function compileProtocol(document: ProtocolDocument): Protocol {
  const routes = document.routes.map(compileRoute);
  const entries = routes.flatMap((route) => {
    const { patterns, methods, query } = route.declaration;
    const value = { route, resolution: { kind: 'route' as const, route, further: fixedFurther(route) } };
    return patterns.map((pattern) => ({ pattern, methods, decisive: query.size === 0, value }));
  });
  const readsQuery = routes.some(({ reads }) => reads.length > 0);
  return { name: document.name.text, routes, table: buildPathTable(entries), readsQuery };
}

/** The first route in file order that matches, or why there is none. */
export function resolveRoute(protocol: Protocol, request: ProtocolRequest, path: RequestPath): Resolution {
  for (const { value } of findMatches(protocol.table, request.method, path)) {
    const { route } = value;
    if (route.reads.length === 0) return value.resolution;
    const parameters = readParameters(request.query, route.reads);
    if (parameters === null) return AMBIGUOUS_QUERY;
    if (hasParameters(route.declaration.query, parameters)) return resolveFurther(route, parameters);
  }
  return path.segments() === null ? MALFORMED_PATH : UNKNOWN_ROUTE;
}

const UNKNOWN_ROUTE: Resolution = { kind: 'refused', reason: 'unknown-route' };
const MALFORMED_PATH: Resolution = { kind: 'refused', reason: 'malformed-path' };
const AMBIGUOUS_QUERY: Resolution = { kind: 'refused', reason: 'ambiguous-query' };
const MISSING_PARAMETER: Resolution = { kind: 'refused', reason: 'missing-parameter' };
const UNSAFE_PARAMETER: Resolution = { kind: 'refused', reason: 'unsafe-parameter' };

function compileRoute(declaration: RouteDeclaration): ProtocolRoute {
  const names = new Set(declaration.query.keys());
  for (const { path } of declaration.also) {
    for (const [index, part] of path.entries()) if (index % 2 === 1) names.add(part);
  }
  return { declaration, verb: VERBS.indexOf(declaration.verb), reads: [...names] };
}

function fixedFurther(route: ProtocolRoute): readonly FurtherPermission[] {
  if (route.reads.length > 0) return [];
  return route.declaration.also.map((permission) => toFurther(permission, permission.path.join('')));
}

function toFurther(declaration: FurtherPermissionDeclaration, path: string): FurtherPermission {
  return { verb: VERBS.indexOf(declaration.verb), method: declaration.method, path: new RequestPath(path) };
}

function hasParameters(expected: ReadonlyMap<string, string | null>, parameters: QueryParameters): boolean {
  for (const [name, value] of expected) {
    const actual = parameters.get(name);
    if (actual === undefined || (value !== null && value !== actual)) return false;
  }
  return true;
}

function resolveFurther(route: ProtocolRoute, parameters: QueryParameters): Resolution {
  const further: FurtherPermission[] = [];
  for (const declaration of route.declaration.also) {
    let path = '';
    for (const [index, part] of declaration.path.entries()) {
      if (index % 2 === 0) {
        path += part;
        continue;
      }
      const value = parameters.get(part);
      if (value === undefined) return MISSING_PARAMETER;
      if (!isPlainPathText(value)) return UNSAFE_PARAMETER;
      path += value;
    }
    further.push(toFurther(declaration, path));
  }
  return { kind: 'route', route, further };
}
