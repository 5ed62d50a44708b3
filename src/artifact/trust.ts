// Whose signatures are believed: keys and roots as they were read, and the terms of each stage.

import { createPublicKey, type KeyObject } from 'node:crypto';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { parseJson } from '../json/json.ts';
import { JsonError } from '../json/json-error.ts';
import { algorithmOf, UNSUPPORTED } from './envelope.ts';
import type { TrustDocument } from './trust-document.ts';

export interface Trust {
  readonly document: TrustDocument;
  readonly keys: ReadonlyMap<string, KeyObject>;
  readonly roots: ReadonlyMap<string, TrustedRoot>;
}

export class TrustError extends SallyportError<'bad-key' | 'bad-root'> {}

/** A public key in PEM. @throws {TrustError} */
export function parseTrustedKey(source: Buffer, file: string): KeyObject {
  const text = source.toString('latin1');
  if (text.includes('PRIVATE KEY')) {
    throw new TrustError('bad-key', `${quote(file)} holds a private key; give the public one (openssl pkey -pubout)`);
  }
  let key: KeyObject;
  try {
    key = createPublicKey({ key: source, format: 'pem' });
  } catch (cause) {
    throw new TrustError('bad-key', `${quote(file)} is no public key in PEM`, { cause });
  }
  if (algorithmOf(key) === UNSUPPORTED) {
    throw new TrustError('bad-key', `${quote(file)}: a key must be Ed25519, P-256, P-384, P-521, or RSA of 2048 bits`);
  }
  return key;
}

const LIMITS = { maxBytes: 8 * 1024 * 1024, maxDepth: 32 };

/** A trusted root as Sigstore writes it, in JSON. @throws {TrustError} */
export function parseTrustedRoot(source: Buffer, file: string): TrustedRoot {
  try {
    parseJson(source, LIMITS);
    const root = TrustedRoot.fromJSON(JSON.parse(source.toString('utf8')));
    if (root.certificateAuthorities.length > 0) return root;
  } catch (cause) {
    if (cause instanceof JsonError) throw new TrustError('bad-root', `${file}:${cause.message}`, { cause });
    throw new TrustError('bad-root', `${quote(file)} is no trusted root of Sigstore`, { cause });
  }
  throw new TrustError('bad-root', `${quote(file)} names no certificate authority`);
}
