// A protocol file: which method and path of a service means which verb, as ordered data.

import { quote } from '../core/quote.ts';
import type { SourcePosition } from '../core/source-position.ts';
import type { YamlMapping, YamlNode } from '../yaml/located.ts';
import { REQUEST_VERBS, type RequestVerb } from './decision.ts';
import {
  readFilledList,
  readKnownKeys,
  readList,
  readMapping,
  readText,
  requireEntry,
  type LocatedText,
  type Report,
} from './fields.ts';
import { parseRoutePatterns, type PathPattern } from './path-pattern.ts';
import { readMethods, readPattern, readVerb } from './rule-document.ts';

/** A further permission the same request needs on the same target. */
export interface FurtherPermissionDeclaration {
  readonly verb: RequestVerb;
  /** What the further permission is asked with where a rule names methods; `GET` when the file does not say. */
  readonly method: string;
  /** Literal text at even places, names of query parameters between. */
  readonly path: readonly string[];
}

export interface RouteDeclaration {
  /** As written. */
  readonly path: string;
  /** What it stands for: one pattern, or one for each alternative. */
  readonly patterns: readonly PathPattern[];
  /** Null: every method. */
  readonly methods: readonly string[] | null;
  readonly verb: RequestVerb;
  /** Parameters that must be there; null is any value. */
  readonly query: ReadonlyMap<string, string | null>;
  readonly also: readonly FurtherPermissionDeclaration[];
  readonly position: SourcePosition;
}

export interface ProtocolDocument {
  readonly name: LocatedText;
  readonly routes: readonly RouteDeclaration[];
}

const ROUTE_KEYS = ['path', 'methods', 'verb', 'query', 'also'];
// Unreserved characters: a name that has one spelling only.
const PARAMETER_NAME = /^[A-Za-z0-9._~-]+$/;
const PLACEHOLDER = /\{([^{}]*)\}/;

/** `file` must be named after the protocol, so that a user's file can take the place of a shipped one. */
export function readProtocolDocument(root: YamlNode, file: string, report: Report): ProtocolDocument | null {
  const mapping = readMapping(root, 'a protocol file', report);
  if (mapping === null) return null;
  const entries = readKnownKeys(mapping, ['version', 'protocol', 'description', 'routes'], report);
  const owner = { what: 'a protocol file', position: root.position, report };
  const nameEntry = requireEntry(entries, 'protocol', owner);
  const routesEntry = requireEntry(entries, 'routes', owner);
  const name = nameEntry === null ? null : readText(nameEntry.node, '`protocol`', report);
  if (name === null || routesEntry === null) return null;
  if (!file.endsWith(`/${name.text}.yaml`) && file !== `${name.text}.yaml`) {
    report('bad-protocol-name', `protocol ${quote(name.text)} must stand in a file of the same name`, name.position);
  }
  const routes: RouteDeclaration[] = [];
  for (const node of readFilledList(routesEntry.node, '`routes`', report) ?? []) {
    const route = readRoute(node, report);
    if (route !== null) routes.push(route);
  }
  return { name, routes };
}

function readRoute(node: YamlNode, report: Report): RouteDeclaration | null {
  const mapping = readMapping(node, 'a route', report);
  if (mapping === null) return null;
  const { position } = mapping;
  const entries = readKnownKeys(mapping, ROUTE_KEYS, report);
  const owner = { what: 'a route', position, report };
  const pathEntry = requireEntry(entries, 'path', owner);
  const methodsEntry = requireEntry(entries, 'methods', owner);
  const verbEntry = requireEntry(entries, 'verb', owner);
  const queryEntry = entries.get('query');
  const alsoEntry = entries.get('also');
  const path = pathEntry === null ? null : readPattern(pathEntry.node, readAlternatives, report);
  const methods = methodsEntry === null ? null : readRouteMethods(methodsEntry.node, report);
  const verb = verbEntry === null ? null : readVerb(verbEntry.node, REQUEST_VERBS, report);
  const query = queryEntry === undefined ? new Map<string, string | null>() : readQuery(queryEntry.node, report);
  const also = alsoEntry === undefined ? [] : readAlso(alsoEntry.node, report);
  return path === null || verb === null ? null : { ...path, methods, verb, query, also, position };
}

function readAlternatives(path: string): Pick<RouteDeclaration, 'path' | 'patterns'> {
  return { path, patterns: parseRoutePatterns(path) };
}

function readRouteMethods(node: YamlNode, report: Report): readonly string[] | null {
  const [first, ...others] = readList(node, '`methods`', report) ?? [];
  const isAny = first?.kind === 'scalar' && first.value === '*';
  return isAny && others.length === 0 ? null : readMethods(node, report);
}

function readQuery(node: YamlNode, report: Report): ReadonlyMap<string, string | null> {
  const query = new Map<string, string | null>();
  for (const { key, keyPosition, node: child } of readMapping(node, '`query`', report)?.entries ?? []) {
    const value = readText(child, `parameter ${quote(key)}`, report);
    checkParameterName({ text: key, position: keyPosition }, report);
    if (value !== null) query.set(key, value.text === '*' ? null : value.text);
  }
  return query;
}

function checkParameterName(name: LocatedText, report: Report): void {
  if (PARAMETER_NAME.test(name.text)) return;
  const message = `${quote(name.text)} cannot be a parameter's name; use letters, digits, \`.\`, \`_\`, \`~\` and \`-\``;
  report('bad-parameter', message, name.position);
}

function readAlso(node: YamlNode, report: Report): readonly FurtherPermissionDeclaration[] {
  const also: FurtherPermissionDeclaration[] = [];
  for (const child of readFilledList(node, '`also`', report) ?? []) {
    const mapping = readMapping(child, 'a further permission', report);
    const permission = mapping === null ? null : readFurtherPermission(mapping, report);
    if (permission !== null) also.push(permission);
  }
  return also;
}

function readFurtherPermission(mapping: YamlMapping, report: Report): FurtherPermissionDeclaration | null {
  const entries = readKnownKeys(mapping, ['verb', 'method', 'path'], report);
  const owner = { what: 'a further permission', position: mapping.position, report };
  const verbEntry = requireEntry(entries, 'verb', owner);
  const pathEntry = requireEntry(entries, 'path', owner);
  const methodEntry = entries.get('method');
  const verb = verbEntry === null ? null : readVerb(verbEntry.node, REQUEST_VERBS, report);
  const path = pathEntry === null ? null : readTemplate(pathEntry.node, report);
  const method = methodEntry === undefined ? null : readText(methodEntry.node, '`method`', report);
  return verb === null || path === null ? null : { verb, method: method?.text ?? 'GET', path };
}

/** `/v2/{from}/blobs/{mount}` → `['/v2/', 'from', '/blobs/', 'mount', '']`. */
function readTemplate(node: YamlNode, report: Report): readonly string[] | null {
  const text = readText(node, '`path`', report);
  if (text === null) return null;
  const parts = text.text.split(PLACEHOLDER);
  const literals = parts.filter((_, index) => index % 2 === 0);
  const names = parts.filter((_, index) => index % 2 === 1);
  if (!text.text.startsWith('/') || literals.some((literal) => /[{}%*?#\\]|\/\/|\/\.{1,2}(?:\/|$)/.test(literal))) {
    const shape = 'begin it with `/` and write query parameters as whole `{name}`';
    report('bad-path-pattern', `${quote(text.text)} is not a path with parameters; ${shape}`, text.position);
    return null;
  }
  for (const name of names) checkParameterName({ text: name, position: text.position }, report);
  return parts;
}
