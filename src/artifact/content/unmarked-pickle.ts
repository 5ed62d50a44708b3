// Whether bytes without the mark of a pickle are one: protocols 0 and 1 have none, and many a text begins like them.

import type { ByteSource } from './byte-source.ts';
import { type OpcodeBudget, readPickle, type PickleReading } from './pickle.ts';
import { judgeImport } from './pickle-names.ts';

const LIMITS = { maxOpcodes: 1_000_000, maxItems: 100_000 };
export const MAX_PICKLES = 64;

export type Unmarked =
  | { readonly kind: 'pickle' }
  /** Ours stopped where Python may read on. */
  | { readonly kind: 'doubtful'; readonly at: number; readonly detail: string }
  | { readonly kind: 'none' };

/** Also when only the last of several in a row does anything: whoever loads them loads one by one. */
export function findUnmarked(source: ByteSource, start: number, budget: OpcodeBudget): Unmarked {
  let at = start;
  for (let count = 0; count < MAX_PICKLES; count += 1) {
    const reading = readPickle(source, at, { budget, limits: LIMITS });
    const { end, imports, hasCalls, opcodes } = reading;
    // Nobody writes so many opcodes by chance. What calls something has called it, wherever it ends.
    if (end.kind === 'too-large' || (imports.length > 0 && hasCalls)) return { kind: 'pickle' };
    if (end.kind === 'broken')
      return end.isSure || opcodes < 2 ? { kind: 'none' } : { kind: 'doubtful', at: end.at, detail: end.detail };
    if (imports.length > 0 && !isProse(source, reading, end.at)) return { kind: 'pickle' };
    at = end.at;
    if (at >= source.size) return { kind: 'none' };
  }
  return { kind: 'pickle' };
}

/** Words in lines, of which one begins with a c and a later one with a full stop: `coverage`, `dist`, `.env`. */
function isProse(source: ByteSource, { imports }: PickleReading, end: number): boolean {
  if (imports.some((each) => judgeImport(each) === 'dangerous')) return false;
  const isModule = imports.some(({ module, name }) => NAME.test(module) && NAME.test(name));
  const [next] = source.read(end, 1);
  return !isModule || (next !== undefined && next > SPACE && next < DELETE);
}

/** Python finds modules by any name of a file; in such as nobody gives to one, it runs nothing unless it is called. */
const NAME = /^[\p{L}\p{N}_.-]+$/u;
const SPACE = 0x20;
const DELETE = 0x7f;
