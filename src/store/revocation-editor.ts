// Changes to the revocation list in Redis, each as one transaction with the message that tells of it; for operators, not for sidecars.

import type { Clock } from '../core/clock.ts';
import { type Revocation, revocationKey } from '../revocation/revocation.ts';
import { formatStoredRevocation } from '../revocation/stored-revocation.ts';
import { type ListContents, MAX_STORED_ENTRIES, NO_CONTENTS, readListContents } from './list-contents.ts';
import { advanceMark, formatMark, type ListMark, MARK_FIELD, startMark } from './list-mark.ts';
import { type ConnectionPort, RedisConnection, type RedisTarget } from './redis-connection.ts';
import { StoreError } from './store-error.ts';

export interface RedisList {
  readonly target: RedisTarget;
  readonly key: string;
}

export interface EditorPort extends ConnectionPort {
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** 16 digits of lower-case hex that no other change has. */
  readonly newChangeId: () => string;
}

/** What became of a change, and whether the list it was made to is one that sidecars take for whole. */
export interface Edited<Outcome> {
  readonly outcome: Outcome;
  readonly isWhole: boolean;
}

const MAX_ATTEMPTS = 50;
const MAX_PAUSE_MS = 40;

type Write = readonly [command: 'HSET' | 'HDEL', ...args: readonly string[]];

interface Prepared<Outcome> {
  readonly outcome: Outcome;
  /** Before the change. */
  readonly mark: ListMark | null;
  readonly writes: readonly Write[];
}

export class RevocationEditor {
  readonly #connection: RedisConnection;
  readonly #key: string;
  readonly #port: EditorPort;
  readonly #over: AbortController;

  /** @throws {StoreError} here and in every method */
  static async open({ target, key }: RedisList, port: EditorPort): Promise<RevocationEditor> {
    const over = new AbortController();
    return new RevocationEditor(await RedisConnection.open(target, port, over.signal), { key, port, over });
  }

  private constructor(
    connection: RedisConnection,
    { key, port, over }: { key: string; port: EditorPort; over: AbortController },
  ) {
    this.#connection = connection;
    this.#key = key;
    this.#port = port;
    this.#over = over;
  }

  close(): void {
    this.#over.abort();
  }

  async read(): Promise<ListContents> {
    return await readListContents(await this.#connection.call('HGETALL', this.#key), NO_CONTENTS);
  }

  /** `exists`: there is one for the same target, and nothing was changed. */
  async add(entry: Revocation, existing: 'refuse' | 'replace'): Promise<Edited<'added' | 'replaced' | 'exists'>> {
    const field = revocationKey(entry.target);
    return this.#change(async () => {
      const { mark, isThere } = await this.#lookUp(field);
      if (isThere && existing === 'refuse') return { outcome: 'exists', mark, writes: [] };
      // One entry more than is read, and no entry would be.
      if (!isThere && (await this.#count(mark)) >= MAX_STORED_ENTRIES) throw tooMany();
      const writes: readonly Write[] = [['HSET', this.#key, field, formatStoredRevocation(entry)]];
      return { outcome: isThere ? 'replaced' : 'added', mark, writes };
    });
  }

  /** Takes any field but that of the mark, so that broken entries can be removed as well. */
  async remove(field: string): Promise<Edited<'removed' | 'absent'>> {
    return this.#change(async () => {
      const { mark, isThere } = await this.#lookUp(field);
      if (!isThere || field === MARK_FIELD) return { outcome: 'absent', mark, writes: [] };
      return { outcome: 'removed', mark, writes: [['HDEL', this.#key, field]] };
    });
  }

  /** Removes what expired before that time; the number of entries. */
  async purge(expiredBeforeMs: number): Promise<Edited<number>> {
    return this.#change(async () => {
      const { mark, entries } = await this.read();
      const fields = [...entries].flatMap(
        ([
          field,
          {
            revocation: { expiresMs },
          },
        ]) => (expiresMs !== null && expiresMs < expiredBeforeMs ? [field] : []),
      );
      const writes: readonly Write[] = fields.length === 0 ? [] : [['HDEL', this.#key, ...fields]];
      return { outcome: fields.length, mark, writes };
    });
  }

  /**
   * Declares what Redis holds, with those of `missing` that it does not hold, to be the whole list: sidecars that remember another one
   * let go of it. `exists`: it is declared already, and nothing was changed.
   */
  async declare(missing: readonly Revocation[], existing: 'refuse' | 'replace'): Promise<'declared' | 'exists'> {
    const { outcome } = await this.#change<'declared' | 'exists'>(async () => {
      const { mark, entries } = await this.read();
      if (mark !== null && existing === 'refuse') return { outcome: 'exists', mark, writes: [] };
      const added = new Map(missing.map((entry) => [revocationKey(entry.target), formatStoredRevocation(entry)]));
      for (const field of entries.keys()) added.delete(field);
      // Broken entries count as well: they are read, and then are none.
      if ((await this.#count(mark)) + added.size > MAX_STORED_ENTRIES) throw tooMany();
      const started = startMark(mark, this.#port.clock.wallMs(), this.#port.newChangeId());
      const write: Write = ['HSET', this.#key, MARK_FIELD, formatMark(started), ...[...added].flat()];
      return { outcome: 'declared', mark: null, writes: [write] };
    });
    return outcome;
  }

  async #lookUp(field: string): Promise<{ readonly mark: ListMark | null; readonly isThere: boolean }> {
    const reply = await this.#connection.call('HMGET', this.#key, MARK_FIELD, field);
    const [mark, value]: readonly unknown[] = Array.isArray(reply) ? reply : [];
    const marked = Buffer.isBuffer(mark) ? [Buffer.from(MARK_FIELD), mark] : [];
    return { mark: (await readListContents(marked, NO_CONTENTS)).mark, isThere: Buffer.isBuffer(value) };
  }

  async #count(mark: ListMark | null): Promise<number> {
    return Number(await this.#connection.call('HLEN', this.#key)) - (mark === null ? 0 : 1);
  }

  /** Optimistic: prepared from what is there, and carried out only when that is still so. */
  async #change<Outcome>(prepare: () => Promise<Prepared<Outcome>>): Promise<Edited<Outcome>> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      await this.#connection.call('WATCH', this.#key);
      const { outcome, mark, writes } = await prepare();
      if (writes.length === 0 || (await this.#carryOut(writes, mark))) return { outcome, isWhole: mark !== null };
      await this.#pause();
    }
    throw new StoreError(
      'contended',
      `the list was changed by others ${MAX_ATTEMPTS} times while this change was made`,
    );
  }

  /** False when somebody else changed the list meanwhile. */
  async #carryOut(writes: readonly Write[], mark: ListMark | null): Promise<boolean> {
    const advanced: readonly Write[] =
      mark === null ? [] : [['HSET', this.#key, MARK_FIELD, formatMark(advanceMark(mark, this.#port.newChangeId()))]];
    await this.#connection.call('MULTI');
    for (const write of [...writes, ...advanced]) await this.#connection.call(...write);
    await this.#connection.call('PUBLISH', this.#key, 'changed');
    const reply = await this.#connection.call('EXEC');
    if (!Array.isArray(reply)) return false;
    const failed = reply.find((result: unknown) => result instanceof Error);
    if (failed instanceof Error) throw new StoreError('command-refused', failed.message);
    return true;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#port.schedule(this.#port.random() * MAX_PAUSE_MS, resolve);
    });
  }
}

function tooMany(): StoreError {
  return new StoreError(
    'list-too-large',
    `the list has ${MAX_STORED_ENTRIES} entries, and more are not read; purge it`,
  );
}
