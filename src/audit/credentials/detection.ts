// What was found to be a credential, told without the credential.

import type { Json } from '../finding.ts';

/**
 * `format`: it has the form that its issuer gives to its credentials. `known`: whoever knows the software knows it. `named`: it stands where
 * the name says a credential stands, and looks like one.
 */
export type DetectionBasis = 'format' | 'known' | 'named';

export interface Detection {
  /** Kebab-case: `huggingface-token`, `private-key`, `password`. */
  readonly kind: string;
  /** "a Hugging Face token". */
  readonly title: string;
  readonly basis: DetectionBasis;
  /** The name it stands under; null when there is none, or none that may be shown. */
  readonly name: string | null;
  /** Where it stands in the value, in UTF-16 units; there is no field that holds the credential, so none can be printed. */
  readonly start: number;
  readonly length: number;
  /** From 1, in the value. */
  readonly line: number;
  /** What every credential of the kind begins with, at most four characters; null for none. */
  readonly prefix: string | null;
  /** Of a token that says so. */
  readonly expiresMs: number | null;
  /** Protected by a passphrase, or good for a test environment only. */
  readonly isLimited: boolean;
}

export interface DetectionContext {
  /** `value`: all of it belongs to the name. `text`: the content of a file of that name, in which names and values stand. */
  readonly form: 'value' | 'text';
}

/** A detection before it is known where in the whole it stands. */
export type Hit = Omit<Detection, 'line' | 'name'> & { readonly name: string | null };

/** How long a password is tells who guesses where to begin; a token's length is no secret. */
const SHORTEST_LENGTH_TOLD = 16;
/** As short as a word can be that is a credential, and is not read as a word in a sentence. */
const MAX_NAME_LENGTH = 128;

/**
 * For evidence. Neither the value nor a hash of it: that of a password is found by hashing the words of a list.
 */
export function describeDetection(detection: Detection): Readonly<Record<string, Json>> {
  const { kind, basis, name, length, prefix, expiresMs, isLimited } = detection;
  return {
    kind,
    basis,
    length: length < SHORTEST_LENGTH_TOLD ? `under ${SHORTEST_LENGTH_TOLD}` : length,
    ...(name === null ? {} : { name }),
    ...(prefix === null ? {} : { prefix }),
    ...(expiresMs === null ? {} : { expires: formatInstant(expiresMs) }),
    ...(isLimited ? { isLimited } : {}),
  };
}

/** Whether `name` can be shown: a plain word or path of words, that is not the credential again. */
export function showableName(name: string, credential: string): string | null {
  const isPlain = name.length <= MAX_NAME_LENGTH && /^[A-Za-z0-9_.\-/ [\]]+$/.test(name);
  return isPlain && !name.includes(credential) ? name : null;
}

const LAST_INSTANT_MS = 8.64e15;

function formatInstant(ms: number): string {
  return Math.abs(ms) <= LAST_INSTANT_MS ? new Date(ms).toISOString() : 'never';
}
