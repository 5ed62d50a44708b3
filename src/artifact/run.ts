// All that was seen of one run directory, for rules to judge.

import type { Detection } from '../audit/credentials/detection.ts';
import type { Unreadable } from '../audit/inventory.ts';
import type { ContentReading } from './content/content-reading.ts';
import type { DigestAlgorithm } from './digest.ts';
import type { RunEntries } from './run-tree.ts';
import type { SignatureReading } from './signature.ts';
import type { StageMetadata } from './stage-metadata.ts';

export interface FileReading {
  readonly kind: 'read';
  readonly digests: Readonly<Partial<Record<DigestAlgorithm, string>>>;
  readonly content: ContentReading;
  readonly credentials: readonly Detection[];
  /** Why not all of it was searched for credentials; null when it was. */
  readonly unsearched: string | null;
}

export type FileFacts =
  | FileReading
  /** Not the same before and after, so that nothing read of it belongs together. */
  | { readonly kind: 'changed'; readonly detail: string }
  | { readonly kind: 'unreadable'; readonly detail: string };

export interface Run {
  /** As it was given. */
  readonly root: string;
  /** Its own name. */
  readonly name: string;
  readonly entries: RunEntries;
  readonly stages: readonly StageMetadata[];
  /** Files with the name of metadata, read or not. */
  readonly metadataFiles: readonly string[];
  /** Of signatures that are files, by their path. */
  readonly signatures: ReadonlyMap<string, SignatureReading>;
  readonly files: ReadonlyMap<string, FileFacts>;
  readonly unreadable: readonly Unreadable[];
}
