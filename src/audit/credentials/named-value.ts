// Whether a value is a credential because of the name it stands under.

import type { Hit } from './detection.ts';
import { readName, type NameReading } from './name-words.ts';
import { isMonotonous, isWordy, looksRandom } from './randomness.ts';
import {
  hasPlainShape,
  hasShapeOf,
  isHash,
  isNumber,
  isObjectName,
  isPlaceholder,
  isReference,
  isUuid,
} from './value-shape.ts';
import { isWellKnownPassword, isWellKnownSecret } from './weak-defaults.ts';

/** `start`: of the value in the whole. One hit, or none. */
export function judgeNamed(name: string, written: string, start: number): readonly Hit[] {
  const value = written.trim();
  if (value === '' || value.length > MAX_LENGTH) return [];
  const reading = readName(name);
  if (reading.meaning === 'other') return [];
  const kind = kindOf(reading, fallbackOf(value) ?? value);
  if (kind === null) return [];
  const { title, basis } = KINDS[kind];
  const offset = written.indexOf(value);
  return [
    {
      kind,
      title,
      basis,
      name,
      start: start + offset,
      length: value.length,
      prefix: null,
      expiresMs: null,
      isLimited: false,
    },
  ];
}

const MAX_LENGTH = 4096;

const KINDS = {
  'weak-default': { title: 'a well-known default password', basis: 'known' },
  password: { title: 'a password', basis: 'named' },
  secret: { title: 'a secret', basis: 'named' },
  token: { title: 'a token', basis: 'named' },
  'api-key': { title: 'an API key', basis: 'named' },
  'high-entropy': { title: 'a random value under the name of a credential', basis: 'named' },
  'aws-secret-access-key': { title: 'an AWS secret access key', basis: 'format' },
  'wandb-key': { title: 'a Weights & Biases API key', basis: 'format' },
  'azure-storage-key': { title: 'an Azure storage key', basis: 'format' },
  'ngc-key': { title: 'an NVIDIA NGC API key', basis: 'format' },
} as const;

type NamedKind = keyof typeof KINDS;

/** `${NAME:-value}`, `${NAME:value}`: what is in force when nobody says otherwise. */
function fallbackOf(value: string): string | null {
  const fallback = /^\$\{[A-Za-z_][A-Za-z0-9_.]{0,127}:-?([^{}]{1,256})\}$/.exec(value)?.[1];
  return fallback === undefined || /^[?+=]/.test(fallback) ? null : fallback;
}

function kindOf(reading: NameReading, value: string): NamedKind | null {
  const { meaning, words, suffix } = reading;
  if (meaning === 'password' && isWellKnownPassword(value)) return 'weak-default';
  if ((meaning === 'secret' || meaning === 'token' || meaning === 'api-key') && isWellKnownSecret(value)) {
    return 'weak-default';
  }
  if (meaning === 'key-id') return /^minio(?:admin|123)?$/i.test(value) ? 'weak-default' : null;
  if (isPlaceholder(value) || isReference(value) || hasPlainShape(value)) return null;
  const issued = issuedKind(words, value);
  if (issued !== null) return issued;
  switch (meaning) {
    case 'password':
      return isPassword(value) ? 'password' : null;
    case 'secret':
      return isSecret(value, words) ? 'secret' : null;
    case 'token':
      return isOpaque(value) ? 'token' : null;
    case 'api-key':
      return isOpaque(value) ? 'api-key' : null;
    case 'vague':
      return isKeyLike(value) && !isHash(value) && !isUuid(value) ? 'high-entropy' : null;
    case 'reference':
      return suffix !== null && !hasShapeOf(suffix, value) && looksRandom(value) ? 'high-entropy' : null;
    case 'other':
      return null;
  }
}

/** Forms that only a name tells from others. */
function issuedKind(words: readonly string[], value: string): NamedKind | null {
  const has = (word: string): boolean => words.includes(word);
  const isKey = has('key') || has('secret') || has('secretkey') || has('apikey');
  if (isKey && (has('aws') || has('secret') || has('s3')) && /^[A-Za-z0-9/+]{40}$/.test(value) && looksRandom(value)) {
    return isHash(value) && !has('aws') ? null : 'aws-secret-access-key';
  }
  if (has('wandb') && /^[0-9a-f]{40}$/.test(value)) return 'wandb-key';
  if (isKey && /^[A-Za-z0-9+/]{86}==$/.test(value)) return 'azure-storage-key';
  if ((has('ngc') || has('nvidia')) && /^[A-Za-z0-9+/]{84}$/.test(value)) return 'ngc-key';
  return null;
}

const SHORTEST_PASSWORD = 3;
const SHORTEST_OPAQUE = 8;
const SHORTEST_CHOSEN = 6;
const SHORTEST_KEY = 20;
/** More are a sentence about it. */
const MAX_PASSWORD_WORDS = 2;

/** Nearly anything: people choose them. */
function isPassword(value: string): boolean {
  if (isNumber(value)) return /^[0-9]{4,}$/.test(value);
  return value.length >= SHORTEST_PASSWORD && value.split(/\s/).length <= MAX_PASSWORD_WORDS;
}

/** Issued or generated; when chosen by people, at least no name of an object. */
function isSecret(value: string, words: readonly string[]): boolean {
  if (looksRandom(value) || isUuid(value)) return true;
  if (isNumber(value) || /\s/.test(value) || isNameOfSecret(value)) return false;
  // `JWT_SECRET`: it cannot be the name of a Secret.
  if (isOwnSecret(words)) return value.length >= 12 || (value.length >= SHORTEST_CHOSEN && /[0-9]/.test(value));
  return value.length >= SHORTEST_OPAQUE && hasMixedCharacters(value);
}

function isOwnSecret(words: readonly string[]): boolean {
  return words.some((word) => OWN_SECRETS.has(word));
}

const OWN_SECRETS = new Set([
  'jwt',
  'session',
  'cookie',
  'signing',
  'encryption',
  'client',
  'hmac',
  'shared',
  'nextauth',
  'app',
]);

/** Made by a machine. */
function isOpaque(value: string): boolean {
  if (looksRandom(value) || isUuid(value)) return true;
  if (value.length < SHORTEST_OPAQUE || isNumber(value) || /[\s<>()[\]{}'"]/.test(value)) return false;
  return hasMixedCharacters(value);
}

/** Of what encodings of random bytes are made of. */
function isKeyLike(value: string): boolean {
  const digits = value.replaceAll(/[^0-9]/g, '').length;
  return digits >= 2 && value.length >= SHORTEST_KEY && looksRandom(value) && /^[A-Za-z0-9+/=_.-]+$/.test(value);
}

/** Letters and digits in a way that words and names do not have them. */
function hasMixedCharacters(value: string): boolean {
  if (isMonotonous(value) || isWordy(value)) return false;
  const classes = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((pattern) => pattern.test(value)).length;
  return classes >= 3 || (classes === 2 && /[0-9]/.test(value) && /[A-Za-z]/.test(value));
}

const NAME_ENDINGS = new Set(
  'secret secrets token tokens cert certs tls creds credential credentials auth key keys config ca passwd password pass'.split(
    ' ',
  ),
);

/** `kuberay-tls`, `mlpipeline-minio-artifact`, `db-credentials`. */
function isNameOfSecret(value: string): boolean {
  if (!isObjectName(value) || !/[-.]/.test(value) || !isWordy(value)) return false;
  return NAME_ENDINGS.has(value.split(/[-.]/).at(-1) ?? '');
}
