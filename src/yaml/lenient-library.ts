// All of YAML, slowly: what the fast reader leaves over, and what is wrong with text that is broken.

import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, parseDocument, type Scalar, type YAMLMap } from 'yaml';
import { quote } from '../core/quote.ts';
import type { Extent, FastReading } from './lenient-block.ts';
import type { DuplicateKey } from './lenient-cursor.ts';
import { addDuplicate, setOwn } from './lenient-key.ts';
import type { Entry, Place } from './lenient-place.ts';
import { formatKey, type PlainValue, resolvePlain } from './lenient-plain.ts';

/** Why there is nothing to be had from a document; `at` is an offset in the text. */
export class BrokenDocument extends Error {
  readonly at: number;

  constructor(at: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.at = at;
  }
}

/** This reader makes some two hundred bytes of memory out of each byte of text. */
export const MAX_SLOW_LENGTH = 4 * 1024 * 1024;
const MAX_DEPTH = 200;
/** What aliases may add: values, and strings by the 64 characters. */
const MAX_ALIAS_WEIGHT = 400_000;

/** @throws {BrokenDocument} */
export function readSlowly(text: string, { start, end }: Extent): FastReading & { readonly root: Place } {
  if (end - start > MAX_SLOW_LENGTH) {
    const message = `a document of more than ${MAX_SLOW_LENGTH} characters that is broken, or uses more of YAML than manifests do; give it as JSON, or in parts`;
    throw new BrokenDocument(start, message);
  }
  const contents = parse(text.slice(start, end), start);
  const reading: Reading = { start, anchors: new Map(), duplicates: [], depth: 0, aliasWeight: 0 };
  const { value, place } = contents === null ? emptyAt(start) : build(contents, reading);
  return { value, duplicates: reading.duplicates, root: place };
}

function parse(text: string, start: number): Node | null {
  const { stackTraceLimit } = Error;
  try {
    // The library makes an error for everything that it minds, of which broken text has as many as characters.
    Error.stackTraceLimit = 0;
    const document = parseDocument(text, OPTIONS);
    const [error] = document.errors;
    if (error === undefined) return document.contents;
    if (error.code === 'RESOURCE_EXHAUSTION') throw tooDeep(start + error.pos[0], error);
    // What is behind a colon is cut: it quotes the text, and there may be a secret in it.
    const message = error.message.replace(/(\S): .*$/s, '$1');
    throw new BrokenDocument(start + error.pos[0], `${message.charAt(0).toLowerCase()}${message.slice(1)}`);
  } catch (error) {
    // The library goes down into collections by recursion.
    if (error instanceof RangeError) throw tooDeep(start, error);
    throw error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

const OPTIONS = {
  schema: 'failsafe',
  strict: false,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const;

interface Reading {
  readonly start: number;
  /** Null while what it names is being read. */
  readonly anchors: Map<string, Built | null>;
  readonly duplicates: DuplicateKey[];
  depth: number;
  aliasWeight: number;
}

interface Built {
  readonly value: unknown;
  readonly place: Place;
  /** How many values a reader meets who does not know that some of them are the same. */
  readonly weight: number;
}

function build(node: Node, reading: Reading): Built {
  if (isAlias(node)) return buildAlias(node.source, offsetOf(node, reading), reading);
  const anchor = 'anchor' in node && typeof node.anchor === 'string' ? node.anchor : null;
  if (anchor !== null) reading.anchors.set(anchor, null);
  reading.depth += 1;
  if (reading.depth > MAX_DEPTH) throw tooDeep(offsetOf(node, reading));
  const built = buildContent(node, reading);
  reading.depth -= 1;
  if (anchor !== null) reading.anchors.set(anchor, built);
  return built;
}

function buildContent(node: Node, reading: Reading): Built {
  if (isMap<Node, Node | null>(node)) return buildMapping(node, reading);
  if (isSeq<Node>(node)) return buildSequence(node.items, offsetOf(node, reading), reading);
  if (isScalar(node)) {
    const value = scalarValue(node, offsetOf(node, reading));
    return scalar(value, offsetOf(node, reading));
  }
  throw new BrokenDocument(offsetOf(node, reading), 'this kind of YAML value is not supported');
}

function buildAlias(name: string, at: number, reading: Reading): Built {
  const target = reading.anchors.get(name);
  if (target === undefined) throw new BrokenDocument(at, `no anchor ${quote(name)} stands before its alias`);
  if (target === null) throw new BrokenDocument(at, `the value of anchor ${quote(name)} contains itself`);
  reading.aliasWeight += target.weight;
  if (reading.aliasWeight > MAX_ALIAS_WEIGHT) {
    throw new BrokenDocument(
      at,
      'aliases repeat so much that the document is larger than anything that is meant to be read',
    );
  }
  return { value: target.value, weight: target.weight, place: { at, inside: target.place.inside } };
}

function buildSequence(items: readonly Node[], at: number, reading: Reading): Built {
  const built = items.map((item) => build(item, reading));
  return {
    value: built.map(({ value }) => value),
    place: { at, inside: built.map(({ place }) => place) },
    weight: built.reduce((sum, { weight }) => sum + weight, 1),
  };
}

function buildMapping(node: YAMLMap<Node, Node | null>, reading: Reading): Built {
  const mapping: MappingInMaking = { value: {}, inside: new Map(), weight: 1 };
  for (const pair of node.items) {
    if (isMerge(pair.key)) merge(mapping, pair, reading);
    else addPair(mapping, pair, reading);
  }
  return {
    value: mapping.value,
    place: { at: offsetOf(node, reading), inside: mapping.inside },
    weight: mapping.weight,
  };
}

interface MappingInMaking {
  readonly value: Record<string, unknown>;
  readonly inside: Map<string, Entry>;
  weight: number;
}

function addPair(mapping: MappingInMaking, { key, value }: Pair<Node, Node | null>, reading: Reading): void {
  const keyAt = offsetOf(key, reading);
  const builtKey = build(key, reading).value;
  if (builtKey === null || typeof builtKey === 'object') {
    throw new BrokenDocument(keyAt, 'a key must be a string');
  }
  const name = formatKey(builtKey as Exclude<PlainValue, null>);
  if (Object.hasOwn(mapping.value, name)) addDuplicate(reading.duplicates, { key: name, at: keyAt });
  const built = value === null || isNothing(value) ? emptyAt(keyAt) : build(value, reading);
  setOwn(mapping.value, name, built.value);
  mapping.inside.set(name, { keyAt, place: built.place });
  mapping.weight += built.weight;
}

/** `key:` and nothing behind it, which has no place of its own. */
function isNothing(node: Node): boolean {
  return (
    isScalar(node) && node.type === 'PLAIN' && node.source === '' && node.tag === undefined && node.anchor === undefined
  );
}

function isMerge(key: Node): boolean {
  return isScalar(key) && key.type === 'PLAIN' && key.source === '<<' && key.tag === undefined;
}

/** https://yaml.org/type/merge.html, and as go-yaml v2 does it: what is merged replaces what stands before it, too. */
function merge(mapping: MappingInMaking, { key, value }: Pair<Node, Node | null>, reading: Reading): void {
  const at = offsetOf(key, reading);
  if (value === null) throw new BrokenDocument(at, 'a merge needs a mapping, or a list of mappings');
  const built = build(value, reading);
  const sources = Array.isArray(built.value) ? built.value.map((_, index) => itemOf(built, index)) : [built];
  // Of several, the first counts.
  for (const source of sources.toReversed()) {
    const { inside } = source.place;
    if (!(inside instanceof Map)) throw new BrokenDocument(at, 'a merge needs a mapping, or a list of mappings');
    for (const [name, entry] of inside as ReadonlyMap<string, Entry>) {
      setOwn(mapping.value, name, (source.value as Readonly<Record<string, unknown>>)[name]);
      mapping.inside.set(name, entry);
    }
  }
  mapping.weight += built.weight;
}

function itemOf({ value, place }: Built, index: number): Pick<Built, 'value' | 'place'> {
  const inside = Array.isArray(place.inside) ? (place.inside as readonly Place[])[index] : undefined;
  return { value: (value as readonly unknown[])[index], place: inside ?? place };
}

function scalarValue(node: Scalar, at: number): PlainValue {
  const source = node.source ?? '';
  const { tag } = node;
  if (tag === undefined) {
    if (node.type !== 'PLAIN') return source;
    return jsonValue(resolvePlain(source), at);
  }
  const core = CORE_TAGS.get(tag);
  if (core === undefined) return source;
  const value = core === 'binary' ? Buffer.from(source, 'base64').toString('utf8') : resolvePlain(source);
  if (core === 'binary' || (value === null ? 'null' : typeof value) === core) return jsonValue(value, at);
  throw new BrokenDocument(at, `this is no ${core}, which its tag says it is`);
}

const CORE_TAGS: ReadonlyMap<string, 'number' | 'boolean' | 'null' | 'binary'> = new Map([
  ['tag:yaml.org,2002:int', 'number'],
  ['tag:yaml.org,2002:float', 'number'],
  ['tag:yaml.org,2002:bool', 'boolean'],
  ['tag:yaml.org,2002:null', 'null'],
  ['tag:yaml.org,2002:binary', 'binary'],
]);

function jsonValue(value: PlainValue, at: number): PlainValue {
  if (typeof value !== 'number' || Number.isFinite(value)) return value;
  throw new BrokenDocument(at, 'neither infinity nor .nan can be a value: JSON has none');
}

function scalar(value: PlainValue, at: number): Built {
  const weight = typeof value === 'string' ? 1 + Math.floor(value.length / 64) : 1;
  return { value, weight, place: { at, inside: null } };
}

function emptyAt(at: number): Built {
  return scalar(null, at);
}

function offsetOf(node: Node, { start }: Reading): number {
  return start + (node.range?.[0] ?? 0);
}

function tooDeep(at: number, cause?: unknown): BrokenDocument {
  return new BrokenDocument(at, `nested more than ${MAX_DEPTH} levels deep`, { cause });
}
