// Manifests, from files, directories, patterns and standard input, to an inventory.

import { constants } from 'node:buffer';
import { dirname, join, normalize } from 'node:path';
import type { Inventory } from '../audit/inventory.ts';
import { createInputTerms, type InputReading, type InputTerms, readInput } from './documents.ts';
import { describeLost, type Expansion, expandDocument, type ObjectLimits } from './expand.ts';
import { describeFailure, type FileTree } from './file-tree.ts';
import { readKustomization } from './kustomization.ts';
import { decodeText } from './source-text.ts';
import { findFiles, type FoundFile, unreadableFile } from './walk.ts';

export interface ManifestLimits extends ObjectLimits {
  readonly fileBytes: number;
  readonly totalBytes: number;
  readonly files: number;
}

/** A text of more than half a gigabyte is no string any more. */
export const MANIFEST_LIMITS: ManifestLimits = {
  fileBytes: 256 * 1024 ** 2,
  totalBytes: 1024 ** 3,
  files: 100_000,
  objects: 250_000,
  // Each costs about 30 KB and half a millisecond.
  roots: 50_000,
};

export interface ManifestOptions {
  readonly tree: FileTree;
  /** Read for the path `-`. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Of objects that name none. */
  readonly defaultNamespace: string;
  readonly limits: ManifestLimits;
}

export interface ManifestInventory extends Inventory {
  readonly completeKinds: 'as-given';
  /** Read to their end, or as far as they could be. */
  readonly files: number;
  /** Documents that are no Kubernetes objects. */
  readonly ignoredDocuments: number;
}

/** Never throws for what stands in the files; what could not be read is told in `unreadable`. */
export async function readManifests(paths: readonly string[], options: ManifestOptions): Promise<ManifestInventory> {
  const { tree, limits } = options;
  const given = paths.filter((path) => path !== '-');
  const found = findFiles(given, { tree, maxFiles: limits.files });
  const reading: Reading = {
    options,
    input: createInputTerms(limits.objects),
    expansion: { objects: [], unreadable: [...found.unreadable], ignored: 0, limits, roots: 0, isFull: false },
    files: 0,
    bytes: 0,
  };
  const known = new Set(
    [...found.files, ...found.kustomizations].flatMap(({ path }) => [normalize(path), dirname(normalize(path))]),
  );
  const parts = new Set(found.kustomizations.flatMap((file) => takeKustomization(file, known, reading)));
  for (const file of found.files) {
    if (reading.expansion.isFull) break;
    if (!parts.has(normalize(file.path))) takeFile(file, reading);
  }
  if (given.length < paths.length) await takeStdin(reading);
  const { objects, unreadable, ignored } = reading.expansion;
  if (objects.length === 0 && unreadable.length === 0) {
    unreadable.push(
      unreadableFile(
        paths.map((path) => (path === '-' ? STDIN_NAME : path)).join(' '),
        'unreadable-file',
        'there is no Kubernetes object in it',
      ),
    );
  }
  return { objects, unreadable, completeKinds: 'as-given', files: reading.files, ignoredDocuments: ignored };
}

const STDIN_NAME = 'stdin';

interface Reading {
  readonly options: ManifestOptions;
  readonly input: InputTerms;
  readonly expansion: Expansion;
  files: number;
  bytes: number;
}

function takeFile(file: FoundFile, reading: Reading): void {
  const input = readFile(file, reading);
  if (input !== null) takeInput(input, reading);
}

async function takeStdin(reading: Reading): Promise<void> {
  const chunks: Uint8Array[] = [];
  const limit = limitOf(reading);
  let bytes = 0;
  for await (const chunk of reading.options.stdin) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > limit) break;
  }
  const input = readBytes(STDIN_NAME, Buffer.concat(chunks), reading);
  if (input !== null) takeInput(input, reading);
}

function takeInput({ documents, lost }: InputReading, { expansion, options }: Reading): void {
  for (const document of documents) expandDocument(document, options.defaultNamespace, expansion);
  for (const document of lost) expansion.unreadable.push(describeLost(document));
}

/** The files that are parts of it, and no objects. */
function takeKustomization(file: FoundFile, known: ReadonlySet<string>, reading: Reading): readonly string[] {
  const input = readFile(file, reading);
  if (input === null) return [];
  for (const document of input.lost) reading.expansion.unreadable.push(describeLost(document));
  const directory = dirname(file.path);
  return input.documents.flatMap(({ value }) => {
    const { parts, changes } = readKustomization(value, (resource) => known.has(normalize(join(directory, resource))));
    if (changes.length > 0) {
      const detail = `its ${changes.join(', ')} change what lies here; render it first: kubectl kustomize ${directory} | sallyport audit cluster -`;
      reading.expansion.unreadable.push(unreadableFile(file.path, 'malformed', detail));
    }
    return parts.map((part) => normalize(join(directory, part)));
  });
}

/** Null when it cannot be read, which is noted. */
function readFile({ path, bytes }: FoundFile, reading: Reading): InputReading | null {
  const limit = limitOf(reading);
  if (bytes !== null && bytes > limit) return refuseSize(path, reading);
  try {
    return readBytes(path, reading.options.tree.read(path, limit + 1), reading);
  } catch (error) {
    reading.expansion.unreadable.push(unreadableFile(path, 'unreadable-file', describeFailure(error)));
    return null;
  }
}

function readBytes(path: string, bytes: Buffer, reading: Reading): InputReading | null {
  if (bytes.length > limitOf(reading)) return refuseSize(path, reading);
  reading.files += 1;
  reading.bytes += bytes.length;
  const decoding = decodeText(bytes, path);
  if (decoding.kind === 'text') return readInput(path, decoding.text, reading.input);
  const { detail, position } = decoding;
  reading.expansion.unreadable.push({ what: path, kind: null, namespace: null, reason: 'malformed', detail, position });
  return null;
}

function limitOf({ options: { limits }, bytes }: Reading): number {
  return Math.min(limits.fileBytes, limits.totalBytes - bytes, constants.MAX_STRING_LENGTH);
}

function refuseSize(path: string, { options, expansion }: Reading): null {
  const { fileBytes, totalBytes } = options.limits;
  const detail = `more than the ${fileBytes} bytes that are read of a file, or the ${totalBytes} of all of them`;
  expansion.unreadable.push(unreadableFile(path, 'too-large', detail));
  return null;
}
