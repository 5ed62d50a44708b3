// An artifact that metadata declares, and what of the run it is.

import type { ResourceRef } from '../audit/finding.ts';
import { parseArtifactPath } from './artifact-path.ts';
import type { Run } from './run.ts';
import {
  cacheRootOf,
  isWithin,
  join,
  listTree,
  parentOf,
  resolvePath,
  type RunChildren,
  type TreeFile,
} from './run-tree.ts';
import type { DeclaredArtifact, StageMetadata } from './stage-metadata.ts';

export type ArtifactPlace =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'directory'; readonly path: string; readonly files: readonly TreeFile[] }
  | { readonly kind: 'escape'; readonly detail: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unknown'; readonly reason: string; readonly detail: string };

export interface Subject {
  readonly stage: StageMetadata;
  readonly artifact: DeclaredArtifact;
  readonly resource: ResourceRef;
  readonly place: ArtifactPlace;
}

export function findSubjects(run: Run, children: RunChildren): readonly Subject[] {
  return run.stages.flatMap((stage) =>
    stage.artifacts.map((artifact) => ({
      stage,
      artifact,
      resource: refToArtifact(stage, artifact),
      place: placeOf(run, children, { declared: artifact.path, file: stage.file }),
    })),
  );
}

export interface DeclaredPlace {
  readonly declared: string;
  /** The metadata that declares it. */
  readonly file: string;
}

/**
 * A path is one of the run, or of the directory its metadata lies in, or of one between: which, no standard says. What exists at two of
 * them is two artifacts for two readers.
 */
export function placeOf(run: Run, children: RunChildren, { declared, file }: DeclaredPlace): ArtifactPlace {
  const parsed = parseArtifactPath(declared);
  if (parsed.kind === 'escape') return parsed;
  if (parsed.kind === 'malformed') return { kind: 'unknown', reason: 'malformed', detail: parsed.detail };
  const bases = basesOf(parentOf(file));
  const resolutions = bases.map((base) => resolvePath(run.entries, join(base, parsed.segments.join('/'))));
  const outside = resolutions.find((resolution) => resolution.kind === 'outside');
  if (outside !== undefined) return { kind: 'escape', detail: `the link \`${outside.link}\` leads out of the run` };
  const open = resolutions.find((resolution) => resolution.kind === 'loop' || resolution.kind === 'closed');
  if (open !== undefined) {
    const detail =
      open.kind === 'loop'
        ? `links lead round in a circle at \`${open.link}\``
        : `\`${open.path}\` could not be listed`;
    return { kind: 'unknown', reason: 'unreadable-file', detail };
  }
  const found = new Map(resolutions.flatMap((each) => (each.kind === 'found' ? [[each.path, each] as const] : [])));
  if (found.size > 1) {
    const paths = [...found.keys()].map((path) => `\`${path}\``).join(' and ');
    return {
      kind: 'escape',
      detail: `the path is of the run or of its stage, and there are both ${paths}; readers may take either`,
    };
  }
  const [only] = found.values();
  if (only === undefined) return { kind: 'missing' };
  const { path, entry } = only;
  switch (entry.kind) {
    case 'file':
      return leavesCache(path, declaredAt(bases, parsed.segments, run)) ?? { kind: 'file', path };
    case 'directory':
      return placeOfTree(run, children, path);
    case 'other':
      return { kind: 'unknown', reason: 'unreadable-file', detail: `it is ${entry.what}, not a file` };
    case 'closed':
    case 'link':
      return { kind: 'unknown', reason: 'unreadable-file', detail: 'it could not be listed' };
  }
}

function placeOfTree(run: Run, children: RunChildren, path: string): ArtifactPlace {
  const listing = listTree(run.entries, children, path);
  switch (listing.kind) {
    case 'files':
      return { kind: 'directory', path, files: listing.files };
    case 'outside':
      return { kind: 'escape', detail: `the link \`${listing.link}\` in it leads out of the run` };
    case 'unknown':
      return { kind: 'unknown', reason: 'unreadable-file', detail: listing.detail };
  }
}

/** From the directory of the metadata up to the run. */
function basesOf(directory: string): readonly string[] {
  const bases = [directory];
  for (let at = directory; at !== ''; at = parentOf(at)) bases.push(parentOf(at));
  return bases;
}

function declaredAt(bases: readonly string[], segments: readonly string[], run: Run): string {
  const paths = bases.map((base) => join(base, segments.join('/')));
  return paths.find((path) => run.entries.has(path)) ?? paths[0] ?? '';
}

/** A link of one model's cache that leads to a file of another's. */
function leavesCache(target: string, declared: string): ArtifactPlace | null {
  const root = cacheRootOf(declared);
  if (root === null || isWithin(target, root)) return null;
  return { kind: 'escape', detail: `it lies in the cache \`${root}\`, and its link leads to \`${target}\`` };
}

function refToArtifact(stage: StageMetadata, artifact: DeclaredArtifact): ResourceRef {
  const { path, at } = artifact;
  return {
    apiVersion: '',
    kind: 'Artifact',
    namespace: stage.stage,
    name: path,
    container: null,
    ref: `${stage.stage}/${path}[Artifact]`,
    object: null,
    locate: (below) => stage.locate([...at, ...below]),
    body: artifact,
  };
}

/** A file of the run, listed or not; `line` 1 of what has no lines. */
export function refToFile(run: Run, path: string, line: number): ResourceRef {
  return {
    apiVersion: '',
    kind: 'File',
    namespace: run.name,
    name: path === '' ? '.' : path,
    container: null,
    ref: `${run.name}/${path === '' ? '.' : path}[File]`,
    object: null,
    locate: () => ({ file: shownPath(run, path), line, column: 1 }),
    body: {},
  };
}

export function shownPath({ root }: Pick<Run, 'root'>, path: string): string {
  if (path === '') return root;
  return root.endsWith('/') ? root + path : `${root}/${path}`;
}
