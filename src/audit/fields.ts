// Reading of objects of which nothing is certain: a value of the asked type, or none and a note of what stands there instead.

import type { KubeObject } from './kube-object.ts';
import type { Path } from './path.ts';

export interface MalformedNote {
  readonly object: KubeObject;
  readonly path: Path;
  /** "a list". */
  readonly expected: string;
  /** "a string", "nothing". */
  readonly found: string;
}

export type FieldKind = 'absent' | 'null' | 'text' | 'number' | 'boolean' | 'list' | 'map';

/** Takes the notes of one object. */
export type TakeNote = (path: () => Path, expected: string, found: string) => void;

type Children = ReadonlyMap<string, Field>;

/** A place in an object, whether or not something stands there. Null counts as absent, as it does in Kubernetes. */
export class Field {
  /** As it stands there; undefined when absent. */
  readonly value: unknown;
  readonly #parent: Field | null;
  readonly #key: string | number;
  readonly #takeNote: TakeNote;
  readonly #children: Children | readonly Field[] | null;

  private constructor(
    value: unknown,
    place: { readonly parent: Field | null; readonly key: string | number; readonly takeNote: TakeNote },
    children: Children | readonly Field[] | null = null,
  ) {
    this.value = value;
    this.#parent = place.parent;
    this.#key = place.key;
    this.#takeNote = place.takeNote;
    this.#children = children;
  }

  static root(value: unknown, takeNote: TakeNote): Field {
    return new Field(value, { parent: null, key: '', takeNote });
  }

  /** In the object. */
  get path(): Path {
    return this.#parent === null ? [] : [...this.#parent.path, this.#key];
  }

  get kind(): FieldKind {
    return kindOf(this.value);
  }

  /** Whether something other than null stands there. */
  get isPresent(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  /** What stands below, step by step; absent where a step leads nowhere, and noted where it leads through something that has no inside. */
  get(...steps: readonly (string | number)[]): Field {
    return steps.reduce<Field>((field, step) => field.#child(step), this);
  }

  asText(): string | null {
    return typeof this.value === 'string' ? this.value : this.#none('a string');
  }

  asNumber(): number | null {
    return typeof this.value === 'number' ? this.value : this.#none('a number');
  }

  asInteger(): number | null {
    return Number.isSafeInteger(this.value) ? (this.value as number) : this.#none('a whole number');
  }

  asBoolean(): boolean | null {
    return typeof this.value === 'boolean' ? this.value : this.#none('true or false');
  }

  /** What may be either, such as a port. */
  asIntegerOrText(): number | string | null {
    if (typeof this.value === 'string' || Number.isSafeInteger(this.value)) return this.value as number | string;
    return this.#none('a whole number or a string');
  }

  /** A quantity: `1`, `"500m"`. */
  asQuantity(): string | null {
    return typeof this.value === 'number' ? String(this.value) : this.asText();
  }

  /** Empty when absent; every item is there, whatever it is. */
  asList(): readonly Field[] {
    if (Array.isArray(this.#children)) return this.#children as readonly Field[];
    if (!Array.isArray(this.value)) return this.#none('a list') ?? [];
    return this.value.map((item: unknown, index) => this.#inner(item, index));
  }

  /** The texts of a list. */
  asTexts(): readonly string[] {
    return this.asList().flatMap((item) => item.requireText() ?? []);
  }

  /** Empty when absent. */
  asMap(): ReadonlyMap<string, Field> {
    if (this.#children instanceof Map) return this.#children as Children;
    if (!isMap(this.value)) return this.#none('a mapping') ?? NO_FIELDS;
    const fields = new Map<string, Field>();
    for (const [key, value] of Object.entries(this.value)) fields.set(key, this.#inner(value, key));
    return fields;
  }

  /** The texts of a mapping, such as labels. */
  asTextMap(): ReadonlyMap<string, string> {
    if (!isMap(this.value)) return this.#none('a mapping') ?? NO_TEXTS;
    const texts = new Map<string, string>();
    for (const [key, value] of Object.entries(this.value)) {
      if (typeof value === 'string') texts.set(key, value);
      else this.#inner(value, key).requireText();
    }
    return texts;
  }

  /** As `asText`, and notes absence. */
  requireText(): string | null {
    return this.isPresent ? this.asText() : this.noteWrong('a string');
  }

  /** For what is missing, or of the right type and still no such value. */
  noteWrong(expected: string): null {
    this.#takeNote(() => this.path, expected, describe(this.value));
    return null;
  }

  /** Another value in the same place: what a controller adds, or what stands there in another form. */
  literal(value: unknown): Field {
    return new Field(value, { parent: this.#parent, key: this.#key, takeNote: this.#takeNote });
  }

  /** This mapping with other entries beside or instead of its own, each of which keeps its own path. */
  overlay(entries: Iterable<readonly [string, Field | readonly Field[]]>): Field {
    const children = new Map(this.asMap());
    for (const [key, entry] of entries) {
      children.set(key, entry instanceof Field ? entry : this.#listOf(key, entry));
    }
    const value: Record<string, unknown> = Object.create(null);
    for (const [key, child] of children) if (child.value !== undefined) value[key] = child.value;
    return new Field(value, { parent: this.#parent, key: this.#key, takeNote: this.#takeNote }, children);
  }

  #listOf(key: string, items: readonly Field[]): Field {
    return new Field(
      items.map(({ value }) => value),
      { parent: this, key, takeNote: this.#takeNote },
      items,
    );
  }

  #child(step: string | number): Field {
    if (typeof step === 'number') {
      if (Array.isArray(this.#children))
        return (this.#children as readonly Field[])[step] ?? this.#inner(undefined, step);
      if (Array.isArray(this.value)) return this.#inner(this.value[step], step);
      this.#none('a list');
      return this.#inner(undefined, step);
    }
    if (this.#children instanceof Map) return (this.#children as Children).get(step) ?? this.#inner(undefined, step);
    if (isMap(this.value)) return this.#inner(Object.hasOwn(this.value, step) ? this.value[step] : undefined, step);
    this.#none('a mapping');
    return this.#inner(undefined, step);
  }

  #inner(value: unknown, key: string | number): Field {
    return new Field(value, { parent: this, key, takeNote: this.#takeNote });
  }

  #none(expected: string): null {
    if (this.isPresent) this.#takeNote(() => this.path, expected, describe(this.value));
    return null;
  }
}

const NO_FIELDS: ReadonlyMap<string, Field> = new Map();
const NO_TEXTS: ReadonlyMap<string, string> = new Map();

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): FieldKind {
  if (value === undefined) return 'absent';
  if (value === null) return 'null';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'boolean';
  return Array.isArray(value) ? 'list' : 'map';
}

const NOUNS: Readonly<Record<FieldKind, string>> = {
  absent: 'nothing',
  null: 'null',
  text: 'a string',
  number: 'a number',
  boolean: 'true or false',
  list: 'a list',
  map: 'a mapping',
};

function describe(value: unknown): string {
  return NOUNS[kindOf(value)];
}

const NO_NOTES: readonly MalformedNote[] = [];
const MAX_NOTES_PER_OBJECT = 32;

/** The notes of a whole cluster, each place once. */
export class MalformedNotes {
  readonly #byObject = new Map<KubeObject, Map<string, MalformedNote>>();

  /** The whole of `object`. */
  fieldOf(object: KubeObject): Field {
    return Field.root(object.body, (path, expected, found) => {
      this.#take(object, { object, path: path(), expected, found });
    });
  }

  of(object: KubeObject): readonly MalformedNote[] {
    const notes = this.#byObject.get(object);
    return notes === undefined ? NO_NOTES : [...notes.values()];
  }

  get all(): readonly MalformedNote[] {
    return [...this.#byObject.keys()].flatMap((object) => this.of(object));
  }

  #take(object: KubeObject, note: MalformedNote): void {
    const notes = this.#byObject.get(object) ?? new Map<string, MalformedNote>();
    this.#byObject.set(object, notes);
    const key = JSON.stringify(note.path);
    if (notes.size < MAX_NOTES_PER_OBJECT && !notes.has(key)) notes.set(key, note);
  }
}
