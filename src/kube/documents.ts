// The documents of one input: JSON or YAML, whichever it is by what stands there and not by the name of the file.

import type { Path } from '../audit/path.ts';
import { quote } from '../core/quote.ts';
import type { SourcePosition } from '../core/source-position.ts';
import {
  createSlowAllowance,
  readLenientDocument,
  type SlowAllowance,
  splitDocuments,
  unifyLineBreaks,
} from '../yaml/lenient.ts';
import { offsetInDocument, PlaceCache } from '../yaml/lenient-places.ts';
import { findJsonFaults, type JsonFaults, MAX_DEPTH } from './json-check.ts';
import { findJsonFault } from './json-fault.ts';
import { JsonPlaces, skipSpace, skipValue } from './json-places.ts';
import { SourceText } from './source-text.ts';

export interface InputDocument {
  /** Plain JSON; not null. */
  readonly value: unknown;
  /** What is there twice, by its key. */
  readonly problems: readonly InputProblem[];
  locate(path: Path): SourcePosition;
}

export interface InputProblem {
  readonly message: string;
  readonly position: SourcePosition;
}

export interface LostDocument extends InputProblem {
  /** The beginning of its text, to guess from what it would have been. */
  readonly text: string;
}

export interface InputReading {
  readonly documents: readonly InputDocument[];
  readonly lost: readonly LostDocument[];
}

/** What the inputs of one reading have together. */
export interface InputTerms {
  readonly cache: PlaceCache;
  readonly allowance: SlowAllowance;
  /** Of one input. */
  readonly maxDocuments: number;
}

export function createInputTerms(maxDocuments: number): InputTerms {
  return { cache: new PlaceCache(CACHED_PLACES), allowance: createSlowAllowance(), maxDocuments };
}

const CACHED_PLACES = 32;

/** Never throws for what stands in the text. */
export function readInput(file: string, text: string, terms: InputTerms): InputReading {
  const whole = readJson(new SourceText(file, text), { start: 0, end: text.length });
  if (whole !== null) return whole;
  const source = new SourceText(file, unifyLineBreaks(text));
  const into: InputInMaking = { documents: [], lost: [] };
  for (const extent of splitDocuments(source.text)) {
    if (!readJsonStream(source, extent, { into, terms })) add(readYaml(source, extent, terms), into);
    if (countOf(into) > terms.maxDocuments) {
      into.lost.push(oneTooMany(into, source.positionOf(extent.start), terms));
      break;
    }
  }
  return into;
}

interface InputInMaking extends InputReading {
  readonly documents: InputDocument[];
  readonly lost: LostDocument[];
}

function add({ documents, lost }: InputReading, into: InputInMaking): void {
  into.documents.push(...documents);
  into.lost.push(...lost);
}

function countOf({ documents, lost }: InputReading): number {
  return documents.length + lost.length;
}

/** At the last that was read, or where its text begins. */
function oneTooMany({ documents }: InputReading, start: SourcePosition, { maxDocuments }: InputTerms): LostDocument {
  const message = `more than the ${maxDocuments} documents that are read of a file; give it in parts`;
  return { message, position: documents.at(-1)?.locate([]) ?? start, text: '' };
}

interface Extent {
  readonly start: number;
  readonly end: number;
}

const GUESSED_FROM = 16_384;

/** A single JSON value; null when the text is none. */
function readJson(source: SourceText, { start, end }: Extent): InputReading | null {
  if (!looksLikeJson(source.text, start)) return null;
  const text = source.text.slice(start, end);
  // Before it is parsed: each level costs memory.
  const faults = findFaults(text);
  if (faults === null) return null;
  const { tooDeepAt, duplicates } = faults;
  const positionOf = (at: number): SourcePosition => source.positionOf(start + at);
  if (tooDeepAt !== null) {
    const message = `nested more than ${MAX_DEPTH} levels deep`;
    return { documents: [], lost: [{ message, position: positionOf(tooDeepAt), text: text.slice(0, GUESSED_FROM) }] };
  }
  const value = parseJson(text);
  if (value === undefined) return null;
  const places = new JsonPlaces(source.text, start);
  const problems = duplicates.map(({ key, at }) => ({ message: secondTime(key), position: positionOf(at) }));
  const locate = (path: Path): SourcePosition => source.positionOf(places.offsetOf(path));
  return { documents: [{ value, problems, locate }], lost: [] };
}

interface Stream {
  readonly into: InputInMaking;
  readonly terms: InputTerms;
}

/** JSON values one behind the other, as several answers of kubectl in one file are; false when not even the first is one. */
function readJsonStream(source: SourceText, { start, end }: Extent, { into, terms }: Stream): boolean {
  if (!looksLikeJson(source.text, start)) return false;
  const first = skipSpace(source.text, start);
  for (let at = first; at < end && countOf(into) <= terms.maxDocuments; ) {
    const next = Math.min(skipValue(source.text, at), end);
    const reading = readJson(source, { start: at, end: next });
    if (reading === null) {
      if (at === first) return false;
      into.lost.push(lostJson(source, { start: at, end }));
      break;
    }
    add(reading, into);
    at = skipSpace(source.text, next);
  }
  return true;
}

function lostJson(source: SourceText, { start, end }: Extent): LostDocument {
  const { text } = source;
  const { at, message } = findJsonFault(text.slice(start, end));
  return {
    message,
    position: source.positionOf(start + at),
    text: text.slice(start, Math.min(end, start + GUESSED_FROM)),
  };
}

function readYaml(source: SourceText, extent: Extent, { cache, allowance }: InputTerms): InputReading {
  const document = readLenientDocument(source.text, extent, allowance);
  if (document === null) return { documents: [], lost: [] };
  if (document.kind === 'broken') {
    if (JSON_BEGINNING.test(source.text.slice(extent.start, extent.start + GUESSED_FROM))) {
      return { documents: [], lost: [lostJson(source, extent)] };
    }
    const { message, at } = document.problem;
    const text = source.text.slice(extent.start, Math.min(extent.end, extent.start + GUESSED_FROM));
    return { documents: [], lost: [{ message, position: source.positionOf(at), text }] };
  }
  const located = { text: source.text, extent, key: `${source.file} ${extent.start}` };
  const problems = document.problems.map(({ message, at }) => ({ message, position: source.positionOf(at) }));
  const locate = (path: Path): SourcePosition => source.positionOf(offsetInDocument(located, path, cache));
  return { documents: [{ value: document.value, problems, locate }], lost: [] };
}

/** Not the beginning of a template: `{{ … }}`. */
const JSON_BEGINNING = /^\s*(?:\{\s*(?:"|\})|\[\s*[[{"\]])/;

function looksLikeJson(text: string, start: number): boolean {
  const first = text.charAt(skipSpace(text, start));
  return first === '{' || first === '[';
}

/** Null when that shows that it is no JSON. */
function findFaults(text: string): JsonFaults | null {
  try {
    return findJsonFaults(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function secondTime(key: string): string {
  return `key ${quote(key)} stands here a second time`;
}
