// A revocation file as operators change it: one at a time, whole or not at all, and nothing lost that somebody else wrote meanwhile.

import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { quote } from '../core/quote.ts';
import { parseRevocationDocument } from '../revocation/document.ts';
import {
  addRevocation,
  EMPTY_REVOCATION_DOCUMENT,
  removeRevocation,
  type RevocationFile,
} from '../revocation/edit-document.ts';
import { type Revocation, revocationKey } from '../revocation/revocation.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { errnoOf, readInput, RevokeCommandError, type RevocationList, usage } from './revoke-command.ts';

const MAX_ATTEMPTS = 5;
const LOCK_RETRY_MS = 25;
const MAX_LOCK_RETRIES = 200;
const HOLDER = /^process ([1-9]\d{0,9}) on (.+)\n$/;

/** @param own of patterns in the file that name no trust domain; null: then it may have none */
export function fileList(path: string, own: TrustDomain | null): RevocationList {
  const parse = (bytes: Uint8Array): readonly Revocation[] => parseFile(bytes, path, own);
  const document = (text: string): RevocationFile => ({ text, file: path, own: own ?? NOWHERE });
  const find = (listed: readonly Revocation[], key: string): Revocation | undefined =>
    listed.find(({ target }) => revocationKey(target) === key);
  return {
    name: quote(path),
    read: async () => ({ entries: await readRevocationFile(path, own), problems: [], isWhole: true }),
    add: (entry, existing) =>
      editFile(path, (bytes) => {
        const present = find(parse(bytes), revocationKey(entry.target));
        const text = bytes.toString('utf8');
        if (present === undefined) return { outcome: 'added', text: addRevocation(document(text), entry) };
        if (existing === 'refuse') return { outcome: 'exists', text: null };
        const without = removeRevocation(document(text), present.target);
        return { outcome: 'replaced', text: addRevocation(document(without), entry) };
      }),
    remove: (key) =>
      editFile(path, (bytes) => {
        const present = find(parse(bytes), key);
        if (present === undefined) return { outcome: 'absent', text: null };
        return { outcome: 'removed', text: removeRevocation(document(bytes.toString('utf8')), present.target) };
      }),
    close: () => undefined,
  };
}

/** @param own as for `fileList` */
export async function readRevocationFile(path: string, own: TrustDomain | null): Promise<readonly Revocation[]> {
  return parseFile(await readInput(path), path, own);
}

/** An empty revocation file, never over one that is there. */
export async function createRevocationFile(path: string): Promise<void> {
  try {
    const handle = await open(path, 'wx', 0o644);
    await writeAndClose(handle, EMPTY_REVOCATION_DOCUMENT);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST') throw new RevokeCommandError('nothing-to-do', `${quote(path)} exists already`);
    throw cannotWrite(path, error);
  }
}

/** Stands in for a trust domain that nobody gave; whoever needs one is refused before it is used. */
const NOWHERE = parseTrustDomain('none');

function parseFile(bytes: Uint8Array, path: string, own: TrustDomain | null): readonly Revocation[] {
  const listed = parseRevocationDocument(bytes, path, own ?? NOWHERE);
  const isRelative = ({ target }: Revocation): boolean => target.kind === 'id' && target.pattern.text.startsWith('/');
  if (own === null && listed.some(isRelative)) {
    throw usage(`${quote(path)} has IDs without a trust domain; say which one is meant with --trust-domain`);
  }
  return listed;
}

interface Revision<Outcome> {
  readonly outcome: Outcome;
  /** Null: it stays as it is. */
  readonly text: string | null;
}

/** Replaces the file with what `revise` makes of it, which is asked again when somebody else changed it meanwhile. */
export async function editFile<Outcome>(
  path: string,
  revise: (bytes: Buffer) => Revision<Outcome>,
): Promise<{ readonly outcome: Outcome; readonly isWhole: true }> {
  const file = await locate(path);
  const unlock = await lock(file);
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const bytes = await readInput(file);
      const { outcome, text } = revise(bytes);
      if (text === null || (await replace(file, bytes, text))) return { outcome, isWhole: true };
    }
  } finally {
    await unlock();
  }
  throw new RevokeCommandError('locked', `${quote(path)} changed each time while it was edited; try again`);
}

/** Of the file itself: a link to it stays a link. */
async function locate(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const code = errnoOf(error);
    const remedy = code === 'ENOENT' ? `; \`sallyport revoke init --file\` makes an empty one` : '';
    throw new RevokeCommandError('unreadable-file', `cannot read ${quote(path)}: ${code}${remedy}`, { cause: error });
  }
}

/** Among those who edit with this command; editors of people do not know of it, hence the look before the file is replaced. */
async function lock(file: string): Promise<() => Promise<void>> {
  const lockFile = join(dirname(file), `.${basename(file)}.lock`);
  for (let attempt = 0; ; attempt += 1) {
    try {
      const handle = await open(lockFile, 'wx', 0o644);
      await writeAndClose(handle, `process ${process.pid} on ${hostname()}\n`);
      return () => rm(lockFile, { force: true });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw cannotWrite(file, error);
      const holder = await readFile(lockFile, 'utf8').catch(() => '');
      if (attempt === MAX_LOCK_RETRIES || hasEnded(holder)) throw locked(file, holder, lockFile);
      await pause(LOCK_RETRY_MS);
    }
  }
}

function hasEnded(holder: string): boolean {
  const [, pid, host] = HOLDER.exec(holder) ?? [];
  if (pid === undefined || host !== hostname()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
}

// Not taken over, not even from a process that has ended: two that take it over at once would each believe to be alone.
function locked(file: string, holder: string, lockFile: string): RevokeCommandError {
  const by = holder === '' ? 'somebody else' : quote(holder.trim());
  const remedy = hasEnded(holder) ? 'which has ended; remove' : 'and if that has ended, remove';
  return new RevokeCommandError('locked', `${quote(file)} is being edited by ${by}, ${remedy} ${quote(lockFile)}`);
}

/** False when the file is not any more what was read. */
async function replace(file: string, expected: Buffer, text: string): Promise<boolean> {
  const temporary = join(dirname(file), `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const before = await stat(file);
    const handle = await open(temporary, 'wx', 0o600);
    await writeAndClose(handle, text, before);
    if (!(await readFile(file)).equals(expected)) return false;
    await rename(temporary, file);
    return true;
  } catch (error) {
    throw cannotWrite(file, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeAndClose(handle: FileHandle, text: string, like?: Stats): Promise<void> {
  try {
    await handle.writeFile(text);
    if (like !== undefined) {
      const own = await handle.stat();
      // The sidecar reads it as another user: a file that changed hands could be one that it may not read any more.
      if (own.uid !== like.uid || own.gid !== like.gid) await handle.chown(like.uid, like.gid);
      await handle.chmod(like.mode & 0o7777);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function cannotWrite(path: string, error: unknown): RevokeCommandError {
  return new RevokeCommandError('cannot-write', `cannot write ${quote(path)}: ${errnoOf(error)}`, { cause: error });
}
