// What a Kustomization in a directory means for the files beside it: some are patches and no objects, and all may change when it is rendered.
// https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/

import { own } from '../audit/kube-object.ts';

export const KUSTOMIZATION_NAMES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const;

export interface Kustomization {
  /** Files that are parts of it and no objects, as it names them. */
  readonly parts: readonly string[];
  /** Fields by which what it makes differs from what lies there, in a way that an audit would see; empty when there is none. */
  readonly changes: readonly string[];
}

/** `body` is its document. `isGiven` tells of a resource that it names whether that is among what is read anyway. */
export function readKustomization(body: unknown, isGiven: (resource: string) => boolean): Kustomization {
  const fields = typeof body === 'object' && body !== null ? Object.entries(body) : [];
  const changes = fields.flatMap(([field, value]) => {
    if (isEmpty(value) || HARMLESS.has(field)) return [];
    if (field === 'images') return textsIn(value, 'newName').length > 0 ? [field] : [];
    if (field !== 'resources' && field !== 'bases') return [field];
    return textsOf(value).every(isGiven) ? [] : [field];
  });
  return { changes, parts: PART_FIELDS.flatMap(([field, keys]) => partsIn(own(body, field), keys)) };
}

/** An image of another tag or digest runs with the same rights. */
const HARMLESS = new Set(['apiVersion', 'kind', 'metadata', 'sortOptions', 'buildMetadata', 'openapi', 'crds']);

/** Fields that name files, and in which keys of their items. */
const PART_FIELDS: readonly (readonly [string, readonly string[]])[] = [
  ['patches', ['path']],
  ['patchesStrategicMerge', []],
  ['patchesJson6902', ['path']],
  ['replacements', ['path']],
  ['configurations', []],
  ['transformers', []],
  ['generators', []],
  ['validators', []],
  ['crds', []],
  ['helmCharts', ['valuesFile']],
];

function partsIn(value: unknown, keys: readonly string[]): readonly string[] {
  return keys.length === 0 ? textsOf(value) : keys.flatMap((key) => textsIn(value, key));
}

/** Text that is itself a patch has several lines. */
function textsOf(value: unknown): readonly string[] {
  return listOf(value)
    .filter((item) => typeof item === 'string')
    .filter((text) => !text.includes('\n'));
}

function textsIn(value: unknown, key: string): readonly string[] {
  return listOf(value)
    .map((item) => own(item, key))
    .filter((item) => typeof item === 'string');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === null || value === '';
}
