// The hot path of decide: remembers answers for exactly as long as everything they were made from stands.

import type { Snapshot } from '../core/snapshot.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { classify, decide, decideFor, type AuthzRequest } from './decide.ts';
import type { Decision } from './decision.ts';
import { createLeafPartition, DecisionStore, type LeafPartition, type StoredDecision } from './decision-store.ts';
import type { CompiledPolicy, Principal } from './matrix.ts';

export interface DecisionCacheOptions {
  /** Over all principals; 0 remembers nothing. */
  readonly maxEntries: number;
  /** Over all leaf certificates of one SPIFFE ID. */
  readonly maxEntriesPerPrincipal: number;
  /** Every Nth hit is computed again and compared; 0 is never. */
  readonly verifyEvery: number;
  /** A hit that differs from what the matrix says; the fresh answer is the one that counts. */
  readonly onDisagreement: (cached: Decision, fresh: Decision, request: AuthzRequest) => void;
}

/** A verified leaf certificate, as far as decisions depend on it. */
export interface AdmittedLeaf {
  readonly leafSha256: string;
  readonly id: SpiffeId;
  /** Of the whole chain: when the identity ends. */
  readonly notAfterMs: number;
}

/** One connection's view of the cache: its leaf under one trust epoch. Made by `DecisionCache.admit`; all but the first three fields are the cache's own. */
export interface CachePartition {
  readonly id: SpiffeId;
  readonly trustEpoch: number;
  readonly notAfterMs: number;
  leaf: LeafPartition;
  /** The latest time seen: in here time does not go back. */
  latestMs: number;
  /** What was asked last on this connection; peers repeat themselves. */
  recent: StoredDecision | null;
  classified: { readonly under: CompiledPolicy; readonly principal: Principal } | null;
}

export interface CacheCounts {
  /** Answered from memory. */
  hits: number;
  /** Nothing remembered. */
  misses: number;
  /** Something was remembered, and not valid any more: another epoch, or the identity has ended. */
  stale: number;
  disagreements: number;
}

interface FreshDecision {
  readonly request: AuthzRequest;
  readonly decision: Decision;
  readonly ignoresQuery: boolean;
  readonly policyEpoch: number;
}

export class DecisionCache {
  readonly counts: CacheCounts = { hits: 0, misses: 0, stale: 0, disagreements: 0 };
  readonly #options: DecisionCacheOptions;
  readonly #store: DecisionStore;
  #newestPolicyEpoch = 0;
  #newestTrustEpoch = 0;
  #hitsUntilVerified: number;

  constructor(options: DecisionCacheOptions) {
    this.#options = options;
    this.#store = new DecisionStore(options);
    this.#hitsUntilVerified = options.verifyEvery;
  }

  get entries(): number {
    return this.#store.count;
  }

  /** Once per connection, after its chain has been verified, and again each time that was done under a newer trust epoch. */
  admit(leaf: AdmittedLeaf, trustEpoch: number): CachePartition {
    return {
      id: leaf.id,
      trustEpoch,
      notAfterMs: leaf.notAfterMs,
      leaf: this.#store.findLeaf(leaf.id, leaf.leafSha256) ?? createLeafPartition(leaf.leafSha256),
      latestMs: Number.NEGATIVE_INFINITY,
      recent: null,
      classified: null,
    };
  }

  /**
   * The same answer as `decide(policy.value, request)`. `nowMs` is wall time; where the clock may be set, pass time that does not
   * go back (wall time at start plus monotonic time since). A partition that has once seen its leaf's end stays without memory,
   * and its entries are gone: setting the clock back brings nothing back.
   */
  decide(partition: CachePartition, policy: Snapshot<CompiledPolicy>, request: AuthzRequest, nowMs: number): Decision {
    if (nowMs > partition.latestMs) partition.latestMs = nowMs;
    if (partition.latestMs >= partition.notAfterMs || request.principal !== partition.id) {
      return this.#withoutMemory(partition, policy.value, request);
    }
    // Each would hold a tunnel open for hours: nothing is gained by remembering, and nothing remembered can be mistaken for its answer.
    if (request.upgrade !== null) {
      this.counts.misses += 1;
      return decideFor(policy.value, classifyOnce(partition, policy.value), request);
    }
    const found = findRecent(partition, policy, request) ?? findStored(partition.leaf, policy.value, request);
    if (found === undefined) {
      this.counts.misses += 1;
      return this.#compute(partition, policy, request);
    }
    if (found.policyEpoch !== policy.epoch || found.trustEpoch !== partition.trustEpoch) {
      this.counts.stale += 1;
      return this.#compute(partition, policy, request, found);
    }
    this.counts.hits += 1;
    found.used = true;
    partition.recent = found;
    if (this.#options.verifyEvery === 0) return found.decision;
    this.#hitsUntilVerified -= 1;
    return this.#hitsUntilVerified > 0 ? found.decision : this.#verify(found, policy.value, request);
  }

  /** The identity has ended, or the request is not this partition's: whoever is asked now answers from the matrix alone. */
  #withoutMemory(partition: CachePartition, policy: CompiledPolicy, request: AuthzRequest): Decision {
    this.counts.stale += 1;
    if (partition.latestMs >= partition.notAfterMs) {
      partition.recent = null;
      this.#store.dropLeaf(partition.id, partition.leaf);
    }
    return decide(policy, request);
  }

  /** Should deciding throw, nothing has been remembered. */
  #compute(
    partition: CachePartition,
    policy: Snapshot<CompiledPolicy>,
    request: AuthzRequest,
    outdated?: StoredDecision,
  ): Decision {
    const decision = decideFor(policy.value, classifyOnce(partition, policy.value), request);
    this.#newestPolicyEpoch = Math.max(this.#newestPolicyEpoch, policy.epoch);
    this.#newestTrustEpoch = Math.max(this.#newestTrustEpoch, partition.trustEpoch);
    // Computed before a reload that others have seen already: right for this request, and for no later one.
    if (policy.epoch < this.#newestPolicyEpoch || partition.trustEpoch < this.#newestTrustEpoch) return decision;
    const ignoresQuery = !policy.value.readsQuery(request.target);
    if (outdated === undefined) {
      this.#remember(partition, { request, decision, ignoresQuery, policyEpoch: policy.epoch });
    } else {
      outdated.decision = decision;
      outdated.ignoresQuery = ignoresQuery;
      outdated.policyEpoch = policy.epoch;
      outdated.trustEpoch = partition.trustEpoch;
    }
    return decision;
  }

  #remember(partition: CachePartition, { request, decision, ignoresQuery, policyEpoch }: FreshDecision): void {
    const keyHasQuery = !ignoresQuery && request.query !== null;
    const text = keyHasQuery ? keyWithQuery(request) : request.path;
    if (text.length > MAX_KEY_LENGTH || request.method.length > MAX_METHOD_LENGTH || request.path.includes('?')) return;
    const key = copyText(text);
    const method = copyText(request.method);
    // Text that is not one byte a character is no request target; it is decided each time.
    if (key !== text || method !== request.method) return;
    partition.leaf = this.#store.findLeaf(partition.id, partition.leaf.leafSha256) ?? partition.leaf;
    const entry: StoredDecision = {
      leaf: partition.leaf,
      target: request.target,
      method,
      key,
      keyHasQuery,
      ignoresQuery,
      decision,
      policyEpoch,
      trustEpoch: partition.trustEpoch,
      used: false,
      older: null,
      newer: null,
    };
    if (this.#store.add(partition.id, entry)) partition.recent = entry;
  }

  /** One decide, differentially: what is remembered must be what the matrix says now. */
  #verify(found: StoredDecision, policy: CompiledPolicy, request: AuthzRequest): Decision {
    this.#hitsUntilVerified = this.#options.verifyEvery;
    const cached = found.decision;
    const fresh = decide(policy, request);
    if (fresh === cached) return cached;
    this.counts.disagreements += 1;
    found.decision = fresh;
    this.#options.onDisagreement(cached, fresh, request);
    return fresh;
  }
}

function classifyOnce(partition: CachePartition, policy: CompiledPolicy): Principal {
  if (partition.classified?.under !== policy) {
    partition.classified = { under: policy, principal: classify(policy, partition.id) };
  }
  return partition.classified.principal;
}

/** The last answer on this connection, if it is for the same request and everything it was made from still stands. */
function findRecent(
  { recent, trustEpoch }: CachePartition,
  policy: Snapshot<CompiledPolicy>,
  request: AuthzRequest,
): StoredDecision | undefined {
  if (recent === null || recent.policyEpoch !== policy.epoch || recent.trustEpoch !== trustEpoch) return undefined;
  const isSame =
    !recent.keyHasQuery &&
    recent.key === request.path &&
    recent.target === request.target &&
    recent.method === request.method &&
    (recent.ignoresQuery || request.query === null);
  return isSame ? recent : undefined;
}

function findStored(leaf: LeafPartition, policy: CompiledPolicy, request: AuthzRequest): StoredDecision | undefined {
  const paths = leaf.targets.get(request.target)?.get(request.method);
  if (paths === undefined) return undefined;
  const keyHasQuery = request.query !== null && policy.readsQuery(request.target);
  const found = paths.get(keyHasQuery ? keyWithQuery(request) : request.path);
  // A path that holds a `?` itself must not find what was remembered for a path and a query.
  return found?.keyHasQuery === keyHasQuery ? found : undefined;
}

function keyWithQuery({ path, query }: AuthzRequest): string {
  return `${path}?${query ?? ''}`;
}

// Longer keys are decided each time: they are rare, and the bound on entries is meant to be a bound on memory.
const MAX_KEY_LENGTH = 1024;
const MAX_METHOD_LENGTH = 32;
const COPY_BUFFER = Buffer.alloc(MAX_KEY_LENGTH);
// V8 makes slices of strings this long or longer; shorter ones are copies already.
const MIN_SLICE_LENGTH = 13;

/** A string of its own: a slice would keep the whole head it was cut from alive as long as the entry. */
function copyText(text: string): string {
  if (text.length < MIN_SLICE_LENGTH) return text;
  return COPY_BUFFER.toString('latin1', 0, COPY_BUFFER.write(text, 'latin1'));
}
