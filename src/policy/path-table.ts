// An index from method and path to the entries of an ordered list that match, whose lookup does not slow down as the list grows.

import { literalPathOf, segmentMatches, type PathPattern, type PathSegment } from './path-pattern.ts';
import type { RequestPath } from './request-path.ts';

export interface PathTableEntry<T> {
  readonly pattern: PathPattern;
  /** Null is every method. */
  readonly methods: readonly string[] | null;
  /** True when a match needs nothing but path and method: entries behind it that match the same are then never asked. */
  readonly decisive: boolean;
  readonly value: T;
}

interface Candidate<T> {
  readonly order: number;
  readonly decisive: boolean;
  readonly value: T;
}

/** The candidates of one pattern: those for every method, and for each method named somewhere that method's whole list. */
interface Bucket<T> {
  readonly any: Candidate<T>[];
  readonly byMethod: Map<string, Candidate<T>[]>;
}

interface TrieNode<T> {
  readonly literals: Map<string, TrieNode<T>>;
  one: TrieNode<T> | null;
  readonly affixes: { readonly segment: PathSegment & { kind: 'affix' }; readonly node: TrieNode<T> }[];
  /** What follows a route's `**` that is not last, and how many segments may follow it. */
  after: { readonly node: TrieNode<T>; readonly lengths: number[] } | null;
  /** A rule's final `**`. */
  rest: Bucket<T> | null;
  /** A route's final `**`. */
  several: Bucket<T> | null;
  end: Bucket<T> | null;
}

export interface PathTable<T> {
  /** Paths without wildcards to all that match them, wildcards of others included: one lookup, nothing split. */
  readonly exact: Map<string, Bucket<T>>;
  readonly root: TrieNode<T>;
  /** Where `/**` is all there is. */
  readonly everyPath: Bucket<T> | null;
}

/** The order of `entries` is their precedence. */
export function buildPathTable<T>(entries: readonly PathTableEntry<T>[]): PathTable<T> {
  const root = createNode<T>();
  const exact = new Map<string, Bucket<T>>();
  for (const [order, entry] of entries.entries()) {
    addCandidate(bucketAt(root, entry.pattern.segments), entry, order);
  }
  for (const { pattern } of entries) {
    const path = literalPathOf(pattern);
    if (path === null || exact.has(path)) continue;
    const buckets: Bucket<T>[] = [];
    collect(root, path.slice(1).split('/'), 0, buckets);
    exact.set(path, mergeBuckets(buckets));
  }
  return { exact, root, everyPath: findRootBucket(root) };
}

/** The values that match, in order, up to and including the first decisive one. A path without plain segments matches nothing. */
export function findMatches<T>(table: PathTable<T>, method: string, path: RequestPath): readonly Candidate<T>[] {
  const exact = table.exact.get(path.text);
  if (exact !== undefined) return candidatesFor(exact, method);
  if (table.everyPath !== null) return candidatesFor(table.everyPath, method);
  const segments = path.segments();
  if (segments === null) return NONE;
  const buckets: Bucket<T>[] = [];
  collect(table.root, segments, 0, buckets);
  const [only] = buckets;
  if (only === undefined) return NONE;
  return buckets.length === 1 ? candidatesFor(only, method) : mergeCandidates(buckets, method);
}

const NONE: readonly never[] = [];

/** The bucket of a rule's `/**` where that is the only pattern: no path needs splitting to know that it matches. */
function findRootBucket<T>(root: TrieNode<T>): Bucket<T> | null {
  const isAlone = root.literals.size === 0 && root.one === null && root.affixes.length === 0 && root.after === null;
  return isAlone && root.several === null ? root.rest : null;
}

function candidatesFor<T>(bucket: Bucket<T>, method: string): readonly Candidate<T>[] {
  return (bucket.byMethod.size === 0 ? undefined : bucket.byMethod.get(method)) ?? bucket.any;
}

function createNode<T>(): TrieNode<T> {
  return { literals: new Map(), one: null, affixes: [], after: null, rest: null, several: null, end: null };
}

function createBucket<T>(): Bucket<T> {
  return { any: [], byMethod: new Map() };
}

function bucketAt<T>(root: TrieNode<T>, segments: readonly PathSegment[]): Bucket<T> {
  let node = root;
  for (const [index, segment] of segments.entries()) {
    const following = segments.length - index - 1;
    if (segment.kind === 'rest') {
      node.rest ??= createBucket();
      return node.rest;
    }
    if (segment.kind !== 'several') {
      node = childOf(node, segment);
    } else if (following === 0) {
      node.several ??= createBucket();
      return node.several;
    } else {
      node.after ??= { node: createNode(), lengths: [] };
      if (!node.after.lengths.includes(following)) node.after.lengths.push(following);
      node = node.after.node;
    }
  }
  node.end ??= createBucket();
  return node.end;
}

function childOf<T>(node: TrieNode<T>, segment: Exclude<PathSegment, { kind: 'rest' | 'several' }>): TrieNode<T> {
  if (segment.kind === 'one') {
    node.one ??= createNode();
    return node.one;
  }
  if (segment.kind === 'literal') {
    const known = node.literals.get(segment.text);
    if (known !== undefined) return known;
    const created = createNode<T>();
    node.literals.set(segment.text, created);
    return created;
  }
  const { prefix, suffix } = segment;
  const known = node.affixes.find((edge) => edge.segment.prefix === prefix && edge.segment.suffix === suffix);
  if (known !== undefined) return known.node;
  const created = createNode<T>();
  node.affixes.push({ segment, node: created });
  return created;
}

function addCandidate<T>(bucket: Bucket<T>, entry: PathTableEntry<T>, order: number): void {
  const candidate = { order, decisive: entry.decisive, value: entry.value };
  if (entry.methods === null) {
    append(bucket.any, candidate);
    for (const candidates of bucket.byMethod.values()) append(candidates, candidate);
    return;
  }
  for (const method of entry.methods) {
    let candidates = bucket.byMethod.get(method);
    if (candidates === undefined) {
      candidates = [...bucket.any];
      bucket.byMethod.set(method, candidates);
    }
    append(candidates, candidate);
  }
}

function append<T>(candidates: Candidate<T>[], candidate: Candidate<T>): void {
  if (candidates.at(-1)?.decisive !== true) candidates.push(candidate);
}

/** Every bucket whose pattern matches; the cost is bounded by the patterns that share the path's beginning. */
function collect<T>(node: TrieNode<T>, segments: readonly string[], index: number, found: Bucket<T>[]): void {
  if (index === segments.length) {
    if (node.end !== null) found.push(node.end);
    return;
  }
  if (node.rest !== null) found.push(node.rest);
  if (node.several !== null && segments.at(-1) !== '') found.push(node.several);
  if (node.after !== null) {
    for (const following of node.after.lengths) {
      const next = segments.length - following;
      // A `**` stands for at least one segment.
      if (next > index) collect(node.after.node, segments, next, found);
    }
  }
  const segment = segments[index] ?? '';
  const literal = node.literals.get(segment);
  if (literal !== undefined) collect(literal, segments, index + 1, found);
  if (segment === '') return;
  if (node.one !== null) collect(node.one, segments, index + 1, found);
  for (const edge of node.affixes) {
    if (segmentMatches(edge.segment, segment)) collect(edge.node, segments, index + 1, found);
  }
}

function mergeBuckets<T>(buckets: readonly Bucket<T>[]): Bucket<T> {
  const [only] = buckets;
  if (only !== undefined && buckets.length === 1) return only;
  const merged = createBucket<T>();
  for (const bucket of buckets) {
    for (const method of bucket.byMethod.keys()) {
      if (!merged.byMethod.has(method)) merged.byMethod.set(method, mergeCandidates(buckets, method));
    }
  }
  merged.any.push(...mergeCandidates(buckets, null));
  return merged;
}

/** `null` asks for a method that no entry names. */
function mergeCandidates<T>(buckets: readonly Bucket<T>[], method: string | null): Candidate<T>[] {
  const all: Candidate<T>[] = [];
  for (const bucket of buckets) all.push(...(method === null ? bucket.any : candidatesFor(bucket, method)));
  all.sort((left, right) => left.order - right.order);
  const end = all.findIndex(({ decisive }) => decisive);
  return end < 0 ? all : all.slice(0, end + 1);
}
