// From the paths that somebody gave to the files behind them: directories to their end, patterns, and what must be rendered before it can be read.

import { basename, join } from 'node:path';
import type { Unreadable, UnreadableReason } from '../audit/inventory.ts';
import { type DirectoryEntry, describeFailure, type FileLook, type FileTree, NO_SUCH_FILE } from './file-tree.ts';
import { KUSTOMIZATION_NAMES } from './kustomization.ts';
import { isPattern, parsePattern } from './path-pattern.ts';

export interface FoundFile {
  /** As the paths that were given lead to it. */
  readonly path: string;
  /** Null of a pipe. */
  readonly bytes: number | null;
}

export interface Found {
  readonly files: readonly FoundFile[];
  readonly kustomizations: readonly FoundFile[];
  readonly unreadable: readonly Unreadable[];
}

export interface WalkTerms {
  readonly tree: FileTree;
  readonly maxFiles: number;
}

/** Each file once, in the order of the paths and of the names in a directory. */
export function findFiles(paths: readonly string[], terms: WalkTerms): Found {
  const walk: Walk = { ...terms, files: [], kustomizations: [], unreadable: [], seenFiles: new Set(), isFull: false };
  for (const path of paths) findGiven(path, walk);
  return walk;
}

/** Of a file or directory as such, whatever is in it. */
export function unreadableFile(path: string, reason: UnreadableReason, detail: string): Unreadable {
  return { what: path, kind: null, namespace: null, reason, detail, position: { file: path, line: 1, column: 1 } };
}

interface Walk extends WalkTerms {
  readonly files: FoundFile[];
  readonly kustomizations: FoundFile[];
  readonly unreadable: Unreadable[];
  /** Identities. */
  readonly seenFiles: Set<string>;
  isFull: boolean;
}

interface Visit {
  readonly walk: Walk;
  readonly takes: (path: string) => boolean;
  readonly reaches: (directory: string) => boolean;
  /** Identities of the directories on the way here. */
  readonly above: readonly string[];
  /** Identities of the directories that were visited for the same path. */
  readonly seen: Set<string>;
  /** Files taken, seen before or not. */
  readonly met: { files: number };
}

const MANIFEST = /\.(?:ya?ml|json)$/i;
const SKIPPED_DIRECTORIES = new Set(['node_modules', '.git']);
const MAX_DEPTH = 128;

function findGiven(path: string, walk: Walk): void {
  const look = isPattern(path) && !exists(path, walk.tree) ? null : lookAt(path, walk);
  if (look === 'unreadable') return;
  if (look !== null && look.kind !== 'directory') {
    take(path, look, walk);
    return;
  }
  const pattern = look === null ? parsePattern(path) : null;
  const root = pattern?.base ?? path;
  const rootLook = look ?? lookAt(root, walk);
  if (rootLook === 'unreadable') return;
  const met = { files: 0 };
  if (rootLook.kind === 'directory') {
    const takes = pattern?.matches ?? ((file: string): boolean => MANIFEST.test(file) || isKustomization(file));
    const above = ancestorsOf(root, walk);
    visit(root, rootLook.identity, {
      walk,
      takes,
      reaches: pattern?.reaches ?? always,
      above,
      seen: new Set(),
      met,
    });
  }
  if (met.files > 0) return;
  const detail = pattern === null ? 'there is no manifest in it (*.yaml, *.yml, *.json)' : 'no file matches';
  // Whoever names something that is not there has not been told that there is nothing to find.
  walk.unreadable.push(unreadableFile(path, 'unreadable-file', detail));
}

/** A link to where the root lies leads round in a circle, too, and out of what was asked for. */
function ancestorsOf(root: string, { tree }: Walk): readonly string[] {
  const identities: string[] = [];
  for (let path = join(root, '..'); identities.length < MAX_DEPTH; path = join(path, '..')) {
    const look = peek(path, tree);
    if (typeof look === 'string' || look.kind !== 'directory' || identities.includes(look.identity)) break;
    identities.push(look.identity);
  }
  return identities;
}

function always(): boolean {
  return true;
}

function visit(directory: string, identity: string, terms: Visit): void {
  const { walk, above, seen, met } = terms;
  if (above.includes(identity)) {
    walk.unreadable.push(unreadableFile(directory, 'unreadable-file', 'its symbolic links lead round in a circle'));
    return;
  }
  if (seen.has(identity)) return;
  seen.add(identity);
  if (above.length >= MAX_DEPTH) {
    walk.unreadable.push(unreadableFile(directory, 'too-large', `directories nested more than ${MAX_DEPTH} deep`));
    return;
  }
  const entries = entriesOf(directory, walk);
  if (entries.some(({ name }) => name === 'Chart.yaml') && entries.some(({ name }) => name === 'templates')) {
    met.files += 1;
    const detail = `a Helm chart; render it first: helm template ${directory} | sallyport audit cluster -`;
    walk.unreadable.push(unreadableFile(directory, 'malformed', detail));
    return;
  }
  for (const entry of entries) visitEntry(entry, directory, { ...terms, above: [...above, identity] });
}

function visitEntry({ name, kind }: DirectoryEntry, directory: string, terms: Visit): void {
  const { walk, met } = terms;
  // What Kubernetes mounts from a ConfigMap lies behind `..data`, and once more under its own name.
  if (walk.isFull || SKIPPED_DIRECTORIES.has(name) || name.startsWith('..')) return;
  const path = directory === '.' ? name : join(directory, name);
  const isTaken = kind !== 'directory' && terms.takes(path);
  if (!isTaken && (kind === 'file' || kind === 'other' || !terms.reaches(path))) return;
  // A link that leads nowhere, and does not claim to be a manifest.
  if (!isTaken && !exists(path, walk.tree)) return;
  const look = lookAt(path, walk);
  if (look === 'unreadable') {
    met.files += 1;
  } else if (look.kind === 'directory') {
    if (terms.reaches(path)) visit(path, look.identity, terms);
  } else if (isTaken) {
    met.files += 1;
    if (look.kind === 'file') take(path, look, walk);
    else walk.unreadable.push(unreadableFile(path, 'unreadable-file', 'not a regular file'));
  }
}

function take(path: string, look: Exclude<FileLook, { kind: 'directory' }>, walk: Walk): void {
  if (look.kind === 'other') {
    walk.unreadable.push(unreadableFile(path, 'unreadable-file', 'neither a file nor a directory'));
    return;
  }
  if (look.kind === 'file') {
    if (walk.seenFiles.has(look.identity)) return;
    walk.seenFiles.add(look.identity);
  }
  if (walk.seenFiles.size > walk.maxFiles) {
    walk.isFull = true;
    walk.unreadable.push(unreadableFile(path, 'too-large', `more than the ${walk.maxFiles} files that are read`));
    return;
  }
  const bytes = look.kind === 'file' ? look.bytes : null;
  (isKustomization(path) ? walk.kustomizations : walk.files).push({ path, bytes });
}

function isKustomization(path: string): boolean {
  const name = basename(path);
  return KUSTOMIZATION_NAMES.some((known) => known === name);
}

function entriesOf(directory: string, walk: Walk): readonly DirectoryEntry[] {
  try {
    return walk.tree.list(directory).toSorted((left, right) => (left.name < right.name ? -1 : 1));
  } catch (error) {
    walk.unreadable.push(unreadableFile(directory, 'unreadable-file', describeFailure(error)));
    return [];
  }
}

function lookAt(path: string, walk: Walk): FileLook | 'unreadable' {
  const look = peek(path, walk.tree);
  if (typeof look !== 'string') return look;
  walk.unreadable.push(unreadableFile(path, 'unreadable-file', look));
  return 'unreadable';
}

/** What may not be looked at may exist. */
function exists(path: string, tree: FileTree): boolean {
  return peek(path, tree) !== NO_SUCH_FILE;
}

/** Or why there is nothing to be seen. */
function peek(path: string, tree: FileTree): FileLook | string {
  try {
    return tree.look(path);
  } catch (error) {
    return describeFailure(error);
  }
}
