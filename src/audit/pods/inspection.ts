// How a control reads a pod template: what stands there, what breaks it, and what could not be told.

import type { Field } from '../fields.ts';
import type { Json } from '../finding.ts';
import type { Path } from '../path.ts';
import type { Container, Workload } from '../workload.ts';

export type PodTemplate = Pick<Workload, 'podSpec' | 'podPath' | 'annotations' | 'containers' | 'isPartial'>;

export interface Violation {
  /** Null when it is the pod's as a whole. */
  readonly container: Container | null;
  readonly at: Path;
  readonly detail: string;
  /** What stands there; null for nothing. */
  readonly found: Json;
}

export type DoubtReason =
  | 'malformed'
  | 'partial-template'
  | 'image-user-unknown'
  /** What an object refers to is not among those given. */
  | 'not-given'
  /** Signs of a device, and none of where it comes from. */
  | 'device-not-shown';

export interface Doubt {
  readonly container: Container | null;
  readonly at: Path;
  readonly reason: DoubtReason;
  readonly detail: string;
}

export interface ControlResult {
  readonly violations: readonly Violation[];
  readonly doubts: readonly Doubt[];
}

/** `unknown`: it cannot be read, or may stand where nobody looked; the inspection has taken the doubt. */
export type Reading<T> =
  | { readonly kind: 'value'; readonly value: T; readonly field: Field }
  | { readonly kind: 'absent' | 'unknown'; readonly field: Field };

/** The pod, or one of its containers. */
export interface Scope {
  readonly field: Field;
  readonly container: Container | null;
  readonly isPartial: string | null;
}

const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;

export class Inspection {
  readonly pod: Scope;
  readonly #template: PodTemplate;
  readonly #violations: Violation[] = [];
  readonly #doubts = new Map<string, Doubt>();

  constructor(template: PodTemplate) {
    this.#template = template;
    this.pod = { field: template.podSpec, container: null, isPartial: template.isPartial };
  }

  get result(): ControlResult {
    return { violations: this.#violations, doubts: [...this.#doubts.values()] };
  }

  get annotations(): ReadonlyMap<string, string> {
    return this.#template.annotations;
  }

  /** Of all kinds. What is no container, or may be there unseen, is in doubt. */
  containers(): readonly Scope[] {
    const { containers, isPartial } = this.#template;
    this.#walk(this.pod, ['containers']);
    for (const key of CONTAINER_LISTS) {
      const field = this.pod.field.get(key);
      if (field.isPresent && field.kind !== 'list') this.#doubtForm(this.pod, field, 'a list');
    }
    if (isPartial !== null) this.#doubtPartial(this.pod, this.pod.field.get('containers'));
    else if (containers.length === 0)
      this.#doubtForm(this.pod, this.pod.field.get('containers'), 'a list of containers');
    return containers.flatMap((container) => {
      const scope: Scope = { field: container.field, container, isPartial: container.isPartial };
      if (container.field.kind === 'map') return [scope];
      this.#doubtForm(scope, container.field, 'a mapping');
      return [];
    });
  }

  boolean(scope: Scope, ...steps: readonly string[]): Reading<boolean> {
    return this.#read(scope, steps, { kind: 'boolean', expected: 'true or false', take: (field) => field.asBoolean() });
  }

  text(scope: Scope, ...steps: readonly string[]): Reading<string> {
    return this.#read(scope, steps, { kind: 'text', expected: 'a string', take: (field) => field.asText() });
  }

  integer(scope: Scope, ...steps: readonly string[]): Reading<number> {
    return this.#read(scope, steps, { kind: 'number', expected: 'a whole number', take: (field) => field.asInteger() });
  }

  /** A mapping, whatever it holds. */
  map(scope: Scope, ...steps: readonly string[]): Reading<Field> {
    return this.#read(scope, steps, { kind: 'map', expected: 'a mapping', take: (field) => field });
  }

  /** Empty when absent. What a partial template does not show is in doubt. */
  list(scope: Scope, ...steps: readonly string[]): readonly Field[] {
    const reading = this.#read(scope, steps, { kind: 'list', expected: 'a list', take: (field) => field.asList() });
    if (reading.kind !== 'value') return [];
    if (scope.isPartial !== null) this.#doubtPartial(scope, reading.field);
    return reading.value;
  }

  /** The texts of a list, each with its place. */
  texts(scope: Scope, ...steps: readonly string[]): readonly { readonly text: string; readonly field: Field }[] {
    return this.list(scope, ...steps).flatMap((field) => {
      const text = field.requireText();
      if (text !== null) return [{ text, field }];
      this.#doubtForm(scope, field, 'a string');
      return [];
    });
  }

  /** As the scope of an item in a list, such as a volume; null for what is no mapping. */
  itemOf(scope: Scope, field: Field): Scope | null {
    if (field.kind === 'map') return { ...scope, field };
    this.#doubtForm(scope, field, 'a mapping');
    return null;
  }

  violate(scope: Scope, field: Field, detail: string): void {
    this.#violations.push({ container: scope.container, at: field.path, detail, found: plain(field.value) });
  }

  violateAnnotation(key: string, detail: string): void {
    const at = annotationPath(this.#template, key);
    this.#violations.push({ container: null, at, detail, found: this.#template.annotations.get(key) ?? null });
  }

  doubt(scope: Scope, field: Field, { reason, detail }: Pick<Doubt, 'reason' | 'detail'>): void {
    const taken: Doubt = { container: scope.container, at: field.path, reason, detail };
    this.#doubts.set(doubtKey(taken), taken);
  }

  /** Of what stands beside the pod spec, such as an annotation. */
  doubtAt(at: Path, { reason, detail }: Pick<Doubt, 'reason' | 'detail'>): void {
    const taken: Doubt = { container: null, at, reason, detail };
    this.#doubts.set(doubtKey(taken), taken);
  }

  /** What `inspect` says of the same template, before anybody takes it. */
  apart(inspect: (inspection: Inspection) => void): ControlResult {
    const inspection = new Inspection(this.#template);
    inspect(inspection);
    return inspection.result;
  }

  take({ violations, doubts }: ControlResult): void {
    this.#violations.push(...violations);
    for (const doubt of doubts) this.#doubts.set(doubtKey(doubt), doubt);
  }

  #read<T>(
    scope: Scope,
    steps: readonly string[],
    type: { readonly kind: Field['kind']; readonly expected: string; readonly take: (field: Field) => T | null },
  ): Reading<T> {
    const field = this.#walk(scope, steps);
    if (field === null) return { kind: 'unknown', field: scope.field.get(...steps) };
    if (!field.isPresent) {
      if (scope.isPartial === null) return { kind: 'absent', field };
      this.#doubtPartial(scope, field);
      return { kind: 'unknown', field };
    }
    const value = field.kind === type.kind ? type.take(field) : null;
    if (value !== null) return { kind: 'value', value, field };
    this.#doubtForm(scope, field, type.expected);
    return { kind: 'unknown', field };
  }

  /** Null where a step leads through something that has no inside, which is in doubt. */
  #walk(scope: Scope, steps: readonly string[]): Field | null {
    let field = scope.field;
    for (const step of steps) {
      if (field.isPresent && field.kind !== 'map') {
        this.#doubtForm(scope, field, 'a mapping');
        return null;
      }
      field = field.get(step);
    }
    return field;
  }

  #doubtForm(scope: Scope, field: Field, expected: string): void {
    field.noteWrong(expected);
    const found = field.isPresent ? field.kind : 'nothing';
    this.doubt(scope, field, { reason: 'malformed', detail: `${found} stands where ${expected} is expected` });
  }

  #doubtPartial(scope: Scope, field: Field): void {
    const why = scope.isPartial ?? this.#template.isPartial ?? '';
    this.doubt(scope, field, { reason: 'partial-template', detail: `the template is not known in full: ${why}` });
  }
}

/** Beside a pod spec that stands in a template; of one that stands alone, the spec itself. */
export function annotationPath({ podPath }: Pick<PodTemplate, 'podPath'>, key: string): Path {
  return podPath.at(-1) === 'spec' ? [...podPath.slice(0, -1), 'metadata', 'annotations', key] : podPath;
}

function doubtKey({ at, reason }: Doubt): string {
  return JSON.stringify([at, reason]);
}

/** What evidence can carry of a value: as it is when it is short and simple. */
function plain(value: unknown): Json {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return Array.isArray(value) ? '[…]' : '{…}';
}
