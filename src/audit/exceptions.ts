// Findings that somebody decided to live with, for a reason and until a day.

import type { SourcePosition } from '../core/source-position.ts';

export interface Exception {
  /** A rule id, an id with `*`, or one of a rule's aliases. */
  readonly rule: string;
  /** `namespace/name[Kind]`, each part with `*`; null for any. */
  readonly resource: string | null;
  readonly namespace: string | null;
  readonly container: string | null;
  readonly reason: string;
  /** The first instant at which it does not hold. */
  readonly expiresMs: number;
  readonly position: SourcePosition | null;
}

export interface Exceptions {
  readonly entries: readonly Exception[];
}

export const NO_EXCEPTIONS: Exceptions = { entries: [] };

/** @throws {DocumentError} with every problem there is. */
export declare function parseExceptions(source: Uint8Array, file: string): Exceptions;
