// The objects of a stand-in cluster, and everything that has happened to them: what lists and watches of an API server are made of.

export interface StandInKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly resource: string;
  readonly isNamespaced: boolean;
  /** Items in lists of built-in kinds do not say what they are; those of custom ones do. */
  readonly isCustom?: boolean;
  readonly verbs?: readonly string[];
}

export interface StandInObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

export interface StandInEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: StandInObject;
  readonly version: number;
}

export interface Snapshot {
  readonly version: number;
  readonly objects: readonly StandInObject[];
}

export class StandInStore {
  readonly #objects = new Map<string, StandInObject>();
  readonly #events: StandInEvent[] = [];
  readonly #listeners = new Set<(event: StandInEvent) => void>();
  /** The resourceVersion of the last write. */
  version = 1000;
  /** What was before it is forgotten, as etcd does after some minutes. */
  compactedVersion = 0;

  /** Creates it or replaces it. */
  apply(object: StandInObject): StandInObject {
    this.version += 1;
    const key = keyOf(object);
    const before = this.#objects.get(key);
    const stored = { ...object, metadata: { ...noise(this.version), ...object.metadata } };
    this.#objects.set(key, stored);
    this.#tell({ type: before === undefined ? 'ADDED' : 'MODIFIED', object: stored, version: this.version });
    return stored;
  }

  delete(object: StandInObject): void {
    const stored = this.#objects.get(keyOf(object));
    if (stored === undefined) throw new Error(`there is no ${keyOf(object)}`);
    this.version += 1;
    this.#objects.delete(keyOf(object));
    const last = { ...stored, metadata: { ...stored.metadata, resourceVersion: String(this.version) } };
    this.#tell({ type: 'DELETED', object: last, version: this.version });
  }

  compact(): void {
    this.version += 1;
    this.compactedVersion = this.version;
  }

  list(selects: (object: StandInObject) => boolean): Snapshot {
    const objects = [...this.#objects].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, object]) => object);
    return { version: this.version, objects: objects.filter(selects) };
  }

  since(version: number): readonly StandInEvent[] {
    return this.#events.filter((event) => event.version > version);
  }

  subscribe(listener: (event: StandInEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #tell(event: StandInEvent): void {
    this.#events.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

function keyOf({ apiVersion, kind, metadata }: StandInObject): string {
  return `${apiVersion}/${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
}

function noise(version: number): Readonly<Record<string, unknown>> {
  return {
    uid: `00000000-0000-0000-0000-${String(version).padStart(12, '0')}`,
    resourceVersion: String(version),
    creationTimestamp: '2026-01-01T00:00:00Z',
    managedFields: [{ manager: 'kubectl', operation: 'Update', fieldsV1: { 'f:spec': {} } }],
  };
}
