// What the readers of the several kinds find: the pod templates of one object.

import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Path } from '../path.ts';

export interface PodTemplate {
  /** What tells it from other templates of the same object. */
  readonly role: string | null;
  readonly podSpec: Field;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** Null when not given, or not in its nature. */
  readonly replicas: number | null;
  /** Why what is absent here is not known to be absent from the pods; null for a template that is given in full. */
  readonly isPartial: string | null;
  /** Where the template stands; null for the object that was read. */
  readonly source: KubeObject | null;
  /** Instead of the pod spec's own; null for that. */
  readonly serviceAccount: string | null;
}

export interface TemplateReading {
  readonly templates: readonly PodTemplate[];
  /** Pods that the object makes from something that is not there. */
  readonly unseen: readonly { readonly at: Path; readonly detail: string }[];
}

/** What a reader knows of the object, which may be one that stands inside of another. */
export type TemplateSubject = Pick<KubeObject, 'group' | 'kind' | 'namespace' | 'name' | 'labels' | 'annotations'>;

export interface TemplateContext {
  readonly object: TemplateSubject;
  /** Another object of the same inventory, and its content. */
  find(
    group: string,
    kind: string,
    at: { readonly namespace: string | null; readonly name: string },
  ): { readonly object: KubeObject; readonly root: Field } | null;
  /** Of an object that stands inside of another. */
  readNested(root: Field): TemplateReading;
}

export type TemplateReader = (root: Field, context: TemplateContext) => TemplateReading;

export interface TemplateTerms {
  readonly role?: string;
  readonly replicas?: number | null;
  /** What the controller of the kind adds. */
  readonly labels?: Iterable<readonly [string, string]>;
  readonly annotations?: Iterable<readonly [string, string]>;
  readonly isPartial?: string | null;
}

/** A pod template as Kubernetes has it, of `metadata` and `spec`. */
export function podTemplate(template: Field, terms: TemplateTerms): PodTemplate {
  const metadata = template.get('metadata');
  return podSpecTemplate(template.get('spec'), {
    ...terms,
    labels: [...metadata.get('labels').asTextMap(), ...(terms.labels ?? [])],
    annotations: [...(terms.annotations ?? []), ...metadata.get('annotations').asTextMap()],
  });
}

/** A pod spec whose metadata stands elsewhere. */
export function podSpecTemplate(podSpec: Field, terms: TemplateTerms): PodTemplate {
  return {
    role: terms.role ?? null,
    podSpec,
    labels: new Map(terms.labels ?? []),
    annotations: new Map(terms.annotations ?? []),
    replicas: terms.replicas ?? null,
    isPartial: terms.isPartial ?? null,
    source: null,
    serviceAccount: null,
  };
}

export function reading(templates: readonly PodTemplate[]): TemplateReading {
  return { templates, unseen: [] };
}

export function unseen(at: Path, detail: string): TemplateReading {
  return { templates: [], unseen: [{ at, detail }] };
}

export function mergeReadings(readings: readonly TemplateReading[]): TemplateReading {
  return {
    templates: readings.flatMap(({ templates }) => templates),
    unseen: readings.flatMap(({ unseen }) => unseen),
  };
}

/** The labels by name that the controller sets to the name of its object, unless the API server has yet to make that name. */
export function nameLabels(
  { name }: TemplateSubject,
  ...keys: readonly string[]
): readonly (readonly [string, string])[] {
  return name.endsWith('-') ? [] : keys.map((key) => [key, name]);
}
