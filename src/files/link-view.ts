// Resolves symbolic links so that everything resolved through one view sees one state of each link.

import { dirname, join } from 'node:path';
import { FileError } from './file-error.ts';
import type { FileSystem } from './file-system.ts';

const MAX_LINKS = 40;

/**
 * Kubernetes replaces all files of a volume by renaming one link, `..data`. Whoever resolves that link once for each file may
 * get half of them from before and half from after; a view asks about each link once and then stands by the answer.
 */
export class LinkView {
  readonly #fileSystem: FileSystem;
  readonly #targets = new Map<string, Promise<string | null>>();

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  /** The path without links in it; `path` must be absolute. What does not exist resolves to itself. */
  resolve(path: string): Promise<string> {
    return this.#walk('/', path, { path, links: 0 });
  }

  async isLink(resolvedDirectory: string, name: string): Promise<boolean> {
    return (await this.#target(join(resolvedDirectory, name))) !== null;
  }

  /** Every directory that decided where something resolved to. */
  get directories(): readonly string[] {
    return [...new Set([...this.#targets.keys()].map((path) => dirname(path)))];
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
      const target = await this.#target(next);
      if (target === null) {
        resolved = next;
        continue;
      }
      budget.links += 1;
      if (budget.links > MAX_LINKS) throw new FileError('link-loop', budget.path);
      resolved = await this.#walk(target.startsWith('/') ? '/' : resolved, target, budget);
    }
    return resolved;
  }

  #target(path: string): Promise<string | null> {
    let target = this.#targets.get(path);
    if (target === undefined) {
      target = this.#fileSystem.readLink(path);
      this.#targets.set(path, target);
    }
    return target;
  }
}
