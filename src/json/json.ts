// Strict JSON: bytes to values that lose nothing, in which no two readers could see different things.
// RFC 8259

export type JsonValue =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** As written: a double would lose the end of a 64-bit number. */
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly JsonValue[] }
  | JsonObject;

export interface JsonObject {
  readonly kind: 'object';
  /** In the order of the text. */
  readonly members: ReadonlyMap<string, JsonValue>;
}

export interface JsonLimits {
  readonly maxBytes: number;
  /** Of arrays and objects in each other: `[]` is 1 deep, `[[]]` 2. */
  readonly maxDepth: number;
}

/**
 * Reads one JSON text.
 * @throws {JsonError} whose message begins with `line:column: `
 */
export function parseJson(_source: Uint8Array, _limits: JsonLimits): JsonValue {
  throw new Error('not yet');
}
