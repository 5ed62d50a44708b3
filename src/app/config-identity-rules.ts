// What must hold between the keys that say who we are.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { Conflict } from './config-conflict.ts';
import type { Sound } from './config-document.ts';
import { parseOwnSpiffeId } from './config-identity.ts';
import type { ConfigDocument } from './config-schema.ts';

export function* findIdentityConflicts(document: Sound<ConfigDocument>): Iterable<Conflict> {
  yield* findMissingBundle(document);
  const { trustDomain, identity } = document;
  const { spiffeId, hint } = identity?.workloadApi ?? {};
  if (spiffeId === undefined) return;
  const path = ['identity', 'workloadApi', 'spiffeId'];
  if (hint !== undefined) {
    const message = '`spiffeId` and `hint` both choose one of several SVIDs; leave one of them out';
    yield { code: 'conflict', path: ['identity', 'workloadApi', 'hint'], message };
  }
  if (trustDomain === undefined) return;
  const wrong = describeWrongOwnId(spiffeId, trustDomain);
  if (wrong !== null) yield { code: wrong.code, path, message: wrong.message };
}

// Everything below is verified against the bundle of an ID's own trust domain: without ours, no workload of ours gets in.
function* findMissingBundle({ trustDomain, identity }: Sound<ConfigDocument>): Iterable<Conflict> {
  const bundles = identity?.files?.trustBundles;
  if (trustDomain === undefined || bundles === undefined || bundles.has(trustDomain)) return;
  const message = `there is no bundle for the own trust domain ${quote(trustDomain)}; add \`${trustDomain}: FILE\``;
  yield { code: 'missing-trust-bundle', path: ['identity', 'files', 'trustBundles'], message };
}

/** What `parseOwnSpiffeId` refuses, or an ID of another trust domain. */
function describeWrongOwnId(
  text: string,
  own: TrustDomain,
): { readonly code: string; readonly message: string } | null {
  try {
    const id = parseOwnSpiffeId(text, own);
    if (trustDomainOf(id) === own) return null;
    const message = `${quote(id)} is not of the own trust domain ${quote(own)}, as our own SVID must be`;
    return { code: 'foreign-trust-domain', message };
  } catch (error) {
    if (error instanceof SallyportError) return error;
    throw error;
  }
}
