// A cluster as it is, read once from its API server.

import { completeKind, type Inventory, type Unreadable } from '../audit/inventory.ts';
import type { KubeObject } from '../audit/kube-object.ts';
import { ApiError } from './api-error.ts';
import type { ClusterTarget } from './cluster-target.ts';
import { discoverKinds, type ServedKind } from './discovery.ts';
import { planLists } from './list-plan.ts';
import { listKind, type ListTarget, type ListTerms, pathOf, readLiveObject } from './list-kind.ts';
import { createClient, type LiveSelection, type LiveTerms, retryTermsOf } from './live-terms.ts';
import { withRetries } from './retry.ts';
import { Turns } from './turns.ts';
import { describe, unreadableKind, unreadableReading } from './unreadable-kind.ts';

export interface LiveInventory extends Inventory {
  readonly completeKinds: ReadonlySet<string>;
  /** For people: which cluster this was. */
  readonly source: string;
  /** That the API server was asked. */
  readonly questions: number;
}

/**
 * Every kind of object that an audit looks at. A kind that cannot be read is told in `unreadable`.
 * @throws {ApiError | ConnectionError} when the server cannot be asked at all
 */
export async function readCluster(terms: LiveTerms): Promise<LiveInventory> {
  const { limits, ports, selection, target } = terms;
  const client = createClient(terms);
  const whole = new AbortController();
  const tooLate = new ApiError('timeout', `the cluster was not read in ${limits.wholeMs / 1000} s`);
  const cancel = ports.schedule(limits.wholeMs, () => whole.abort(tooLate));
  try {
    const turns = new Turns(limits.concurrency);
    const { pageSize, maxPages } = limits;
    const asking = { client, retry: retryTermsOf(terms), signal: whole.signal, turns, pageSize, maxPages };
    const readings = await discoverKinds(asking);
    const unreadable = readings.flatMap((reading) => unreadableReading(reading) ?? []);
    const served = readings.flatMap((reading) => (reading.kind === 'served' ? [reading.served] : []));
    const targets = await planLists(served, selection, asking);
    const read = await Promise.all(targets.map((each) => readKind(each, asking, selection)));
    return {
      objects: read.flatMap(({ objects }) => objects),
      unreadable: [...unverified(target), ...unreadable, ...read.flatMap((kind) => kind.unreadable)],
      completeKinds: new Set(read.flatMap(({ complete }) => complete ?? [])),
      source: `${target.name} at ${target.server.origin}`,
      questions: client.questions,
    };
  } finally {
    cancel();
    client.close();
  }
}

/** Whoever was on the way could have left out or made up what was read: such an audit is never a whole one. */
export function unverified({ cautions, server }: ClusterTarget): readonly Unreadable[] {
  return cautions.map((detail) => ({
    what: `the API server ${server.host}`,
    kind: 'APIServer',
    namespace: null,
    reason: 'unverified',
    detail,
    position: null,
  }));
}

export interface ReadKind {
  readonly objects: readonly KubeObject[];
  readonly unreadable: readonly Unreadable[];
  /** Null when there may be more. */
  readonly complete: string | null;
}

/** What of a listed kind is known, and what is not. */
export function whatWasRead(
  { kind, namespace }: ListTarget,
  { malformed }: { readonly malformed: number },
): Omit<ReadKind, 'objects'> {
  if (malformed === 0) return { unreadable: [], complete: completeKind(kind.key, namespace) };
  const place = { listed: kind, resource: kind.resource, namespace };
  const detail = `${malformed} items of the list are not what was asked for`;
  return { unreadable: [describe(place, 'malformed', detail)], complete: null };
}

async function readKind(target: ListTarget, terms: ListTerms, { namespaces }: LiveSelection): Promise<ReadKind> {
  const { kind, namespace } = target;
  try {
    const list = await listKind(target, terms);
    return { objects: list.objects, ...whatWasRead(target, list) };
  } catch (error) {
    const unreadable = unreadableKind({ listed: kind, resource: kind.resource, namespace }, error);
    const isRefused = unreadable.reason === 'forbidden' && kind.key === 'Namespace' && namespaces !== null;
    // Whoever may look into a namespace may mostly look at it, too, and its labels count for much.
    const objects = isRefused ? await getNamespaces(namespaces, kind, terms) : [];
    return { objects, unreadable: [unreadable], complete: null };
  }
}

async function getNamespaces(
  names: readonly string[],
  kind: ServedKind,
  terms: ListTerms,
): Promise<readonly KubeObject[]> {
  const { client, retry, signal, turns } = terms;
  const found = names.map(async (name): Promise<readonly KubeObject[]> => {
    const path = `${pathOf({ kind, namespace: null })}/${encodeURIComponent(name)}`;
    try {
      const body = await turns.take(() => withRetries(() => client.ask({ path, query: {}, signal }), signal, retry));
      return [readLiveObject(body, { kind, namespace: null }) ?? []].flat();
    } catch (error) {
      // That the kind was refused is told in any case.
      if (error instanceof ApiError) return [];
      throw error;
    }
  });
  return (await Promise.all(found)).flat();
}
