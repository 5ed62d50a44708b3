// Where remembered decisions live: partitions per leaf certificate under a quota per principal, bounded in total.

import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { Decision } from './decision.ts';

export interface StoredDecision {
  readonly leaf: LeafPartition;
  readonly target: string;
  readonly method: string;
  /** The path, or path and query where the target's protocol reads the query. */
  readonly key: string;
  readonly keyHasQuery: boolean;
  /** True when the answer is the same for every query. */
  ignoresQuery: boolean;
  decision: Decision;
  /** What the decision was computed under; it is valid under nothing else. */
  policyEpoch: number;
  trustEpoch: number;
  /** Asked for since eviction last passed by. */
  used: boolean;
  older: StoredDecision | null;
  newer: StoredDecision | null;
}

/** Nested maps, one level for each part of the key: no part can be mistaken for another, and no string is put together to look one up. */
export interface LeafPartition {
  readonly leafSha256: string;
  readonly targets: Map<string, Map<string, Map<string, StoredDecision>>>;
  count: number;
  oldest: StoredDecision | null;
  newest: StoredDecision | null;
}

interface PrincipalShare {
  /** By leaf hash, in the order in which they were first filled. */
  readonly leaves: Map<string, LeafPartition>;
  count: number;
}

export interface StoreLimits {
  readonly maxEntries: number;
  readonly maxEntriesPerPrincipal: number;
}

export function createLeafPartition(leafSha256: string): LeafPartition {
  return { leafSha256, targets: new Map(), count: 0, oldest: null, newest: null };
}

export class DecisionStore {
  readonly #limits: StoreLimits;
  readonly #principals = new Map<SpiffeId, PrincipalShare>();
  #count = 0;

  constructor(limits: StoreLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  findLeaf(id: SpiffeId, leafSha256: string): LeafPartition | null {
    return this.#principals.get(id)?.leaves.get(leafSha256) ?? null;
  }

  /** Adds an entry whose key `entry.leaf` does not hold yet, making room first. The leaf is the one `findLeaf` answers, or a new one. False when there can be no room. */
  add(id: SpiffeId, entry: StoredDecision): boolean {
    const { leaf } = entry;
    if (this.#limits.maxEntries < 1 || this.#limits.maxEntriesPerPrincipal < 1) return false;
    let share = this.#principals.get(id);
    if (share !== undefined && share.count >= this.#limits.maxEntriesPerPrincipal) this.#evictWithin(id, share, leaf);
    if (this.#count >= this.#limits.maxEntries) this.#evictForeign(id, leaf);
    share = this.#principals.get(id) ?? { leaves: new Map(), count: 0 };
    this.#principals.set(id, share);
    share.leaves.set(leaf.leafSha256, leaf);
    pathsOf(leaf, entry).set(entry.key, entry);
    linkNewest(leaf, entry);
    leaf.count += 1;
    share.count += 1;
    this.#count += 1;
    return true;
  }

  dropLeaf(id: SpiffeId, leaf: LeafPartition): void {
    const share = this.#principals.get(id);
    if (share?.leaves.get(leaf.leafSha256) !== leaf) return;
    share.count -= leaf.count;
    this.#count -= leaf.count;
    leaf.targets.clear();
    leaf.count = 0;
    leaf.oldest = null;
    leaf.newest = null;
    this.#forgetIfEmpty(id, share, leaf);
  }

  /** Room within one principal: a leaf with its fair share or more gives up one of its own, another takes the place of the oldest leaf. */
  #evictWithin(id: SpiffeId, share: PrincipalShare, leaf: LeafPartition): void {
    if (leaf.count * share.leaves.size < share.count) {
      for (const other of share.leaves.values()) {
        if (other === leaf) continue;
        this.dropLeaf(id, other);
        return;
      }
    }
    this.#evictOldest(id, share, leaf);
  }

  /** Room in the whole: only a principal that has its fair share or more loses an entry to another. */
  #evictForeign(id: SpiffeId, leaf: LeafPartition): void {
    const fair = Math.floor(this.#count / this.#principals.size);
    const own = this.#principals.get(id);
    if (own !== undefined && own.count >= fair) {
      this.#evictWithin(id, own, leaf);
      return;
    }
    for (const [rival, share] of this.#principals) {
      if (share.count < Math.max(fair, 1)) continue;
      const [first] = share.leaves.values();
      if (first !== undefined) this.#evictOldest(rival, share, first);
      return;
    }
  }

  /** Second chance: entries asked for since the last pass go to the end of the queue once. */
  #evictOldest(id: SpiffeId, share: PrincipalShare, leaf: LeafPartition): void {
    let entry = leaf.oldest;
    while (entry?.used === true) {
      entry.used = false;
      unlink(leaf, entry);
      linkNewest(leaf, entry);
      entry = leaf.oldest;
    }
    if (entry === null) return;
    unlink(leaf, entry);
    const methods = leaf.targets.get(entry.target);
    const paths = methods?.get(entry.method);
    paths?.delete(entry.key);
    if (paths?.size === 0) methods?.delete(entry.method);
    if (methods?.size === 0) leaf.targets.delete(entry.target);
    leaf.count -= 1;
    share.count -= 1;
    this.#count -= 1;
    this.#forgetIfEmpty(id, share, leaf);
  }

  #forgetIfEmpty(id: SpiffeId, share: PrincipalShare, leaf: LeafPartition): void {
    if (leaf.count === 0) share.leaves.delete(leaf.leafSha256);
    if (share.leaves.size === 0) this.#principals.delete(id);
  }
}

function pathsOf(leaf: LeafPartition, entry: StoredDecision): Map<string, StoredDecision> {
  let methods = leaf.targets.get(entry.target);
  if (methods === undefined) leaf.targets.set(entry.target, (methods = new Map()));
  let paths = methods.get(entry.method);
  if (paths === undefined) methods.set(entry.method, (paths = new Map()));
  return paths;
}

function linkNewest(leaf: LeafPartition, entry: StoredDecision): void {
  entry.older = leaf.newest;
  entry.newer = null;
  if (leaf.newest === null) leaf.oldest = entry;
  else leaf.newest.newer = entry;
  leaf.newest = entry;
}

function unlink(leaf: LeafPartition, entry: StoredDecision): void {
  if (entry.older === null) leaf.oldest = entry.newer;
  else entry.older.newer = entry.newer;
  if (entry.newer === null) leaf.newest = entry.older;
  else entry.newer.older = entry.older;
  entry.older = null;
  entry.newer = null;
}
