// From a document to the Kubernetes objects in it: one, the items of a list, or none at all.

import type { Unreadable } from '../audit/inventory.ts';
import { type KubeObject, own, readKubeObject } from '../audit/kube-object.ts';
import type { Path } from '../audit/path.ts';
import { type KindKey, kindKey } from '../audit/scope.ts';
import type { InputDocument, LostDocument } from './documents.ts';
import { isListed } from './kinds.ts';

export interface Expansion {
  readonly objects: KubeObject[];
  readonly unreadable: Unreadable[];
  readonly limits: ObjectLimits;
  /** Objects that are judged one by one: they have a spec, and nothing owns them. */
  roots: number;
  isFull: boolean;
  /** Documents that are something else than Kubernetes objects, such as the values of a chart. */
  ignored: number;
}

export interface ObjectLimits {
  readonly objects: number;
  readonly roots: number;
}

export function expandDocument(document: InputDocument, defaultNamespace: string, into: Expansion): void {
  const before = into.objects.length;
  if (into.isFull) return;
  expandValue({ value: document.value, path: [] }, { document, defaultNamespace, into });
  const only = into.objects.length === before + 1 ? into.objects[before] : undefined;
  for (const { message, position } of document.problems) {
    const kind = only === undefined ? null : kindKey(only.group, only.kind);
    const namespace = only?.namespace ?? null;
    into.unreadable.push({ what: position.file, kind, namespace, reason: 'malformed', detail: message, position });
  }
}

/** A document that could not be read, of which it is at times plain what it was meant to be. */
export function describeLost({ message, position, text }: LostDocument): Unreadable {
  const isTemplate = /\{\{-?\s/.test(text);
  const detail = isTemplate ? `${message}; this looks like a template: render it first (helm template)` : message;
  return { what: position.file, kind: guessKind(text), namespace: null, reason: 'malformed', detail, position };
}

interface Place {
  readonly value: unknown;
  readonly path: Path;
}

interface Terms {
  readonly document: InputDocument;
  readonly defaultNamespace: string;
  readonly into: Expansion;
}

function expandValue({ value, path }: Place, terms: Terms): void {
  const { into } = terms;
  if (Array.isArray(value)) {
    if (value.some(isObject)) expandItems({ items: value, path, implied: null }, terms);
    else into.ignored += 1;
    return;
  }
  const kind = own(value, 'kind');
  const apiVersion = own(value, 'apiVersion');
  if (typeof kind === 'string' && kind.endsWith('List') && (kind === 'List' || own(value, 'items') !== undefined)) {
    const items = own(value, 'items') ?? [];
    if (Array.isArray(items))
      expandItems({ items, path: [...path, 'items'], implied: impliedBy(kind, apiVersion) }, terms);
    else into.unreadable.push(malformed([...path, 'items'], 'the items of a list must be a list', terms));
    return;
  }
  if (isObject(value)) addObject({ value, path }, terms);
  else into.ignored += 1;
}

interface Implied {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Of `PodList`, whose items need not say again what they are. */
function impliedBy(listKind: string, apiVersion: unknown): Implied | null {
  const kind = listKind.slice(0, -'List'.length);
  return kind === '' || typeof apiVersion !== 'string' ? null : { apiVersion, kind };
}

interface Items {
  readonly items: readonly unknown[];
  readonly path: Path;
  readonly implied: Implied | null;
}

function expandItems({ items, path, implied }: Items, terms: Terms): void {
  for (const [index, item] of items.entries()) {
    const place = { value: item, path: [...path, index] };
    if (terms.into.isFull) return;
    if (!isMapping(item))
      terms.into.unreadable.push(malformed(place.path, 'an item of a list that is no object', terms));
    else expandValue(implied === null || 'kind' in item ? place : { ...place, value: { ...implied, ...item } }, terms);
  }
}

function addObject({ value, path }: Place, terms: Terms): void {
  const { document, defaultNamespace, into } = terms;
  if (groupOf(value) === KUSTOMIZE_GROUP) {
    into.unreadable.push(malformed(path, 'a Kustomization; render it first: kubectl kustomize DIRECTORY', terms));
    return;
  }
  const reading = readKubeObject(value, {
    origin: 'file',
    defaultNamespace,
    locate: (inside) => document.locate([...path, ...inside]),
  });
  if (reading.kind === 'malformed') {
    into.unreadable.push({ ...malformed([...path, ...reading.at], reading.detail, terms), kind: keyOf(value) });
  } else if (hasRoom(value, into)) {
    into.objects.push(reading.object);
  } else {
    into.isFull = true;
    const { objects, roots } = into.limits;
    const detail = `more than the ${objects} objects, or the ${roots} that have a spec and no owner, which one audit takes; the rest is not audited: give it in parts`;
    into.unreadable.push({ ...malformed(path, detail, terms), reason: 'too-large' });
  }
}

function hasRoom(value: unknown, into: Expansion): boolean {
  const owners = own(own(value, 'metadata'), 'ownerReferences');
  if ((own(value, 'spec') ?? null) !== null && (!Array.isArray(owners) || owners.length === 0)) into.roots += 1;
  return into.objects.length < into.limits.objects && into.roots <= into.limits.roots;
}

const KUSTOMIZE_GROUP = 'kustomize.config.k8s.io';

/** Tools have files of their own with an `apiVersion` and a `kind`; objects have metadata. */
function isObject(value: unknown): boolean {
  const hasBody = isMapping(own(value, 'metadata')) || (own(value, 'spec') ?? null) !== null;
  const group = groupOf(value);
  if (group === null || typeof own(value, 'kind') !== 'string') {
    return hasBody && (own(value, 'kind') !== undefined || own(value, 'apiVersion') !== undefined);
  }
  return hasBody || group === KUSTOMIZE_GROUP || isListed(group, String(own(value, 'kind')));
}

function keyOf(value: unknown): KindKey | null {
  const group = groupOf(value);
  const kind = own(value, 'kind');
  return group === null || typeof kind !== 'string' ? null : kindKey(group, kind);
}

function groupOf(value: unknown): string | null {
  const apiVersion = own(value, 'apiVersion');
  if (typeof apiVersion !== 'string') return null;
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(path: Path, detail: string, { document }: Terms): Unreadable {
  const position = document.locate(path);
  return { what: position.file, kind: null, namespace: null, reason: 'malformed', detail, position };
}

const KIND_LINE = /^"?kind"?:[ \t]*["']?([A-Za-z][A-Za-z0-9]*)["']?[ \t\r]*$/gm;
const VERSION_LINE = /^"?apiVersion"?:[ \t]*["']?(?:([a-z0-9.-]+)\/)?v[a-z0-9]+["']?[ \t\r]*$/gm;

/** Only where the text says it once, at its beginning of lines. */
function guessKind(text: string): KindKey | null {
  const [kind, otherKind] = text.matchAll(KIND_LINE);
  const [version, otherVersion] = text.matchAll(VERSION_LINE);
  if (kind === undefined || version === undefined || otherKind !== undefined || otherVersion !== undefined) return null;
  const name = kind[1] ?? '';
  return name === 'List' || name.endsWith('List') ? null : kindKey(version[1] ?? '', name);
}
