// Which kinds an API server has, in which version, and under which name they are asked for.
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api

import { own } from '../audit/kube-object.ts';
import type { KindKey } from '../audit/scope.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { isAlwaysServed, type ListedKind, LISTED_KINDS, SAME_OBJECTS } from './kinds.ts';
import { type RetryTerms, withRetries } from './retry.ts';
import type { Turns } from './turns.ts';

export interface ServedKind extends ListedKind {
  /** `apps/v1`. */
  readonly apiVersion: string;
  /** `deployments`. */
  readonly resource: string;
  readonly isNamespaced: boolean;
  readonly canWatch: boolean;
}

export type KindReading =
  | { readonly kind: 'served'; readonly served: ServedKind }
  | { readonly kind: 'absent'; readonly listed: ListedKind }
  /** Its group could not be asked, such as that of an aggregated API server that is down. */
  | { readonly kind: 'failed'; readonly listed: ListedKind; readonly error: ApiError }
  /** Another group has the same objects. */
  | { readonly kind: 'elsewhere'; readonly listed: ListedKind };

export interface DiscoveryTerms {
  readonly client: ApiClient;
  readonly retry: RetryTerms;
  readonly signal: AbortSignal;
  readonly turns: Turns;
}

/** Every kind of `LISTED_KINDS`, once. @throws {ApiError | ConnectionError} when nothing can be had from the server at all */
export async function discoverKinds(terms: DiscoveryTerms): Promise<readonly KindReading[]> {
  const [core, groups] = [await get('/api', terms), await get('/apis', terms)];
  const versions = new Map<string, readonly string[]>();
  versions.set('', textsOf(requireList(core, 'versions', '/api')));
  for (const group of requireList(groups, 'groups', '/apis')) {
    const name = own(group, 'name');
    if (typeof name === 'string') versions.set(name, versionsOf(group));
  }
  const byGroup = Map.groupBy(LISTED_KINDS, ({ group }) => group);
  const readings = await Promise.all(
    [...byGroup].map(async ([group, kinds]): Promise<readonly KindReading[]> => {
      const same = SAME_OBJECTS.get(group);
      if (same !== undefined && versions.has(same)) return kinds.map((listed) => ({ kind: 'elsewhere', listed }));
      return discoverGroup({ group, kinds, versions: versions.get(group) ?? [] }, terms);
    }),
  );
  return readings.flat();
}

interface AskedGroup {
  readonly group: string;
  readonly kinds: readonly ListedKind[];
  /** The one that the server prefers first. */
  readonly versions: readonly string[];
}

async function discoverGroup(
  { group, kinds, versions }: AskedGroup,
  terms: DiscoveryTerms,
): Promise<readonly KindReading[]> {
  const found = new Map<KindKey, ServedKind>();
  let failure: ApiError | null = null;
  for (const version of versions) {
    const missing = kinds.filter(({ key }) => !found.has(key));
    if (missing.length === 0) break;
    const apiVersion = group === '' ? version : `${group}/${version}`;
    try {
      const path = `/${group === '' ? 'api' : 'apis'}/${apiVersion}`;
      const resources = requireList(await get(path, terms), 'resources', path);
      for (const served of servedIn(resources, apiVersion, missing)) found.set(served.key, served);
      if (hasStrangeName(resources, missing)) failure = new ApiError('malformed', `${path}: a resource has no name`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failure = error;
    }
  }
  return kinds.map((listed): KindReading => {
    const served = found.get(listed.key);
    if (served !== undefined) return { kind: 'served', served };
    if (failure !== null) return { kind: 'failed', listed, error: failure };
    if (!isAlwaysServed(listed)) return { kind: 'absent', listed };
    const error = new ApiError('malformed', 'the API server does not name this kind, which every cluster has');
    return { kind: 'failed', listed, error };
  });
}

function servedIn(
  resources: readonly unknown[],
  apiVersion: string,
  kinds: readonly ListedKind[],
): readonly ServedKind[] {
  return resources.flatMap((resource): readonly ServedKind[] => {
    const name = own(resource, 'name');
    const listed = kinds.find(({ kind }) => kind === own(resource, 'kind'));
    // `deployments/scale` has a kind of its own, and is no list.
    if (listed === undefined || typeof name !== 'string' || !RESOURCE.test(name)) return [];
    const isNamespaced = own(resource, 'namespaced') === true;
    const canWatch = textsOf(own(resource, 'verbs')).includes('watch');
    return [{ ...listed, apiVersion, resource: name, isNamespaced, canWatch }];
  });
}

/** Under such a name a kind cannot be asked for, and is there all the same. */
function hasStrangeName(resources: readonly unknown[], kinds: readonly ListedKind[]): boolean {
  return resources.some((resource) => {
    const name = own(resource, 'name');
    const isListed = kinds.some(({ kind }) => kind === own(resource, 'kind'));
    return isListed && !(typeof name === 'string' && (RESOURCE.test(name) || SUBRESOURCE.test(name)));
  });
}

const RESOURCE = /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/;
const SUBRESOURCE = /^[a-z0-9]+(?:[.-][a-z0-9]+)*\/[a-z0-9]+(?:[.-][a-z0-9]+)*$/;
const VERSION = /^v[a-z0-9]+$/;

function versionsOf(group: unknown): readonly string[] {
  const versions = listOf(own(group, 'versions')).map((version) => own(version, 'version'));
  const preferred = own(own(group, 'preferredVersion'), 'version');
  return [...new Set([preferred, ...versions])].filter(
    (version): version is string => typeof version === 'string' && VERSION.test(version),
  );
}

function requireList(answer: unknown, field: string, path: string): readonly unknown[] {
  const list = own(answer, field);
  if (Array.isArray(list)) return list;
  throw new ApiError('malformed', `${path}: the answer has no list of ${field}`);
}

async function get(path: string, { client, retry, signal, turns }: DiscoveryTerms): Promise<unknown> {
  const answer = await turns.take(() => withRetries(() => client.ask({ path, query: {}, signal }), signal, retry));
  if (typeof answer === 'object' && answer !== null && own(answer, 'kind') !== undefined) return answer;
  throw new ApiError('malformed', `${path}: the answer is not one of a Kubernetes API server`);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((text) => typeof text === 'string');
}
