// DSSE envelopes: what was signed is the type and the payload together, so that neither can be taken for something else.
// https://github.com/secure-systems-lab/dsse/blob/master/protocol.md

import { type KeyObject, verify } from 'node:crypto';
import type { JsonObject, JsonValue } from '../json/json.ts';

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signatures: readonly Buffer[];
}

const MAX_SIGNATURES = 32;
const BASE64 = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/;

/** Or what is wrong with it. */
export function readEnvelope({ members }: JsonObject): Envelope | string {
  const payloadType = members.get('payloadType');
  const payload = decodeBase64(members.get('payload'));
  const signatures = members.get('signatures');
  if (payloadType?.kind !== 'string' || payloadType.value === '') return 'an envelope needs a `payloadType`';
  if (payload === null) return 'an envelope needs a `payload` in base64';
  if (signatures?.kind !== 'array' || signatures.items.length === 0) return 'an envelope needs `signatures`';
  if (signatures.items.length > MAX_SIGNATURES) return `an envelope with more than ${MAX_SIGNATURES} signatures`;
  const values = signatures.items.map((item) =>
    item.kind === 'object' ? decodeBase64(item.members.get('sig')) : null,
  );
  if (values.some((value) => value === null || value.length === 0)) return 'a signature needs `sig` in base64';
  return { payloadType: payloadType.value, payload, signatures: values.flatMap((value) => value ?? []) };
}

/** Whether `key` made one of its signatures. The algorithm is the key's, never the envelope's. */
export function isSignedBy({ payloadType, payload, signatures }: Envelope, key: KeyObject): boolean {
  const algorithm = algorithmOf(key);
  if (algorithm === UNSUPPORTED) return false;
  const signed = preAuthEncoding(payloadType, payload);
  return signatures.some((signature) => verify(algorithm, signed, key, signature));
}

/** A key that nobody should trust, or that nothing here can use. */
export const UNSUPPORTED = Symbol('unsupported');

/** The hash that goes with a public key; null where the key brings its own. */
export function algorithmOf(key: KeyObject): string | null | typeof UNSUPPORTED {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return null;
  if (type === 'rsa') return (details?.modulusLength ?? 0) >= LEAST_RSA_BITS ? 'sha256' : UNSUPPORTED;
  if (type !== 'ec') return UNSUPPORTED;
  return CURVES.get(details?.namedCurve ?? '') ?? UNSUPPORTED;
}

const LEAST_RSA_BITS = 2048;
const CURVES: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'sha256'],
  ['secp384r1', 'sha384'],
  ['secp521r1', 'sha512'],
]);

function preAuthEncoding(payloadType: string, payload: Buffer): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${payload.length} `), payload]);
}

function decodeBase64(value: JsonValue | undefined): Buffer | null {
  return value?.kind === 'string' && BASE64.test(value.value) ? Buffer.from(value.value, 'base64') : null;
}
