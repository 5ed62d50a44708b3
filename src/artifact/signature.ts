// Whether a signature is one, by somebody who is trusted, and about what: present is not verified.

import type { Bundle } from '@sigstore/bundle';
import { bundleFromJSON, isBundleWithDsseEnvelope, ValidationError } from '@sigstore/bundle';
import {
  PolicyError,
  toSignedEntity,
  toTrustMaterial,
  VerificationError,
  Verifier,
  type SignedEntity,
} from '@sigstore/verify';
import type { TrustedRoot } from '@sigstore/protobuf-specs';
import { parseJson, type JsonObject, type JsonValue } from '../json/json.ts';
import { JsonError } from '../json/json-error.ts';
import { type Envelope, isSignedBy, readEnvelope } from './envelope.ts';
import { readStatement, STATEMENT_TYPE, type Statement } from './statement.ts';
import type { Trust } from './trust.ts';

export type Signer =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'identity'; readonly root: string; readonly identity: string; readonly issuer: string };

export type SignatureReading =
  /** By these, who are known; whether they may is another question. */
  | {
      readonly kind: 'verified';
      readonly signers: readonly Signer[];
      readonly statement: Statement;
      /** Told by a transparency log, a timestamp authority or the signed statement itself. */
      readonly signedMs: number | null;
    }
  /** It is none, or by nobody who is trusted. */
  | { readonly kind: 'invalid'; readonly detail: string }
  /** It may be one; nothing was given, or nothing is known here, to tell. */
  | {
      readonly kind: 'unverifiable';
      readonly reason: 'no-trust' | 'unsupported-signature' | 'unreadable-signature';
      readonly detail: string;
    };

const LIMITS = { maxBytes: 16 * 1024 * 1024, maxDepth: 32 };

/** Of a file: an envelope or a bundle, in JSON. */
export function verifySignatureFile(source: Uint8Array, trust: Trust | null): SignatureReading {
  let document: JsonValue;
  try {
    document = parseJson(source, LIMITS);
  } catch (error) {
    if (error instanceof JsonError) return invalid(`it is neither an envelope nor a bundle in JSON (${error.message})`);
    throw error;
  }
  return document.kind === 'object'
    ? verifySignature(document, trust)
    : invalid('it is neither an envelope nor a bundle');
}

export function verifySignature(document: JsonObject, trust: Trust | null): SignatureReading {
  if (document.members.has('payloadType')) return verifyEnvelope(document, trust);
  if (document.members.has('mediaType')) return verifyBundle(document, trust);
  return invalid('it is neither a DSSE envelope nor a Sigstore bundle');
}

function verifyEnvelope(document: JsonObject, trust: Trust | null): SignatureReading {
  const envelope = readEnvelope(document);
  if (typeof envelope === 'string') return invalid(envelope);
  if (trust === null) return NO_TRUST;
  return verifyByKeys(envelope, trust);
}

function verifyByKeys(envelope: Envelope, trust: Trust): SignatureReading {
  const signers = [...trust.keys].flatMap(([name, key]): readonly Signer[] =>
    isSignedBy(envelope, key) ? [{ kind: 'key', key: name }] : [],
  );
  if (signers.length === 0) return invalid('none of the trusted keys made it, or it was changed since');
  return withStatement(envelope, signers, null);
}

/** Only now is the payload worth reading: somebody trusted has signed it. */
function withStatement(
  { payloadType, payload }: Pick<Envelope, 'payloadType' | 'payload'>,
  signers: readonly Signer[],
  loggedMs: number | null,
): SignatureReading {
  if (payloadType !== STATEMENT_TYPE) return invalid(`it signs no in-toto statement, but something else`);
  const statement = readStatement(payload);
  if (typeof statement === 'string') return invalid(statement);
  return { kind: 'verified', signers, statement, signedMs: loggedMs ?? statement.madeMs };
}

function verifyBundle(document: JsonObject, trust: Trust | null): SignatureReading {
  let bundle: Bundle;
  try {
    bundle = bundleFromJSON(toPlain(document));
  } catch (error) {
    // The library throws whatever its decoders do.
    return invalid(`it is no valid Sigstore bundle${error instanceof ValidationError ? ` (${error.message})` : ''}`);
  }
  if (!isBundleWithDsseEnvelope(bundle)) {
    const detail = 'it signs the bytes of a file and says nothing about it; sign a statement (cosign attest-blob)';
    return { kind: 'unverifiable', reason: 'unsupported-signature', detail };
  }
  if (trust === null) return NO_TRUST;
  const { payload, payloadType, signatures } = bundle.content.dsseEnvelope;
  if (signatures.length !== 1) return invalid('a bundle has exactly one signature');
  if (bundle.verificationMaterial.content.$case === 'publicKey') {
    const envelope = { payloadType, payload, signatures: signatures.map(({ sig }) => sig) };
    return verifyByKeys(envelope, trust);
  }
  const refusals: string[] = [];
  for (const [root, material] of trust.roots) {
    const outcome = verifyByRoot(bundle, material);
    if (typeof outcome === 'string') {
      refusals.push(`${root}: ${outcome}`);
      continue;
    }
    return withStatement({ payloadType, payload }, [{ kind: 'identity', root, ...outcome.signer }], outcome.signedMs);
  }
  return invalid(refusals.length === 0 ? 'no trusted root was given for its certificate' : refusals.join('; '));
}

interface RootOutcome {
  readonly signer: { readonly identity: string; readonly issuer: string };
  readonly signedMs: number | null;
}

/** Or why not. Logs are asked for where the root names any. */
function verifyByRoot(bundle: Bundle, root: TrustedRoot): RootOutcome | string {
  try {
    const verifier = new Verifier(toTrustMaterial(root), {
      tlogThreshold: root.tlogs.length > 0 ? 1 : 0,
      ctlogThreshold: root.ctlogs.length > 0 ? 1 : 0,
      timestampThreshold: 1,
    });
    const entity = toSignedEntity(bundle);
    const { identity } = verifier.verify(entity);
    const name = identity?.subjectAlternativeName;
    const issuer = identity?.extensions?.issuer;
    if (name === undefined || name === '' || issuer === undefined || issuer === '')
      return 'its certificate names nobody';
    return { signer: { identity: name, issuer }, signedMs: timeOf(entity) };
  } catch (error) {
    if (error instanceof VerificationError || error instanceof PolicyError) return error.message;
    // Certificates and timestamps of strangers: its decoders throw errors of every kind.
    return 'its certificate or timestamp cannot be read';
  }
}

/** The earliest that was verified: whoever replays a signature cannot make it younger by a second timestamp. */
function timeOf({ timestamps }: SignedEntity): number | null {
  const times = timestamps.flatMap((timestamp) => {
    if (timestamp.$case === 'timestamp-authority') return timestamp.timestamp.signingTime.getTime();
    // Only its promise is signed together with the time.
    const { inclusionPromise, integratedTime } = timestamp.tlogEntry;
    return inclusionPromise === undefined ? [] : Number(integratedTime) * 1000;
  });
  return times.length === 0 ? null : Math.min(...times);
}

const NO_TRUST: SignatureReading = {
  kind: 'unverifiable',
  reason: 'no-trust',
  detail: 'nobody was given whose signature counts; name them with --policy',
};

function invalid(detail: string): SignatureReading {
  return { kind: 'invalid', detail };
}

function toPlain(value: JsonValue): unknown {
  switch (value.kind) {
    case 'null':
      return null;
    case 'boolean':
    case 'string':
      return value.value;
    case 'number':
      return Number(value.text);
    case 'array':
      return value.items.map(toPlain);
    case 'object':
      return Object.fromEntries([...value.members].map(([key, member]) => [key, toPlain(member)]));
  }
}
