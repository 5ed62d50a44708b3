// Patterns of paths that the shell has left to us, such as `manifests/**/*.yaml`.

import { matchesGlob } from 'node:path';

export interface PathPattern {
  /** The directory below which everything is that can match. */
  readonly base: string;
  readonly matches: (path: string) => boolean;
  /** Whether anything below a directory can match. */
  readonly reaches: (directory: string) => boolean;
}

const SPECIAL = /[*?[{]/;

export function isPattern(text: string): boolean {
  return SPECIAL.test(text);
}

export function parsePattern(text: string): PathPattern {
  const pattern = text.replace(/^(?:\.\/)+/, '');
  const base = pattern.slice(0, pattern.lastIndexOf('/', pattern.search(SPECIAL)) + 1);
  // A brace may hold several segments.
  const segments = /\{[^}]*\//.test(pattern) ? [] : pattern.split('/').slice(0, -1);
  return {
    base: base === '' ? '.' : base,
    matches: (path) => matchesGlob(path, pattern),
    reaches: (directory) => {
      for (const [index, name] of directory.split('/').entries()) {
        const segment = segments[index];
        if (segment === '**' || segments.length === 0) return segments.length === 0 ? pattern.includes('{') : true;
        if (segment === undefined || !matchesGlob(name, segment)) return false;
      }
      return true;
    },
  };
}
