// Who made an object: ownerReferences, followed as far as the owners are there.

import { own, type KubeObject } from './kube-object.ts';
import type { MalformedNotes } from './fields.ts';
import { kindKey } from './scope.ts';

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string | null;
}

const MAX_CHAIN = 16;
/** Labels by which controllers tell apart the templates that replicas were made from. */
const TEMPLATE_HASHES = ['pod-template-hash', 'controller-revision-hash', 'rollouts-pod-template-hash'];

export class Owners {
  readonly #byUid = new Map<string, KubeObject>();
  readonly #byName = new Map<string, KubeObject>();
  readonly #notes: MalformedNotes;

  constructor(objects: readonly KubeObject[], notes: MalformedNotes) {
    this.#notes = notes;
    for (const object of objects) {
      if (object.uid !== null) this.#byUid.set(object.uid, object);
      this.#byName.set(nameKey(object.group, object, object.namespace), object);
    }
  }

  /** The object, its owner, the owner of that, and so on. Owners that own each other are no owners: nothing may hide in such a ring. */
  chainOf(object: KubeObject): readonly KubeObject[] {
    const chain = [object];
    for (let owner = this.#ownerOf(object); owner !== null; owner = this.#ownerOf(owner)) {
      if (chain.includes(owner) || chain.length >= MAX_CHAIN) return [object];
      chain.push(owner);
    }
    return chain;
  }

  /** To whoever controls the object; else to the first of those who own it. */
  referenceOf(object: KubeObject): OwnerReference | null {
    // Most objects of a file have none, and every pod of a cluster is asked.
    if (own(own(object.body, 'metadata'), 'ownerReferences') === undefined) return null;
    const references = this.#notes.fieldOf(object).get('metadata', 'ownerReferences').asList();
    const chosen = references.find((reference) => reference.get('controller').asBoolean() === true) ?? references[0];
    if (chosen === undefined) return null;
    const apiVersion = chosen.get('apiVersion').requireText();
    const kind = chosen.get('kind').requireText();
    const name = chosen.get('name').requireText();
    if (apiVersion === null || kind === null || name === null) return null;
    return { apiVersion, kind, name, uid: chosen.get('uid').asText() };
  }

  /** Equal for pods that were made from one template of an owner that is not there; null for a pod that stands for itself. */
  replicaKeyOf(pod: KubeObject): string | null {
    const reference = this.referenceOf(pod);
    if (reference === null || reference.kind === 'Node') return null;
    const hashes = TEMPLATE_HASHES.map((key) => pod.labels.get(key) ?? '');
    const { apiVersion, kind, name, uid } = reference;
    return JSON.stringify([pod.namespace, apiVersion, kind, name, uid, ...hashes]);
  }

  #ownerOf(object: KubeObject): KubeObject | null {
    const reference = this.referenceOf(object);
    if (reference === null) return null;
    const { apiVersion, uid } = reference;
    const byUid = uid === null ? undefined : this.#byUid.get(uid);
    if (byUid !== undefined) return byUid;
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
    const byName =
      this.#byName.get(nameKey(group, reference, object.namespace)) ??
      this.#byName.get(nameKey(group, reference, null));
    // Another object of the same name is not the one that made this.
    const isAnother = uid !== null && byName !== undefined && byName.uid !== null && byName.uid !== uid;
    return byName === undefined || isAnother ? null : byName;
  }
}

function nameKey(
  group: string,
  { kind, name }: { readonly kind: string; readonly name: string },
  namespace: string | null,
): string {
  return `${kindKey(group, kind)}\n${namespace ?? ''}\n${name}`;
}
