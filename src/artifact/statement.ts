// in-toto statements: which artifacts, by digest, somebody says something about.
// https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md

import { parseRfc3339, Rfc3339Error } from '../core/rfc3339.ts';
import { parseJson, type JsonObject, type JsonValue } from '../json/json.ts';
import { JsonError } from '../json/json-error.ts';
import { type Digest, isAlgorithmName, parseDigest } from './digest.ts';

export interface Statement {
  readonly predicateType: string;
  /** Of each, every digest that is computed here: all of them must hold. */
  readonly subjects: readonly (readonly Digest[])[];
  /** Of the predicate: the stage that it is said of, where it says so. */
  readonly stage: string | null;
  /** When the work was done that it tells of, where it says so. */
  readonly madeMs: number | null;
}

export const STATEMENT_TYPE = 'application/vnd.in-toto+json';

const TYPES: ReadonlySet<string> = new Set(['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1']);
const LIMITS = { maxBytes: 8 * 1024 * 1024, maxDepth: 32 };
/** Where predicates have their time: SLSA 1, SLSA 0.2, and our own. */
const TIMES: readonly (readonly string[])[] = [
  ['runDetails', 'metadata', 'finishedOn'],
  ['metadata', 'buildFinishedOn'],
  ['finishedOn'],
];

/** Or what is wrong with it. */
export function readStatement(payload: Uint8Array): Statement | string {
  let document: JsonValue;
  try {
    document = parseJson(payload, LIMITS);
  } catch (error) {
    if (error instanceof JsonError) return `the statement is not strict JSON (${error.message})`;
    throw error;
  }
  if (document.kind !== 'object') return 'the statement is not an object';
  const type = textAt(document, ['_type']);
  if (type === null || !TYPES.has(type)) return 'the payload is no in-toto statement';
  const subjects = readSubjects(document.members.get('subject'));
  if (subjects === null) return 'a subject of the statement has a digest that is none';
  if (subjects.length === 0) return 'the statement names no subject by a digest that is computed here';
  const predicate = document.members.get('predicate');
  if (predicate !== undefined && predicate.kind !== 'object') return 'the predicate of the statement is not an object';
  // What was signed of a stage in a form that nobody reads must not count as if nothing had been said.
  const stage = predicate?.members.get('stage');
  if (stage !== undefined && stage.kind !== 'string') return 'the `stage` of the statement is no string';
  const time = TIMES.map((path) => textAt(document, ['predicate', ...path])).find((text) => text !== null);
  return {
    predicateType: textAt(document, ['predicateType']) ?? '',
    subjects,
    stage: stage?.value ?? null,
    madeMs: time === undefined || time === null ? null : instantOf(time),
  };
}

/** Null when a digest by an algorithm that is known cannot be one: what is left of its subject would stand for less than was signed. */
function readSubjects(list: JsonValue | undefined): readonly (readonly Digest[])[] | null {
  if (list?.kind !== 'array') return [];
  const subjects: (readonly Digest[])[] = [];
  for (const item of list.items) {
    const digests = item.kind === 'object' ? item.members.get('digest') : undefined;
    if (digests?.kind !== 'object') continue;
    const known: Digest[] = [];
    for (const [name, hex] of digests.members) {
      if (!isAlgorithmName(name)) continue;
      const reading = hex.kind === 'string' ? parseDigest(hex.value, name) : null;
      if (reading?.kind === 'digest') known.push(...reading.candidates);
      else if (reading?.kind !== 'weak') return null;
    }
    if (known.length > 0) subjects.push(known);
  }
  return subjects;
}

function textAt(object: JsonObject, path: readonly string[]): string | null {
  let value: JsonValue | undefined = object;
  for (const key of path) value = value?.kind === 'object' ? value.members.get(key) : undefined;
  return value?.kind === 'string' ? value.value : null;
}

function instantOf(text: string): number | null {
  try {
    return parseRfc3339(text);
  } catch (error) {
    if (error instanceof Rfc3339Error) return null;
    throw error;
  }
}
