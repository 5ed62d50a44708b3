// What stands in the hash of a revocation list, entry by entry: a broken one is told and takes nothing with it.

import { isUtf8 } from 'node:buffer';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { type Revocation, revocationKey } from '../revocation/revocation.ts';
import { parseStoredRevocation } from '../revocation/stored-revocation.ts';
import { type ListMark, ListMarkError, MARK_FIELD, parseMark } from './list-mark.ts';
import { StoreError } from './store-error.ts';

export interface ListContents {
  /** Null: nobody declared this to be a whole list, or it was lost. */
  readonly mark: ListMark | null;
  readonly entries: ReadonlyMap<string, StoredEntry>;
  readonly problems: readonly StoredProblem[];
}

export interface StoredEntry {
  /** As stored: the same text is not read twice. */
  readonly text: string;
  readonly revocation: Revocation;
  readonly problem: StoredProblem | null;
}

/** What somebody has to mend in Redis. */
export interface StoredProblem {
  /** As stored, which can be anything. */
  readonly field: string;
  readonly code: StoredProblemCode;
  readonly message: string;
}

export type StoredProblemCode =
  /** Not a revocation. What this field held before, if that is known, stays in force. */
  | 'broken-entry'
  /** A revocation, in force, but not in the field in which it would be looked for to take it back. */
  | 'misplaced-entry'
  | 'broken-mark';

export const MAX_STORED_ENTRIES = 100_000;

export const NO_CONTENTS: ListContents = { mark: null, entries: new Map(), problems: [] };

/** A few milliseconds of reading; in between, requests have their turn. */
const ENTRIES_PER_TURN = 200;

/**
 * Reads the reply to HGETALL.
 * @param previous what was in force until now
 * @throws {StoreError} `list-too-large`, `command-refused`
 */
export async function readListContents(reply: unknown, previous: ListContents): Promise<ListContents> {
  const entries = new Map<string, StoredEntry>();
  const problems: StoredProblem[] = [];
  let mark: ListMark | null = null;
  let count = 0;
  for (const [field, value] of pairsOf(reply)) {
    count += 1;
    if (count % ENTRIES_PER_TURN === 0) await nextTurn();
    const known = previous.entries.get(field);
    try {
      if (field === MARK_FIELD) {
        mark = parseMark(value.toString('latin1'));
        continue;
      }
      const text = toText(value);
      const entry = known?.text === text ? known : readEntry(field, text);
      entries.set(field, entry);
      if (entry.problem !== null) problems.push(entry.problem);
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      const code = error instanceof ListMarkError ? 'broken-mark' : 'broken-entry';
      problems.push({ field, code, message: error.message });
      if (known !== undefined) entries.set(field, known);
    }
  }
  return { mark, entries, problems };
}

function readEntry(field: string, text: string): StoredEntry {
  const revocation = parseStoredRevocation(text);
  const key = revocationKey(revocation.target);
  if (key === field) return { text, revocation, problem: null };
  const message = `it belongs into the field ${quote(key)}`;
  return { text, revocation, problem: { field, code: 'misplaced-entry', message } };
}

/** The entries that count at `nowMs`. */
export function unexpired(entries: ReadonlyMap<string, StoredEntry>, nowMs: number): readonly Revocation[] {
  const revocations = Array.from(entries.values(), ({ revocation }) => revocation);
  return revocations.filter(({ expiresMs }) => expiresMs === null || expiresMs > nowMs);
}

function* pairsOf(reply: unknown): Generator<readonly [field: string, value: Buffer]> {
  if (!Array.isArray(reply)) throw new StoreError('command-refused', 'HGETALL: the reply is not a list');
  // And the mark.
  if (reply.length > 2 * (MAX_STORED_ENTRIES + 1)) {
    throw new StoreError('list-too-large', `a list of more than ${MAX_STORED_ENTRIES} entries`);
  }
  const cells: readonly unknown[] = reply;
  for (let at = 0; at < cells.length; at += 2) {
    const field = cells[at];
    const value = cells[at + 1];
    if (!Buffer.isBuffer(field) || !Buffer.isBuffer(value)) {
      throw new StoreError('command-refused', 'HGETALL: the reply is not fields and values');
    }
    yield [isUtf8(field) ? field.toString('utf8') : `0x${field.toString('hex')}`, value];
  }
}

function toText(value: Buffer): string {
  // Read anyway, an octet that is not text would become a character that stands for it; then it is not what was written.
  return isUtf8(value) ? value.toString('utf8') : value.toString('latin1');
}
