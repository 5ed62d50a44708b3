// Breadth first through a relation kept in bits: each row is looked at once, 32 columns at a time.

import type { BitMatrix } from './bit-matrix.ts';

export interface Space {
  readonly matrix: BitMatrix;
  readonly starts: readonly number[];
  readonly groupOf: (id: number) => string;
}

/** Whether nothing gets from one group to another. */
export type Blocked = (from: string, to: string) => boolean;

export interface Found {
  /** In the order in which they were found, the starts first. */
  readonly order: readonly number[];
  /** By id: from where it was found; -1 for starts and for what was not. */
  readonly parents: Int32Array;
  readonly hops: Int32Array;
}

export function search({ matrix, starts, groupOf }: Space, blocked: Blocked | null): Found {
  const parents = new Int32Array(matrix.size).fill(-1);
  const hops = new Int32Array(matrix.size);
  const seen = new Uint32Array(matrix.width);
  const order: number[] = [];
  const take = (id: number, parent: number): void => {
    seen[id >>> 5] = (seen[id >>> 5] ?? 0) | (1 << (id & 31));
    parents[id] = parent;
    hops[id] = parent < 0 ? 0 : (hops[parent] ?? 0) + 1;
    order.push(id);
  };
  for (const id of starts) take(id, -1);
  for (const id of order) {
    const from = blocked === null ? '' : groupOf(id);
    for (let index = 0; index < matrix.width; index += 1) {
      let fresh = matrix.word(id, index) & ~(seen[index] ?? 0);
      while (fresh !== 0) {
        const bit = 31 - Math.clz32(fresh & -fresh);
        fresh &= fresh - 1;
        const next = index * 32 + bit;
        if (blocked === null || !blocked(from, groupOf(next))) take(next, id);
      }
    }
  }
  return { order, parents, hops };
}
