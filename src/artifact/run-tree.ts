// What lies in a run directory, and where its links lead: followed by what was seen, so that nothing moves meanwhile.

export type RunEntry =
  | { readonly kind: 'file'; readonly bytes: number; readonly mode: number; readonly identity: string }
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'link'; readonly text: string }
  /** A pipe, a socket, a device. */
  | { readonly kind: 'other'; readonly what: string }
  /** A directory whose entries could not be listed. */
  | { readonly kind: 'closed' };

/** By their path, of names with `/` between them; the run itself is the empty path. */
export type RunEntries = ReadonlyMap<string, RunEntry>;

export type Resolution =
  | { readonly kind: 'found'; readonly path: string; readonly entry: RunEntry }
  | { readonly kind: 'missing' }
  | { readonly kind: 'outside'; readonly link: string }
  | { readonly kind: 'loop'; readonly link: string }
  | { readonly kind: 'closed'; readonly path: string };

const MAX_LINKS = 40;

/** Where `path` leads, links and all. */
export function resolvePath(entries: RunEntries, path: string): Resolution {
  const pending = segmentsOf(path).toReversed();
  let at = '';
  let links = 0;
  for (let segment = pending.pop(); segment !== undefined; segment = pending.pop()) {
    if (segment === '..') {
      // Only links have them; a link may not even pass outside on its way back in.
      if (at === '') return { kind: 'outside', link: path };
      at = parentOf(at);
      continue;
    }
    if (entries.get(at)?.kind === 'closed') return { kind: 'closed', path: at };
    const next = join(at, segment);
    const entry = entries.get(next);
    if (entry === undefined) return { kind: 'missing' };
    if (entry.kind !== 'link') {
      at = next;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return { kind: 'loop', link: next };
    if (entry.text.startsWith('/')) return { kind: 'outside', link: next };
    pending.push(...segmentsOf(entry.text).toReversed());
  }
  const entry = entries.get(at);
  return entry === undefined ? { kind: 'missing' } : { kind: 'found', path: at, entry };
}

export interface TreeFile {
  /** Below the directory. */
  readonly path: string;
  /** In the run: where its bytes are. */
  readonly target: string;
}

export type TreeListing =
  | { readonly kind: 'files'; readonly files: readonly TreeFile[] }
  /** It cannot be told what is in it. */
  | { readonly kind: 'unknown'; readonly detail: string }
  | { readonly kind: 'outside'; readonly link: string };

/** Every file of a directory, with what links lead to, in the order of the bytes of their paths. */
export function listTree(entries: RunEntries, children: RunChildren, directory: string): TreeListing {
  const files: TreeFile[] = [];
  const stop = collect({ entries, children, files, above: [] }, { at: directory, shown: '' });
  if (stop !== null) return stop;
  files.sort((left, right) => Buffer.compare(Buffer.from(left.path), Buffer.from(right.path)));
  return { kind: 'files', files };
}

/** Names in each directory. */
export type RunChildren = ReadonlyMap<string, readonly string[]>;

export function indexChildren(entries: RunEntries): RunChildren {
  const children = new Map<string, string[]>();
  for (const path of entries.keys()) {
    if (path === '') continue;
    const parent = parentOf(path);
    const known = children.get(parent);
    if (known === undefined) children.set(parent, [nameOf(path)]);
    else known.push(nameOf(path));
  }
  return children;
}

interface Collection {
  readonly entries: RunEntries;
  readonly children: RunChildren;
  readonly files: TreeFile[];
  readonly above: readonly string[];
}

const MAX_TREE_FILES = 1_000_000;

function collect(
  terms: Collection,
  { at, shown }: { readonly at: string; readonly shown: string },
): Exclude<TreeListing, { kind: 'files' }> | null {
  const { entries, children, files, above } = terms;
  if (above.includes(at)) return { kind: 'unknown', detail: `links lead round in a circle at \`${shown}\`` };
  if (entries.get(at)?.kind === 'closed') return { kind: 'unknown', detail: `\`${shown}\` could not be listed` };
  for (const name of children.get(at) ?? []) {
    const path = shown === '' ? name : `${shown}/${name}`;
    const found = resolvePath(entries, join(at, name));
    if (found.kind === 'outside') return { kind: 'outside', link: join(at, name) };
    if (found.kind !== 'found') return { kind: 'unknown', detail: `\`${path}\` leads nowhere` };
    const { entry, path: target } = found;
    if (entry.kind === 'file') {
      if (files.length >= MAX_TREE_FILES) return { kind: 'unknown', detail: 'more files than are counted' };
      files.push({ path, target });
    } else if (entry.kind === 'other') {
      return { kind: 'unknown', detail: `\`${path}\` is ${entry.what}` };
    } else {
      const stop = collect({ ...terms, above: [...above, at] }, { at: target, shown: path });
      if (stop !== null) return stop;
    }
  }
  return null;
}

/** The directory of a Hugging Face cache that `path` lies in, within which links are its way of keeping files once. */
export function cacheRootOf(path: string): string | null {
  const segments = path.split('/');
  const index = segments.findIndex((segment) => /^(?:models|datasets|spaces)--.+/.test(segment));
  return index < 0 ? null : segments.slice(0, index + 1).join('/');
}

export function join(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function isWithin(path: string, directory: string): boolean {
  return directory === '' || path === directory || path.startsWith(`${directory}/`);
}

function segmentsOf(path: string): readonly string[] {
  return path.split('/').filter((segment) => segment !== '' && segment !== '.');
}
