// One revocation as one JSON object, for a store that several replicas read: nothing in it depends on who reads it.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { parseJson, type JsonValue } from '../json/json.ts';
import { JsonError } from '../json/json-error.ts';
import { formatEntry, readEntry } from './entry.ts';
import type { Revocation } from './revocation.ts';

export type StoredRevocationErrorCode =
  /** Not JSON, or not an object. */
  | 'not-json'
  /** An object that is no revocation; the message has everything that is wrong with it. */
  | 'invalid-revocation';

export class StoredRevocationError extends SallyportError<StoredRevocationErrorCode> {}

const LIMITS = { maxBytes: 16 * 1024, maxDepth: 1 };

/** The keys and values of the revocation file, on one line; `revocationKey` of the target names it. */
export function formatStoredRevocation(revocation: Revocation): string {
  return JSON.stringify(Object.fromEntries(formatEntry(revocation)));
}

/**
 * Patterns have to name their trust domain: readers of one store may be of different ones.
 * @throws {StoredRevocationError}
 */
export function parseStoredRevocation(text: string): Revocation {
  const value = parse(text);
  if (value.kind !== 'object') {
    throw new StoredRevocationError('not-json', `${quote(text)} is not a JSON object`);
  }
  const texts = new Map<string, string | null>();
  for (const [key, member] of value.members) texts.set(key, member.kind === 'string' ? member.value : null);
  const reading = readEntry(texts, null);
  if (reading.kind === 'revocation') return reading.revocation;
  const messages = reading.problems.map(({ message }) => message);
  throw new StoredRevocationError('invalid-revocation', messages.join('; '));
}

function parse(text: string): JsonValue {
  try {
    return parseJson(Buffer.from(text), LIMITS);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new StoredRevocationError('not-json', error.message, { cause: error });
  }
}
