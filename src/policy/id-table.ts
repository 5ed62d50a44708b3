// The anchored segment trie that tells which component a SPIFFE ID belongs to, and finds IDs that two could claim.

import type { IdPattern } from '../spiffe/id-pattern.ts';
import { trustDomainOf, type SpiffeId } from '../spiffe/spiffe-id.ts';

/** Whoever a pattern belongs to: patterns of one component may overlap. */
export interface IdOwner {
  readonly component: string | null;
}

interface IdNode<T> {
  readonly literals: Map<string, IdNode<T>>;
  one: IdNode<T> | null;
  /** Owner of a pattern that ends here with `**`. */
  rest: T | null;
  /** Owner of a pattern that ends here. */
  end: T | null;
}

/** Trust domain name → trie of path segments. The same path under another trust domain is another principal. */
export type IdTable<T> = Map<string, IdNode<T>>;

export function createIdTable<T>(): IdTable<T> {
  return new Map();
}

/** Enters the pattern and answers null, or enters nothing and answers another component's owner that could claim an ID this pattern matches. */
export function addIdPattern<T extends IdOwner>(table: IdTable<T>, pattern: IdPattern, owner: T): T | null {
  let node = table.get(pattern.trustDomain);
  if (node === undefined) {
    node = createNode();
    table.set(pattern.trustDomain, node);
  }
  const rival = findRival(node, pattern, { index: 0, owner });
  if (rival !== null) return rival;
  for (const segment of pattern.segments) node = childOf(node, segment);
  if (pattern.rest) node.rest = owner;
  else node.end = owner;
  return null;
}

export function findOwner<T>(table: IdTable<T>, id: SpiffeId): T | null {
  const trustDomain = trustDomainOf(id);
  const root = table.get(trustDomain);
  return root === undefined ? null : search(root, id, SCHEME_LENGTH + trustDomain.length);
}

const SCHEME_LENGTH = 'spiffe://'.length;

function createNode<T>(): IdNode<T> {
  return { literals: new Map(), one: null, rest: null, end: null };
}

function childOf<T>(node: IdNode<T>, segment: string | null): IdNode<T> {
  if (segment === null) {
    node.one ??= createNode();
    return node.one;
  }
  let child = node.literals.get(segment);
  if (child === undefined) {
    child = createNode();
    node.literals.set(segment, child);
  }
  return child;
}

/** `slash` is where the segment before ends: at the `/` of the next one, or at the end of the ID. */
function search<T>(node: IdNode<T>, id: SpiffeId, slash: number): T | null {
  if (slash === id.length) return node.end;
  if (node.rest !== null) return node.rest;
  const next = id.indexOf('/', slash + 1);
  const end = next < 0 ? id.length : next;
  const literal = node.literals.get(id.slice(slash + 1, end));
  const found = literal === undefined ? null : search(literal, id, end);
  return found === null && node.one !== null ? search(node.one, id, end) : found;
}

/** Another component's owner of any pattern below `node` that overlaps what is left of `pattern`. */
function findRival<T extends IdOwner>(node: IdNode<T>, pattern: IdPattern, at: { index: number; owner: T }): T | null {
  const rivalOf = (owner: T | null): T | null => (owner?.component === at.owner.component ? null : owner);
  if (at.index === pattern.segments.length) {
    // `**` here meets everything at least one segment further down.
    return pattern.rest ? (rivalOf(node.rest) ?? findRivalBelow(node, rivalOf)) : rivalOf(node.end);
  }
  const viaRest = rivalOf(node.rest);
  if (viaRest !== null) return viaRest;
  const segment = pattern.segments[at.index] ?? null;
  const next = { index: at.index + 1, owner: at.owner };
  const children = segment === null ? [...node.literals.values()] : [node.literals.get(segment)];
  for (const child of [...children, node.one]) {
    const rival = child === undefined || child === null ? null : findRival(child, pattern, next);
    if (rival !== null) return rival;
  }
  return null;
}

function findRivalBelow<T extends IdOwner>(node: IdNode<T>, rivalOf: (owner: T | null) => T | null): T | null {
  for (const child of [...node.literals.values(), node.one]) {
    if (child === null) continue;
    const rival = rivalOf(child.end) ?? rivalOf(child.rest) ?? findRivalBelow(child, rivalOf);
    if (rival !== null) return rival;
  }
  return null;
}
