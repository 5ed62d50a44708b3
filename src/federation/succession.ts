// May a fetched document take the place of the one in force? The order of bundles by sequence number, and what breaks it.
// SPIFFE_Federation.md §4.2, SPIFFE_Trust_Domain_and_Bundle.md §4.1.1

import { quote } from '../core/quote.ts';
import type { BundleDocument } from '../spiffe/bundle-document.ts';
import { parseSpiffeId, SpiffeIdError, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { TrustBundle } from '../spiffe/trust-bundle.ts';
import { contentOf, isSameContent, isWithin } from './bundle-content.ts';
import { FederationError } from './federation-error.ts';

/** What has been in force up to now. */
export interface Predecessor {
  readonly document: BundleDocument;
  /** The highest sequence number there has been; it outlives documents without one. */
  readonly highestSequence: bigint | null;
}

/**
 * - A higher number, or none, takes effect: without one the bundle fetched last is the latest (Federation §4.2). The highest number seen
 *   so far remains what a later one is measured by.
 * - A lower number is a rollback. Where it says the same as the bundle in force there is nothing to roll back: two replicas of an endpoint
 *   may count differently.
 * - The same number must not stand for other contents (Trust Domain and Bundle §4.1.1). Which of the two is later cannot be known, so such
 *   a document may take trust away and not add any: an operator who withdraws a key in haste is heard.
 *
 * The bundle in force stays the same object as long as it says the same.
 * @throws {FederationError}
 */
export function succeed(predecessor: Predecessor | null, arrived: BundleDocument): Predecessor {
  checkTrustDomains(arrived.bundle);
  if (predecessor === null) return { document: arrived, highestSequence: arrived.sequence };
  const { document, highestSequence } = predecessor;
  const content = contentOf(arrived.bundle);
  const contentInForce = contentOf(document.bundle);
  const sequence = laterOf(highestSequence, arrived.sequence);
  if (isSameContent(content, contentInForce)) {
    return { document: { ...arrived, bundle: document.bundle, sequence }, highestSequence: sequence };
  }
  const whose = `the bundle of \`${arrived.bundle.trustDomain}\``;
  if (arrived.sequence !== null && highestSequence !== null) {
    if (arrived.sequence < highestSequence) {
      const message = `${whose}: sequence ${arrived.sequence} after ${highestSequence}; an older bundle does not replace a newer one`;
      throw new FederationError('rollback', message);
    }
    if (arrived.sequence === highestSequence && !isWithin(content, contentInForce)) {
      const message = `${whose}: sequence ${arrived.sequence} came before with other keys; whoever publishes it must raise it with every change`;
      throw new FederationError('sequence-reused', message);
    }
  }
  return { document: arrived, highestSequence: sequence };
}

/** A bundle does not say whose it is (§5.1), but its authorities may: a URL that is configured for the wrong trust domain shows here. */
function checkTrustDomains({ trustDomain, authorities }: TrustBundle): void {
  for (const { extensions } of authorities) {
    for (const name of extensions.subjectAltName?.names ?? []) {
      if (name.form !== 'uri' || !/^spiffe:/i.test(name.value) || isOf(trustDomain, name.value)) continue;
      const message = `the bundle of \`${trustDomain}\`: one of its authorities is ${quote(name.value)}, of another trust domain`;
      throw new FederationError('foreign-authority', message);
    }
  }
}

function isOf(trustDomain: string, id: string): boolean {
  try {
    return trustDomainOf(parseSpiffeId(id)) === trustDomain;
  } catch (error) {
    if (error instanceof SpiffeIdError) return false;
    throw error;
  }
}

function laterOf(left: bigint | null, right: bigint | null): bigint | null {
  if (left === null || right === null) return left ?? right;
  return left > right ? left : right;
}
