// The certificate that a data plane hands on, in the few notations that data planes write: one reading each, or none.

import { parsePem, PemError } from '../pki/pem.ts';

export type ToldCertificates =
  | { readonly kind: 'told' /** DER, leaf first; at least one. */; readonly chain: readonly Uint8Array[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'unreadable'; readonly detail: string };

const NONE: ToldCertificates = { kind: 'none' };
/** Of text; our walk reads no larger certificate. */
const MAX_LENGTH = 64 * 1024;
const PEM_START = '-----BEGIN ';

/** One PEM certificate, percent-encoded: of Envoy `source.certificate`, of nginx `$ssl_client_escaped_cert`. */
export function readEscapedPem(text: string): ToldCertificates {
  if (text === '') return NONE;
  const pem = decodePercent(text);
  if (pem === null) return unreadable('it is not percent-encoded ASCII');
  // Text before or after it would be skipped, and another reader might not.
  if (!pem.startsWith(PEM_START)) return unreadable('it does not begin as PEM does');
  try {
    const blocks = parsePem(Buffer.from(pem, 'latin1'), 'certificate');
    const [leaf] = blocks;
    if (leaf?.label !== 'CERTIFICATE' || blocks.length > 1) return unreadable('it is not one PEM certificate');
    return { kind: 'told', chain: [leaf.der] };
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    return unreadable(error.code);
  }
}

/** Base64 of DER, several with commas between them, perhaps percent-encoded: of Caddy a placeholder, of Traefik PassTLSClientCert. */
export function readBase64Chain(text: string): ToldCertificates {
  if (text === '') return NONE;
  const list = decodePercent(text);
  if (list === null) return unreadable('it is not percent-encoded ASCII');
  const chain = list.split(',').map((base64) => Buffer.from(base64, 'base64'));
  // Node skips what it does not understand; only text that encodes back to itself had one meaning.
  if (chain.map((der) => der.toString('base64')).join() !== list || chain.some((der) => der.length === 0))
    return unreadable('it is not canonical base64');
  return { kind: 'told', chain };
}

/** `+` is itself, as in URIs, and not a space, as in forms. Null for what is not ASCII, or not an escape of it. */
function decodePercent(text: string): string | null {
  if (text.length > MAX_LENGTH || !/^(?:[!-$&-~]|%[0-7][0-9A-Fa-f])*$/.test(text)) return null;
  return text.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function unreadable(detail: string): ToldCertificates {
  return { kind: 'unreadable', detail };
}
