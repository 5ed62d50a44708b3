// Which lists are asked for: of all namespaces at once where that is allowed, else of those that were named.

import { ApiError } from './api-error.ts';
import type { ServedKind } from './discovery.ts';
import { type ListTarget, type ListTerms, pathOf } from './list-kind.ts';
import type { LiveSelection } from './live-terms.ts';
import { withRetries } from './retry.ts';

/** @throws {ConnectionError} or the reason of the signal */
export async function planLists(
  kinds: readonly ServedKind[],
  { namespaces }: LiveSelection,
  terms: ListTerms,
): Promise<readonly ListTarget[]> {
  const targets = kinds.map(async (kind): Promise<readonly ListTarget[]> => {
    const all = { kind, namespace: null };
    if (namespaces === null || !kind.isNamespaced || !(await isForbidden(all, terms))) return [all];
    return namespaces.map((namespace) => ({ kind, namespace }));
  });
  return (await Promise.all(targets)).flat();
}

/** Any other trouble is told of the list itself. */
async function isForbidden(target: ListTarget, { client, retry, signal, turns }: ListTerms): Promise<boolean> {
  const question = { path: pathOf(target), query: { limit: '1' }, signal };
  try {
    await turns.take(() => withRetries(() => client.ask(question), signal, retry));
    return false;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.code === 'forbidden';
  }
}
