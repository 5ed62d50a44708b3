// One Kubernetes object as it was read, of which only the metadata is known to have a form.

import { parseRfc3339, Rfc3339Error } from '../core/rfc3339.ts';
import type { SourcePosition } from '../core/source-position.ts';
import { isClusterScoped } from './scope.ts';
import type { Path } from './path.ts';

export interface KubeObject {
  readonly apiVersion: string;
  /** Of `apiVersion`; empty for the core group. */
  readonly group: string;
  readonly kind: string;
  /** Null for an object of the cluster. */
  readonly namespace: string | null;
  /** `generateName` where there is no name, which then ends in a hyphen as no name can. */
  readonly name: string;
  readonly uid: string | null;
  readonly createdMs: number | null;
  /** Of `metadata`; what is not a string is left out here and noted by `buildCluster`. */
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** The whole object, as plain JSON; read it through `fields.ts`. */
  readonly body: unknown;
  readonly origin: 'file' | 'live';
  /** Of the nearest existing parent; null for a live object. */
  locate(path: Path): SourcePosition | null;
}

export interface ObjectSource {
  readonly origin: 'file' | 'live';
  /** Of an object in a file that names none and is not known to be one of the cluster. */
  readonly defaultNamespace: string;
  readonly locate: (path: Path) => SourcePosition | null;
}

export type ObjectReading =
  | { readonly kind: 'object'; readonly object: KubeObject }
  | { readonly kind: 'malformed'; readonly at: Path; readonly detail: string };

/** An object that has no `apiVersion`, `kind` or name is not one. */
export function readKubeObject(body: unknown, source: ObjectSource): ObjectReading {
  const apiVersion = own(body, 'apiVersion');
  const kind = own(body, 'kind');
  const metadata = own(body, 'metadata');
  if (!isText(apiVersion)) return malformed(['apiVersion'], 'no `apiVersion`');
  if (!isText(kind)) return malformed(['kind'], 'no `kind`');
  const name = [own(metadata, 'name'), own(metadata, 'generateName')].find(isText);
  if (name === undefined) return malformed(['metadata', 'name'], 'no `metadata.name`');
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const namespace = own(metadata, 'namespace');
  const uid = own(metadata, 'uid');
  return {
    kind: 'object',
    object: {
      apiVersion,
      group,
      kind,
      namespace: isText(namespace) ? namespace : namespaceOf(group, kind, source),
      name,
      uid: isText(uid) ? uid : null,
      createdMs: instantOf(own(metadata, 'creationTimestamp')),
      labels: textsOf(own(metadata, 'labels')),
      annotations: textsOf(own(metadata, 'annotations')),
      body,
      origin: source.origin,
      locate: source.locate,
    },
  };
}

/** `namespace/name[Kind]`, or `name[Kind]` for an object of the cluster. */
export function formatObject({ namespace, name, kind }: Pick<KubeObject, 'namespace' | 'name' | 'kind'>): string {
  return namespace === null ? `${name}[${kind}]` : `${namespace}/${name}[${kind}]`;
}

/** An own property of a plain object; undefined of anything else. */
export function own(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

function namespaceOf(group: string, kind: string, source: ObjectSource): string | null {
  return source.origin === 'live' || isClusterScoped(group, kind) ? null : source.defaultNamespace;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function instantOf(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  try {
    return parseRfc3339(value);
  } catch (error) {
    if (error instanceof Rfc3339Error) return null;
    throw error;
  }
}

function textsOf(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return EMPTY;
  const texts = new Map<string, string>();
  for (const [key, text] of Object.entries(value)) if (typeof text === 'string') texts.set(key, text);
  return texts;
}

const EMPTY: ReadonlyMap<string, string> = new Map();

function malformed(at: Path, detail: string): ObjectReading {
  return { kind: 'malformed', at, detail };
}
