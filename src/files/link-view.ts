// Resolves symbolic links so that everything resolved through one view sees one state of each link.

import { dirname, join } from 'node:path';
import { FileError } from './file-error.ts';
import type { FileStat, FileSystem } from './file-system.ts';

const MAX_LINKS = 40;

/**
 * Kubernetes replaces all files of a volume by renaming one link, `..data`. Whoever resolves that link once for each file may
 * get half of them from before and half from after; a view looks at each path once and then stands by what it saw.
 */
export class LinkView {
  readonly #fileSystem: FileSystem;
  readonly #seen = new Map<string, Promise<Seen>>();

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  /**
   * The path without links in it; `path` must be absolute. What does not exist resolves to itself.
   * @throws {FileError}
   */
  resolve(path: string): Promise<string> {
    return this.#walk('/', path, { path, links: 0 });
  }

  /** @throws what the file system says when there is nothing to see. */
  async stat(resolved: string): Promise<FileStat> {
    const seen = await this.#look(resolved);
    if (seen.kind === 'nothing') throw seen.error;
    return seen.stat;
  }

  async isLink(resolvedDirectory: string, name: string): Promise<boolean> {
    return (await this.#look(join(resolvedDirectory, name))).kind === 'link';
  }

  /** Every directory that decided where something resolved to. */
  get directories(): readonly string[] {
    return [...new Set([...this.#seen.keys()].map((path) => dirname(path)))];
  }

  async #walk(base: string, rest: string, budget: { readonly path: string; links: number }): Promise<string> {
    let resolved = base;
    for (const name of rest.split('/')) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        resolved = dirname(resolved);
        continue;
      }
      const next = join(resolved, name);
      const seen = await this.#look(next);
      if (seen.kind !== 'link') {
        resolved = next;
        continue;
      }
      budget.links += 1;
      if (budget.links > MAX_LINKS) throw new FileError('link-loop', budget.path);
      if (seen.target === null) throw new FileError('unstable', budget.path);
      resolved = await this.#walk(seen.target.startsWith('/') ? '/' : resolved, seen.target, budget);
    }
    return resolved;
  }

  #look(path: string): Promise<Seen> {
    let seen = this.#seen.get(path);
    if (seen === undefined) {
      seen = lookAt(path, this.#fileSystem);
      this.#seen.set(path, seen);
    }
    return seen;
  }
}

type Seen =
  | { readonly kind: 'link'; readonly stat: FileStat; readonly target: string | null }
  | { readonly kind: 'other'; readonly stat: FileStat }
  | { readonly kind: 'nothing'; readonly error: unknown };

async function lookAt(path: string, fileSystem: FileSystem): Promise<Seen> {
  try {
    const stat = await fileSystem.stat(path);
    if (stat.kind !== 'link') return { kind: 'other', stat };
    return { kind: 'link', stat, target: await fileSystem.readLink(path) };
  } catch (error) {
    return { kind: 'nothing', error };
  }
}
