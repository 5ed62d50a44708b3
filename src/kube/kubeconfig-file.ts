// Kubeconfig files, put together as kubectl does: of several, the first that names something says what it is.
// https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files

import { dirname } from 'node:path';
import { own } from '../audit/kube-object.ts';
import type { Path } from '../audit/path.ts';
import { quote } from '../core/quote.ts';
import { formatPosition, type SourcePosition } from '../core/source-position.ts';
import { ConnectionError, type ConnectionErrorCode } from './connection-error.ts';
import { createInputTerms, type InputDocument, readInput } from './documents.ts';
import { findSmallFile } from './small-file.ts';
import { decodeText } from './source-text.ts';

/** What stands under a name in one of the files. */
export interface ConfigEntry {
  readonly name: string;
  /** Of the file: what relative paths are relative to. */
  readonly directory: string;
  /** @throws {ConnectionError} for another type than a string; an empty one counts as none, as in Go */
  text(...path: Path): string | null;
  /** @throws {ConnectionError} */
  flag(...path: Path): boolean;
  /** @throws {ConnectionError} */
  list(...path: Path): readonly unknown[];
  /** Of a mapping. @throws {ConnectionError} */
  entries(...path: Path): readonly (readonly [key: string, value: unknown])[];
  has(...path: Path): boolean;
  fail(code: ConnectionErrorCode, path: Path, message: string): ConnectionError;
}

export interface Kubeconfig {
  readonly files: readonly string[];
  readonly currentContext: string | null;
  readonly contexts: ReadonlyMap<string, ConfigEntry>;
  readonly clusters: ReadonlyMap<string, ConfigEntry>;
  readonly users: ReadonlyMap<string, ConfigEntry>;
}

/** @throws {ConnectionError} */
export function readKubeconfigs(paths: readonly string[]): Kubeconfig {
  const documents = paths.flatMap((path) => {
    const contents = findSmallFile(path, 'kubeconfig');
    return contents === null ? [] : [readDocument(path, contents)];
  });
  if (documents.length === 0) {
    const looked = paths.length === 0 ? 'none was given' : `there is no file ${paths.map(quote).join(', ')}`;
    throw new ConnectionError('not-configured', `no kubeconfig: ${looked}; name one with --kubeconfig or KUBECONFIG`);
  }
  const contexts = new Map<string, ConfigEntry>();
  const clusters = new Map<string, ConfigEntry>();
  const users = new Map<string, ConfigEntry>();
  for (const document of documents) {
    takeEntries(document, { field: 'contexts', body: 'context', into: contexts });
    takeEntries(document, { field: 'clusters', body: 'cluster', into: clusters });
    takeEntries(document, { field: 'users', body: 'user', into: users });
  }
  const current = documents.map(({ root }) => root.text('current-context')).find((name) => name !== null) ?? null;
  return { files: documents.map(({ path }) => path), currentContext: current, contexts, clusters, users };
}

interface ConfigDocument {
  readonly path: string;
  readonly document: InputDocument;
  readonly root: ConfigEntry;
}

function readDocument(path: string, contents: Buffer): ConfigDocument {
  const decoding = decodeText(contents, path);
  if (decoding.kind === 'not-text') throw malformed(decoding.position, decoding.detail);
  const { documents, lost } = readInput(path, decoding.text, createInputTerms(1));
  const [problem] = [...lost, ...documents.flatMap(({ problems }) => problems)];
  if (problem !== undefined) throw malformed(problem.position, problem.message);
  const [document, second] = documents;
  if (document === undefined) throw malformed({ file: path, line: 1, column: 1 }, 'the file is empty');
  if (second !== undefined) throw malformed(second.locate([]), 'a kubeconfig is one document');
  const root = createEntry({ name: '', path: [] }, path, document);
  const kind = own(document.value, 'kind') ?? 'Config';
  if (typeof document.value !== 'object' || Array.isArray(document.value) || kind !== 'Config') {
    throw malformed(document.locate(['kind']), 'this is no kubeconfig (`kind: Config`)');
  }
  return { path, document, root };
}

interface Section {
  readonly field: string;
  /** The key of an item under which what it names stands. */
  readonly body: string;
  readonly into: Map<string, ConfigEntry>;
}

function takeEntries({ path, document, root }: ConfigDocument, { field, body, into }: Section): void {
  for (const [index, item] of root.list(field).entries()) {
    const name = own(item, 'name');
    if (typeof name !== 'string' || name === '') {
      throw root.fail('malformed', [field, index], `an item of ${quote(field)} without a name`);
    }
    if (!into.has(name)) into.set(name, createEntry({ name, path: [field, index, body] }, path, document));
  }
}

interface EntryPlace {
  readonly name: string;
  readonly path: Path;
}

function createEntry({ name, path: base }: EntryPlace, file: string, document: InputDocument): ConfigEntry {
  const valueAt = (path: Path): unknown =>
    [...base, ...path].reduce<unknown>((value, step) => at(value, step), document.value) ?? null;
  const fail = (code: ConnectionErrorCode, path: Path, message: string): ConnectionError => {
    return new ConnectionError(code, `${formatPosition(document.locate([...base, ...path]))}: ${message}`);
  };
  const wrong = (path: Path, expected: string): ConnectionError => {
    return fail('malformed', path, `${quote(String(path.at(-1)))} must be ${expected}`);
  };
  return {
    name,
    directory: dirname(file),
    fail,
    has: (...path) => valueAt(path) !== null,
    text: (...path) => {
      const value = valueAt(path);
      if (value === null || value === '') return null;
      if (typeof value !== 'string') throw wrong(path, 'a string; put it in quotes');
      return value;
    },
    flag: (...path) => {
      const value = valueAt(path) ?? false;
      if (typeof value !== 'boolean') throw wrong(path, 'true or false');
      return value;
    },
    entries: (...path) => {
      const value = valueAt(path) ?? {};
      if (typeof value !== 'object' || Array.isArray(value)) throw wrong(path, 'a mapping');
      return Object.entries(value);
    },
    list: (...path) => {
      const value = valueAt(path) ?? [];
      if (!Array.isArray(value)) throw wrong(path, 'a list');
      return value;
    },
  };
}

function at(value: unknown, step: string | number): unknown {
  return own(value, String(step));
}

function malformed(position: SourcePosition, message: string): ConnectionError {
  return new ConnectionError('malformed', `${formatPosition(position)}: ${message}`);
}
