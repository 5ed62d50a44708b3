// What `metadata.json` and `artifact_info.json` say of a stage: what it took and what it made.

import type { Path } from '../audit/path.ts';
import type { SourcePosition } from '../core/source-position.ts';
import type { JsonObject, JsonValue } from '../json/json.ts';
import { isAlgorithmName, parseDigest, type DigestReading } from './digest.ts';

export interface DeclaredDigest {
  /** `sha256`, `hash`, `digest.sha256`. */
  readonly key: string;
  readonly at: Path;
  readonly reading: DigestReading;
}

export type DeclaredSignature =
  /** Of a file in the run, or what stands in its place. */
  | { readonly kind: 'text'; readonly text: string; readonly at: Path }
  /** An envelope or bundle in the metadata itself. */
  | { readonly kind: 'inline'; readonly value: JsonObject; readonly at: Path };

export interface DeclaredArtifact {
  readonly direction: 'input' | 'output';
  readonly path: string;
  readonly at: Path;
  readonly digests: readonly DeclaredDigest[];
  readonly signatures: readonly DeclaredSignature[];
  /** Paths below it and their digests, of a directory. */
  readonly files: readonly DeclaredFile[] | null;
}

export interface DeclaredFile {
  readonly path: string;
  readonly at: Path;
  readonly digests: readonly DeclaredDigest[];
}

export interface StageMetadata {
  /** Relative to the directory that was given. */
  readonly file: string;
  readonly stage: string;
  readonly run: string | null;
  readonly artifacts: readonly DeclaredArtifact[];
  readonly problems: readonly MetadataProblem[];
  readonly locate: (path: Path) => SourcePosition;
  /** Whether two files of one stage are one. */
  readonly hasStageName: boolean;
}

/** A value of the wrong kind: what it would have said is unknown. */
export interface MetadataProblem {
  readonly at: Path;
  readonly detail: string;
}

export interface MetadataTerms {
  readonly file: string;
  /** Of a document that names no stage: the directory it lies in. */
  readonly directory: string;
  readonly locate: (path: Path) => SourcePosition;
}

export function readStageMetadata(document: JsonValue, { file, directory, locate }: MetadataTerms): StageMetadata {
  const reader = new MetadataReader();
  if (document.kind !== 'object') {
    reader.refuse([], `a stage is described by an object, and this is ${nameOf(document)}`);
    return { file, stage: directory, run: null, artifacts: [], problems: reader.problems, locate, hasStageName: false };
  }
  const stage = reader.text(document, 'stage', []);
  const run = reader.text(document, 'run', []) ?? reader.text(document, 'run_id', []);
  reader.refuseOtherLists(document);
  const artifacts = LISTS.flatMap(([key, direction]) => reader.artifacts(document, key, direction));
  return {
    file,
    stage: stage ?? directory,
    run,
    artifacts,
    problems: reader.problems,
    locate,
    hasStageName: stage !== null,
  };
}

const LISTS = [
  ['input_artifacts', 'input'],
  ['output_artifacts', 'output'],
] as const;
/** However it is spelled. */
const LIST_NAME = /artifact|inputs?\b|outputs?\b|(?:^|_)(?:in|out)put|produce|^files$|^models$/i;
const LOOSE_KEYS = ['hash', 'digest', 'checksum'] as const;
const MAX_NAME = 256;

class MetadataReader {
  readonly problems: MetadataProblem[] = [];

  refuse(at: Path, detail: string): void {
    this.problems.push({ at, detail });
  }

  /** A list under a name that nobody reads would take its artifacts out of the audit. */
  refuseOtherLists({ members }: JsonObject): void {
    if (!LISTS.some(([key]) => members.has(key)))
      this.refuse([], 'it has neither `input_artifacts` nor `output_artifacts`, and so says nothing of the stage');
    for (const [key, value] of members) {
      if (LISTS.some(([known]) => known === key) || (value.kind !== 'array' && value.kind !== 'object')) continue;
      const items = value.kind === 'array' ? value.items : [value, ...value.members.values()];
      const hasPath = items.some((item) => item.kind === 'object' && item.members.has('path'));
      if (hasPath || LIST_NAME.test(key))
        this.refuse(
          [key],
          'it looks like a list of artifacts; those stand in `input_artifacts` and `output_artifacts`',
        );
    }
  }

  /** Null when it is not there; also when it is no text, which is noted. */
  text({ members }: JsonObject, key: string, at: Path): string | null {
    const value = members.get(key);
    if (value === undefined || value.kind === 'null') return null;
    if (value.kind === 'string' && value.value !== '' && value.value.length <= MAX_NAME) return value.value;
    this.refuse([...at, key], `\`${key}\` must be a string that says something, and is ${nameOf(value)}`);
    return null;
  }

  artifacts({ members }: JsonObject, key: string, direction: 'input' | 'output'): readonly DeclaredArtifact[] {
    const list = members.get(key);
    if (list === undefined) return [];
    if (list.kind !== 'array') {
      this.refuse([key], `\`${key}\` must be a list, and is ${nameOf(list)}`);
      return [];
    }
    return list.items.flatMap((item, index) => this.#artifact(item, [key, index], direction) ?? []);
  }

  #artifact(item: JsonValue, at: Path, direction: 'input' | 'output'): DeclaredArtifact | null {
    if (item.kind !== 'object') {
      this.refuse(at, `an artifact must be an object, and is ${nameOf(item)}`);
      return null;
    }
    const path = item.members.get('path');
    if (path?.kind !== 'string') {
      this.refuse(
        [...at, 'path'],
        `an artifact needs a \`path\`, and has ${path === undefined ? 'none' : nameOf(path)}`,
      );
      return null;
    }
    return {
      direction,
      path: path.value,
      at,
      digests: this.#digests(item, at),
      signatures: this.#signatures(item, at),
      files: this.#files(item, at),
    };
  }

  /** Every one that is there: all of them must hold. */
  #digests({ members }: JsonObject, at: Path): readonly DeclaredDigest[] {
    const named = members.get('hash_algorithm') ?? members.get('algorithm');
    const algorithm = named?.kind === 'string' && named.value !== '' ? named.value : null;
    return [...members].flatMap(([key, value]): readonly DeclaredDigest[] => {
      if (isAlgorithmName(key)) return this.#digest(value, { key, at: [...at, key], named: key });
      if (!LOOSE_KEYS.some((loose) => loose === key)) return [];
      if (value.kind === 'object') {
        return [...value.members].flatMap(([name, hex]) =>
          this.#digest(hex, { key: `${key}.${name}`, at: [...at, key, name], named: name }),
        );
      }
      return this.#digest(value, { key, at: [...at, key], named: algorithm });
    });
  }

  #digest(
    value: JsonValue,
    { key, at, named }: { readonly key: string; readonly at: Path; readonly named: string | null },
  ): readonly DeclaredDigest[] {
    if (value.kind === 'null' || (value.kind === 'string' && value.value.trim() === '')) return [];
    if (value.kind === 'string') return [{ key, at, reading: parseDigest(value.value, named) }];
    this.refuse(at, `a digest must be a string, and is ${nameOf(value)}`);
    return [];
  }

  #signatures({ members }: JsonObject, at: Path): readonly DeclaredSignature[] {
    const keys = ['signature', 'signatures', 'bundle', 'attestation'].filter((key) => members.has(key));
    return keys.flatMap((key) => this.#signature(members.get(key), [...at, key]));
  }

  #signature(value: JsonValue | undefined, at: Path): readonly DeclaredSignature[] {
    switch (value?.kind) {
      case undefined:
      case 'null':
        return [];
      case 'string':
        return value.value.trim() === '' ? [] : [{ kind: 'text', text: value.value, at }];
      case 'object':
        return value.members.size === 0 ? [] : [{ kind: 'inline', value, at }];
      case 'array':
        return value.items.flatMap((item, index) => this.#signature(item, [...at, index]));
      case 'boolean':
      case 'number':
        this.refuse(at, `a signature must be a path or an envelope, and is ${nameOf(value)}`);
        return [];
    }
  }

  /** A list of `path` with its digest, or a map of paths to digests. */
  #files({ members }: JsonObject, at: Path): readonly DeclaredFile[] | null {
    const value = members.get('files');
    if (value === undefined || value.kind === 'null') return null;
    if (value.kind === 'object') {
      return [...value.members].map(([path, hex]) => {
        const place = [...at, 'files', path];
        return { path, at: place, digests: this.#digest(hex, { key: path, at: place, named: null }) };
      });
    }
    if (value.kind !== 'array') {
      this.refuse([...at, 'files'], `\`files\` must be a list or a map, and is ${nameOf(value)}`);
      return null;
    }
    return value.items.flatMap((item, index): readonly DeclaredFile[] => {
      const place = [...at, 'files', index];
      const path = item.kind === 'object' ? item.members.get('path') : undefined;
      if (item.kind !== 'object' || path?.kind !== 'string') {
        this.refuse(place, 'a file must be an object with a `path`');
        return [];
      }
      return [{ path: path.value, at: place, digests: this.#digests(item, place) }];
    });
  }
}

function nameOf(value: JsonValue): string {
  switch (value.kind) {
    case 'null':
      return 'null';
    case 'boolean':
      return 'a boolean';
    case 'number':
      return 'a number';
    case 'string':
      return value.value === '' ? 'an empty string' : 'a string';
    case 'array':
      return 'a list';
    case 'object':
      return 'an object';
  }
}
