// What must hold between the keys that say who we are.

import { quote } from '../core/quote.ts';
import { pathOf, type SpiffeId, SpiffeIdError, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
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

function describeWrongOwnId(
  text: string,
  own: TrustDomain,
): { readonly code: string; readonly message: string } | null {
  let id: SpiffeId;
  try {
    id = parseOwnSpiffeId(text, own);
  } catch (error) {
    if (error instanceof SpiffeIdError) return { code: error.code, message: error.message };
    throw error;
  }
  if (trustDomainOf(id) !== own) {
    const message = `${quote(id)} is not of the own trust domain ${quote(own)}, and our own SVID is`;
    return { code: 'foreign-trust-domain', message };
  }
  if (pathOf(id) !== '') return null;
  return {
    code: 'missing-path',
    message: `${quote(id)} has no path; the ID of a trust domain itself names no workload`,
  };
}
