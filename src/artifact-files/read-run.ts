// A run directory, read: what lies in it, what its metadata says, its signatures, and every file.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Unreadable } from '../audit/inventory.ts';
import { findSignatureFiles, planHashes } from '../artifact/plan.ts';
import type { FileFacts, Run } from '../artifact/run.ts';
import { nameOf, parentOf, type RunEntries } from '../artifact/run-tree.ts';
import { type SignatureReading, verifySignatureFile } from '../artifact/signature.ts';
import { toPrintable } from '../artifact/printable.ts';
import { readStageMetadata, type StageMetadata } from '../artifact/stage-metadata.ts';
import { shownPath } from '../artifact/subject.ts';
import type { Trust } from '../artifact/trust.ts';
import { parseJson } from '../json/json.ts';
import { JsonError } from '../json/json-error.ts';
import { describeFailure } from '../kube/file-tree.ts';
import { JsonPlaces } from '../kube/json-places.ts';
import { SourceText } from '../kube/source-text.ts';
import { readFiles } from './file-pool.ts';
import { unreadableIn, walkRun } from './walk-run.ts';

export interface ReadingTerms {
  readonly trust: Trust | null;
  readonly onProgress: (progress: ReadingProgress) => void;
}

export interface ReadingProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly files: number;
}

const METADATA_NAMES: ReadonlySet<string> = new Set(['metadata.json', 'artifact_info.json']);
const METADATA_LIMITS = { maxBytes: 32 * 1024 * 1024, maxDepth: 64 };

export async function readRun(root: string, { trust, onProgress }: ReadingTerms): Promise<Run> {
  const { entries, unreadable } = walkRun(root);
  const described = readMetadata(root, entries);
  const bare: Run = {
    root,
    name: basename(resolve(root)),
    entries,
    stages: described.stages,
    metadataFiles: described.files,
    signatures: new Map(),
    files: new Map(),
    unreadable: [...unreadable, ...described.unreadable],
  };
  const signatures = readSignatures(bare, trust);
  const signed = {
    ...bare,
    signatures: signatures.readings,
    unreadable: [...bare.unreadable, ...signatures.unreadable],
  };
  return readAll(signed, trust, onProgress);
}

async function readAll(run: Run, trust: Trust | null, onProgress: ReadingTerms['onProgress']): Promise<Run> {
  const plan = planHashes(run, trust);
  const jobs = [...run.entries].flatMap(([path, entry]) =>
    entry.kind === 'file' ? [{ entry, path, algorithms: [...(plan.get(path) ?? [])] }] : [],
  );
  const hashed = jobs.filter(({ algorithms }) => algorithms.length > 0);
  const totalBytes = hashed.reduce((sum, { entry }) => sum + entry.bytes, 0);
  let doneBytes = 0;
  const facts = await readFiles(
    jobs.map(({ entry: { identity, bytes }, path, algorithms }) => ({
      path: shownPath(run, path),
      name: nameOf(path),
      identity,
      algorithms,
      bytes,
    })),
    {
      onProgress: (bytes) => {
        doneBytes += bytes;
        onProgress({ doneBytes, totalBytes, files: hashed.length });
      },
    },
  );
  const files = new Map<string, FileFacts>();
  const unreadable: Unreadable[] = [];
  for (const [index, { path }] of jobs.entries()) {
    const each = facts[index];
    if (each === undefined) continue;
    files.set(path, each);
    if (each.kind !== 'read')
      unreadable.push(unreadableIn(run, path, { reason: 'unreadable-file', detail: each.detail }));
  }
  return { ...run, files, unreadable: [...run.unreadable, ...unreadable] };
}

interface Described {
  readonly stages: readonly StageMetadata[];
  readonly files: readonly string[];
  readonly unreadable: readonly Unreadable[];
}

function readMetadata(root: string, entries: RunEntries): Described {
  const stages: StageMetadata[] = [];
  const files: string[] = [];
  const unreadable: Unreadable[] = [];
  for (const [path, entry] of entries) {
    if (!METADATA_NAMES.has(nameOf(path)) || entry.kind === 'directory') continue;
    files.push(path);
    // What a link leads to is read under its own name, or lies outside of the run.
    if (entry.kind !== 'file') {
      unreadable.push(
        unreadableIn({ root }, path, {
          reason: 'malformed',
          detail: 'metadata must be a file of its own, and no link',
        }),
      );
      continue;
    }
    const stage = readStage({ root, path, identity: entry.identity });
    if ('reason' in stage) unreadable.push(stage);
    else stages.push(stage);
  }
  return { stages, files, unreadable };
}

interface StagePlace {
  readonly root: string;
  readonly path: string;
  readonly identity: string;
}

function readStage(place: StagePlace): StageMetadata | Unreadable {
  const { root, path } = place;
  const file = toPrintable(shownPath({ root }, path));
  const bytes = readSmall(place, METADATA_LIMITS.maxBytes);
  if (typeof bytes === 'string') return unreadableIn({ root }, path, { reason: 'malformed', detail: bytes });
  try {
    const document = parseJson(bytes, METADATA_LIMITS);
    const text = new SourceText(file, bytes.toString('utf8'));
    const places = new JsonPlaces(text.text, 0);
    const directory = nameOf(parentOf(path)) || basename(resolve(root));
    return readStageMetadata(document, {
      file: path,
      directory,
      locate: (at) => text.positionOf(places.offsetOf(at)),
    });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const { line, column, message } = error;
    const detail = message.replace(/^\d+:\d+: /, '');
    return { ...unreadableIn({ root }, path, { reason: 'malformed', detail }), position: { file, line, column } };
  }
}

const MAX_SIGNATURE_BYTES = 16 * 1024 * 1024;

function readSignatures(
  run: Run,
  trust: Trust | null,
): { readonly readings: ReadonlyMap<string, SignatureReading>; readonly unreadable: readonly Unreadable[] } {
  const readings = new Map<string, SignatureReading>();
  const unreadable: Unreadable[] = [];
  for (const path of findSignatureFiles(run)) {
    const entry = run.entries.get(path);
    if (entry?.kind !== 'file') continue;
    const bytes = readSmall({ root: run.root, path, identity: entry.identity }, MAX_SIGNATURE_BYTES);
    if (typeof bytes === 'string')
      unreadable.push(unreadableIn(run, path, { reason: 'unreadable-file', detail: bytes }));
    else readings.set(path, verifySignatureFile(bytes, trust));
  }
  return { readings, unreadable };
}

/** Or why it could not be. */
function readSmall({ root, path, identity }: StagePlace, maxBytes: number): Buffer | string {
  let descriptor: number;
  try {
    descriptor = openSync(shownPath({ root }, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return describeFailure(error);
  }
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    if (`${stat.dev}:${stat.ino}` !== identity) return 'another file was put in its place while the run was read';
    if (stat.size > BigInt(maxBytes)) return `it has ${stat.size} bytes; at most ${maxBytes} are read`;
    const bytes = Buffer.alloc(Number(stat.size));
    let at = 0;
    while (at < bytes.length) {
      const read = readSync(descriptor, bytes, at, bytes.length - at, at);
      if (read === 0) return 'it became shorter while it was read';
      at += read;
    }
    return bytes;
  } catch (error) {
    return describeFailure(error);
  } finally {
    closeSync(descriptor);
  }
}
