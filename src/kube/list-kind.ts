// One list of an API server, page by page, from its beginning to its end.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks

import { type KubeObject, own, readKubeObject } from '../audit/kube-object.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import type { ServedKind } from './discovery.ts';
import { dropUnasked } from './unasked.ts';
import { type RetryTerms, withRetries } from './retry.ts';
import type { Turns } from './turns.ts';

export interface ListTarget {
  readonly kind: ServedKind;
  /** Null for all. */
  readonly namespace: string | null;
}

export interface ListTerms {
  readonly client: ApiClient;
  readonly retry: RetryTerms;
  readonly signal: AbortSignal;
  readonly turns: Turns;
  readonly pageSize: number;
  readonly maxPages: number;
}

export interface KindList {
  readonly objects: readonly KubeObject[];
  /** From which a watch goes on. */
  readonly resourceVersion: string;
  /** Items that are no objects. */
  readonly malformed: number;
}

/** How often the server may tell us that our place in the list is too old, before the whole of it is asked for at once. */
const MAX_RESTARTS = 2;

/** @throws {ApiError | ConnectionError} or the reason of the signal */
export async function listKind(target: ListTarget, terms: ListTerms): Promise<KindList> {
  for (let restarts = 0; ; restarts += 1) {
    try {
      return await listOnce(target, terms, restarts < MAX_RESTARTS ? terms.pageSize : null);
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'gone') || restarts >= MAX_RESTARTS) throw error;
    }
  }
}

export function pathOf({ kind, namespace }: ListTarget): string {
  const { apiVersion, resource } = kind;
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return namespace === null ? `${root}/${resource}` : `${root}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
}

/** Null for what is not an object of this list. */
export function readLiveObject(item: unknown, { kind: served, namespace }: ListTarget): KubeObject | null {
  if (typeof item !== 'object' || item === null) return null;
  const { apiVersion, group, kind, isNamespaced } = served;
  dropUnasked(item, kind);
  // Items of a list do not say what they are.
  const body = { apiVersion, kind, ...item };
  const reading = readKubeObject(body, { origin: 'live', defaultNamespace: '', locate: () => null });
  if (reading.kind !== 'object') return null;
  const { object } = reading;
  const isPlaced = (object.namespace !== null) === isNamespaced && (namespace ?? object.namespace) === object.namespace;
  return object.group === group && object.kind === kind && isPlaced ? object : null;
}

async function listOnce(target: ListTarget, terms: ListTerms, pageSize: number | null): Promise<KindList> {
  const objects: KubeObject[] = [];
  let malformed = 0;
  let next: string | null = null;
  for (let pages = 1; pages <= terms.maxPages; pages += 1) {
    const page = await askPage(target, terms, {
      ...(pageSize === null ? {} : { limit: String(pageSize) }),
      ...(next === null ? {} : { continue: next }),
    });
    for (const item of page.items) {
      const object = readLiveObject(item, target);
      if (object === null) malformed += 1;
      else objects.push(object);
    }
    if (page.next === null) return { objects, resourceVersion: page.resourceVersion, malformed };
    if (page.next === next) throw new ApiError('malformed', `${pathOf(target)}: the list goes on where it was`);
    next = page.next;
  }
  throw new ApiError(
    'too-large',
    `${pathOf(target)}: the list has more than the ${terms.maxPages} pages that are read`,
  );
}

interface Page {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  /** Null for the last one. */
  readonly next: string | null;
}

async function askPage(target: ListTarget, terms: ListTerms, query: Readonly<Record<string, string>>): Promise<Page> {
  const { client, retry, signal, turns } = terms;
  const path = pathOf(target);
  const page = await turns.take(() => withRetries(() => client.ask({ path, query, signal }), signal, retry));
  const items = own(page, 'items');
  const metadata = own(page, 'metadata');
  const resourceVersion = own(metadata, 'resourceVersion');
  const next = own(metadata, 'continue') ?? '';
  const { apiVersion, kind } = target.kind;
  const isList = own(page, 'kind') === `${kind}List` && own(page, 'apiVersion') === apiVersion;
  if (!isList || !Array.isArray(items) || typeof resourceVersion !== 'string' || typeof next !== 'string') {
    throw new ApiError('malformed', `${path}: the answer is no ${kind}List of ${apiVersion}`);
  }
  const remaining = own(metadata, 'remainingItemCount') ?? 0;
  if (next === '' && remaining !== 0) {
    throw new ApiError('malformed', `${path}: the list ends before its end`);
  }
  return { items, resourceVersion, next: next === '' ? null : next };
}
