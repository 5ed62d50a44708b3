// The rules of X509-SVID.md for a leaf by itself, one function each, so that a verifier stops at the first and a person sees all.

import type { Certificate } from '../pki/certificate.ts';
import { isEmptyName } from '../pki/distinguished-name.ts';
import {
  findExtendedKeyUsageRefusal,
  findKeyRefusal,
  findSignatureAlgorithmRefusal,
  findUnknownCriticalExtension,
} from './certificate-rules.ts';
import { parseSpiffeId, pathOf, SpiffeIdError, type SpiffeId } from './spiffe-id.ts';
import type { Refusal } from './x509-svid-error.ts';

export type LeafId =
  | { readonly kind: 'id'; readonly id: SpiffeId }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** The one SPIFFE ID of a workload (§2, §3.1, §5.2). */
export function leafIdOf(leaf: Certificate): LeafId {
  const uris: string[] = [];
  for (const name of leaf.extensions.subjectAltName?.names ?? []) if (name.form === 'uri') uris.push(name.value);
  const [uri, second] = uris;
  if (uri === undefined) return refused('no-spiffe-id', 'the certificate has no URI subject alternative name');
  if (second !== undefined) {
    return refused(
      'multiple-uri-names',
      `the certificate has ${uris.length} URI subject alternative names; an SVID has one`,
    );
  }
  try {
    const id = parseSpiffeId(uri);
    if (pathOf(id) !== '') return { kind: 'id', id };
    return refused('spiffe-id-without-path', `\`${id}\` names a trust domain, not a workload`);
  } catch (error) {
    if (!(error instanceof SpiffeIdError)) throw error;
    return { kind: 'refused', refusal: { code: 'invalid-spiffe-id', message: error.message, cause: error } };
  }
}

/** Every rule that `leaf` breaks by itself, most telling first; nothing about time, issuers or trust. */
export function leafRefusals(leaf: Certificate): readonly Refusal[] {
  const refusals: Refusal[] = [];
  for (const rule of RULES) {
    const refusal = rule(leaf);
    if (refusal !== null) refusals.push(refusal);
  }
  return refusals;
}

const RULES: readonly ((leaf: Certificate) => Refusal | null)[] = [
  findCaRefusal,
  findLeafKeyUsageRefusal,
  findExtendedKeyUsageRefusal,
  findIdRefusal,
  findAltNameCriticalityRefusal,
  findUnknownCriticalExtension,
  findKeyRefusal,
  findSignatureAlgorithmRefusal,
];

function findCaRefusal({ extensions }: Certificate): Refusal | null {
  if (extensions.basicConstraints?.isCa !== true) return null;
  return { code: 'leaf-is-ca', message: 'the leaf is the certificate of a CA' };
}

function findLeafKeyUsageRefusal({ extensions }: Certificate): Refusal | null {
  const usage = extensions.keyUsage;
  if (usage === null) return { code: 'leaf-key-usage', message: 'the leaf has no key usage' };
  if (!usage.critical) return { code: 'leaf-key-usage', message: 'the key usage of the leaf is not critical' };
  for (const bit of ['keyCertSign', 'cRLSign'] as const) {
    if (usage.bits.has(bit)) return { code: 'leaf-key-usage', message: `the key usage of the leaf has ${bit}` };
  }
  if (usage.bits.has('digitalSignature')) return null;
  return { code: 'leaf-key-usage', message: 'the key usage of the leaf does not have digitalSignature' };
}

function findIdRefusal(leaf: Certificate): Refusal | null {
  const leafId = leafIdOf(leaf);
  return leafId.kind === 'refused' ? leafId.refusal : null;
}

function findAltNameCriticalityRefusal({ subject, extensions }: Certificate): Refusal | null {
  if (!isEmptyName(subject) || extensions.subjectAltName?.critical !== false) return null;
  const message = 'the subject is empty and the subject alternative name is not critical';
  return { code: 'subject-alt-name-not-critical', message };
}

function refused(code: Refusal['code'], message: string): LeafId {
  return { kind: 'refused', refusal: { code, message } };
}
