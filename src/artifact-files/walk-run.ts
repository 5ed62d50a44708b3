// Everything that lies below a run directory, without following a single link.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type BigIntStats,
} from 'node:fs';
import type { Unreadable, UnreadableReason } from '../audit/inventory.ts';
import { toPrintable } from '../artifact/printable.ts';
import { join, type RunEntry } from '../artifact/run-tree.ts';
import { shownPath } from '../artifact/subject.ts';
import { describeFailure } from '../kube/file-tree.ts';

export interface WalkedRun {
  readonly entries: ReadonlyMap<string, RunEntry>;
  readonly unreadable: readonly Unreadable[];
}

interface Walk {
  readonly root: string;
  readonly entries: Map<string, RunEntry>;
  readonly unreadable: Unreadable[];
  isFull: boolean;
}

const MAX_ENTRIES = 1_000_000;
const MAX_DEPTH = 128;

export function walkRun(root: string): WalkedRun {
  const walk: Walk = { root, entries: new Map(), unreadable: [], isFull: false };
  try {
    // Whoever names a link names what it leads to.
    const descriptor = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      walk.entries.set('', { kind: 'directory', mode: fstatSync(descriptor).mode });
      visit(walk, '', { base: root, descriptor, depth: 0 });
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const isFile = error instanceof Error && 'code' in error && error.code === 'ENOTDIR' && existsSync(root);
    note(walk, '', 'unreadable-file', isFile ? 'not a directory; give the directory of a run' : describeFailure(error));
  }
  return walk;
}

interface OpenDirectory {
  readonly base: string;
  readonly descriptor: number;
  readonly depth: number;
}

function visit(walk: Walk, path: string, { base, descriptor, depth }: OpenDirectory): void {
  // Through the descriptor: a directory that is exchanged for a link meanwhile leads nowhere else.
  const directory = existsSync(`/proc/self/fd/${descriptor}`) ? `/proc/self/fd/${descriptor}` : base;
  let names: readonly Buffer[];
  try {
    names = readdirSync(directory, { encoding: 'buffer' }).toSorted((left, right) => Buffer.compare(left, right));
  } catch (error) {
    close(walk, path, describeFailure(error));
    return;
  }
  for (const raw of names) {
    if (walk.isFull) return;
    const name = raw.toString('utf8');
    if (!raw.equals(Buffer.from(name))) {
      close(walk, path, 'a name in it is not UTF-8');
      continue;
    }
    visitEntry(walk, join(path, name), { at: `${directory}/${name}`, base: `${base}/${name}`, depth: depth + 1 });
  }
}

interface EntryPlace {
  readonly at: string;
  readonly base: string;
  readonly depth: number;
}

function visitEntry(walk: Walk, path: string, { at, base, depth }: EntryPlace): void {
  if (walk.entries.size >= MAX_ENTRIES) {
    walk.isFull = true;
    note(walk, path, 'too-large', `more than the ${MAX_ENTRIES} files that are looked at`);
    return;
  }
  try {
    const stat = lstatSync(at, { bigint: true });
    if (stat.isSymbolicLink()) walk.entries.set(path, { kind: 'link', text: readlinkSync(at) });
    else if (stat.isFile())
      walk.entries.set(path, {
        kind: 'file',
        bytes: Number(stat.size),
        mode: Number(stat.mode),
        identity: identityOf(stat),
      });
    else if (stat.isDirectory()) enter(walk, path, { at, base, depth });
    else {
      const what = nameOf(stat);
      walk.entries.set(path, { kind: 'other', what });
      note(walk, path, 'unreadable-file', `${what}, which is not read`);
    }
  } catch (error) {
    const detail = describeFailure(error);
    walk.entries.set(path, { kind: 'closed' });
    note(walk, path, 'unreadable-file', detail);
  }
}

function enter(walk: Walk, path: string, { at, base, depth }: EntryPlace): void {
  if (depth > MAX_DEPTH) {
    close(walk, path, `directories nested more than ${MAX_DEPTH} deep`);
    return;
  }
  const descriptor = openSync(at, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    walk.entries.set(path, { kind: 'directory', mode: fstatSync(descriptor).mode });
    visit(walk, path, { base, descriptor, depth });
  } finally {
    closeSync(descriptor);
  }
}

function close(walk: Walk, path: string, detail: string): void {
  walk.entries.set(path, { kind: 'closed' });
  note(walk, path, 'unreadable-file', detail);
}

function note(walk: Walk, path: string, reason: UnreadableReason, detail: string): void {
  walk.unreadable.push(unreadableIn(walk, path, { reason, detail }));
}

export function unreadableIn(
  run: { readonly root: string },
  path: string,
  { reason, detail }: Pick<Unreadable, 'reason' | 'detail'>,
): Unreadable {
  const file = toPrintable(shownPath(run, path));
  return {
    what: file,
    kind: null,
    namespace: null,
    reason,
    detail: toPrintable(detail),
    position: { file, line: 1, column: 1 },
  };
}

/** Of a file under every name it has; a file put in its place has another. */
function identityOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

function nameOf(stat: BigIntStats): string {
  if (stat.isFIFO()) return 'a named pipe';
  if (stat.isSocket()) return 'a socket';
  return stat.isBlockDevice() || stat.isCharacterDevice() ? 'a device' : 'no regular file';
}
