// What can be said of a file by its content, and what goes with a file while it is looked into.

import type { OpcodeBudget } from './pickle.ts';

export type Hazard =
  /** Loading it runs what these names stand for. */
  | { readonly kind: 'dangerous-import'; readonly names: readonly string[]; readonly member: string | null }
  /** Neither known to only build data, nor known to be dangerous. */
  | { readonly kind: 'unknown-import'; readonly names: readonly string[]; readonly member: string | null }
  /** A program of another kind: a Lambda layer, TorchScript. */
  | { readonly kind: 'program'; readonly detail: string; readonly member: string | null }
  /** Readers could take it for different things. */
  | { readonly kind: 'ambiguous'; readonly detail: string; readonly member: string | null }
  /** Not looked into, or not to its end: nothing can be said. */
  | { readonly kind: 'unread'; readonly detail: string; readonly member: string | null };

export type ContentFormat = 'pickle' | 'zip' | 'numpy' | 'safetensors' | 'hdf5' | 'compressed' | 'archive' | 'other';

export interface ContentReading {
  readonly format: ContentFormat;
  readonly hazards: readonly Hazard[];
  /** Strings of pickles, for what they may say. */
  readonly texts: readonly string[];
}

export type Inflated =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'broken' };

export interface InspectTerms {
  /** Of the file; only its ending is looked at. */
  readonly name: string;
  readonly inflate: (bytes: Uint8Array, form: 'raw' | 'gzip' | 'zlib', maxBytes: number) => Inflated;
}

export interface Place extends InspectTerms {
  readonly member: string | null;
  /** Of archives in each other. */
  readonly depth: number;
  /** What may still be inflated and followed, of the whole file. */
  readonly budget: OpcodeBudget & { bytes: number };
}

export function unread(format: ContentFormat, detail: string, { member }: Place): ContentReading {
  return { format, hazards: [{ kind: 'unread', detail, member }], texts: [] };
}

export function withHazards(reading: ContentReading, hazards: readonly Hazard[]): ContentReading {
  return { ...reading, hazards: [...reading.hazards, ...hazards] };
}
