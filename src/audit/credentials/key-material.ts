// Private keys and the files that carry credentials in a form of their own.

import type { Hit } from './detection.ts';
import { isPlaceholder } from './value-shape.ts';

export function findKeyMaterial(text: string): readonly Hit[] {
  return [...findPem(text), ...findEncodedPem(text), ...findRegistryAuths(text), ...findNetrc(text)];
}

const PEM_LABEL =
  /-----BEGIN ((?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP |SSH2 ENCRYPTED )?PRIVATE KEY(?: BLOCK)?)-----/g;
/** As in `Proc-Type: 4,ENCRYPTED`. */
const PEM_HEADERS = /^(?:[A-Za-z-]{1,32}: [^\n\\]{1,128}(?:\n|\\n))*/;
/** Line ends may be written out, as JSON does. */
const LINE_ENDS = /\s|\\[nrt]/g;
/** An example shows the two lines around the key and dots in between. */
const KEY_BEGINNING = /^[A-Za-z0-9+/]{40}/;
const MAX_PEM = 16_384;

function findPem(text: string): readonly Hit[] {
  if (!text.includes('PRIVATE KEY')) return [];
  return [...text.matchAll(PEM_LABEL)].flatMap(({ 0: begin, 1: label = '', index }): readonly Hit[] => {
    const start = index + begin.length;
    const dashes = text.indexOf('-----', start);
    const end = Math.min(dashes < 0 ? text.length : dashes, start + MAX_PEM);
    const body = text.slice(start, end).replace(/^(?:\s|\\[nrt]){1,16}/, '');
    const key = body.replace(PEM_HEADERS, '').slice(0, 256).replaceAll(LINE_ENDS, '');
    if (!KEY_BEGINNING.test(key)) return [];
    const isOfGoogle =
      text.includes('"service_account"') && text.includes('"private_key"') && text.includes('"client_email"');
    const isEncrypted = label.includes('ENCRYPTED') || body.slice(0, 64).includes('ENCRYPTED');
    return [
      {
        kind: isOfGoogle ? 'gcp-service-account-key' : 'private-key',
        title: isOfGoogle ? 'the key of a Google service account' : describeKey(isEncrypted),
        basis: 'format',
        name: null,
        start: index,
        length: end - index,
        prefix: null,
        expiresMs: null,
        isLimited: isEncrypted,
      },
    ];
  });
}

function describeKey(isEncrypted: boolean): string {
  return isEncrypted ? 'a private key under a passphrase' : 'a private key';
}

/** Base64 of `-----BEGIN`, as kubeconfigs and Secrets carry it. */
const ENCODED_BEGIN = 'LS0tLS1CRUdJTi';
const ENCODED_PEM = /(?<![A-Za-z0-9+/])LS0tLS1CRUdJTi[A-Za-z0-9+/]{40,16384}={0,2}/g;

function findEncodedPem(text: string): readonly Hit[] {
  if (!text.includes(ENCODED_BEGIN)) return [];
  return [...text.matchAll(ENCODED_PEM)].flatMap(({ 0: encoded, index }): readonly Hit[] => {
    const begin = Buffer.from(encoded.slice(0, 64), 'base64').toString('latin1');
    if (!begin.includes('PRIVATE KEY')) return [];
    const before = text.slice(Math.max(0, index - 40), index);
    const isKubeconfig = /client-key-data["']?\s{0,8}:\s{0,8}["']?$/.test(before);
    return [
      {
        kind: isKubeconfig ? 'kubeconfig-key' : 'private-key',
        title: isKubeconfig ? 'the client key of a kubeconfig' : 'a private key in base64',
        basis: 'format',
        name: null,
        start: index,
        length: encoded.length,
        prefix: null,
        expiresMs: null,
        isLimited: begin.includes('ENCRYPTED'),
      },
    ];
  });
}

const REGISTRY_AUTH = /"auth"\s{0,16}:\s{0,16}"([A-Za-z0-9+/]{4,2048}={0,2})"/g;

/** `.dockerconfigjson`: base64 of `user:password`. */
function findRegistryAuths(text: string): readonly Hit[] {
  if (!text.includes('"auth"')) return [];
  return [...text.matchAll(REGISTRY_AUTH)].flatMap(({ 0: whole, 1: encoded = '', index }): readonly Hit[] => {
    const decoded = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon < 1 || colon === decoded.length - 1 || isPlaceholder(decoded.slice(colon + 1))) return [];
    return [
      {
        kind: 'registry-auth',
        title: 'a login of an image registry',
        basis: 'format',
        name: null,
        start: index + whole.lastIndexOf(encoded),
        length: encoded.length,
        prefix: null,
        expiresMs: null,
        isLimited: false,
      },
    ];
  });
}

/** `account` may stand between, and each on a line of its own. */
const NETRC_ENTRY =
  /(?<!\S)(?:machine\s{1,16}\S{1,256}|default)\s{1,16}login\s{1,16}\S{1,256}\s{1,16}(?:account\s{1,16}\S{1,256}\s{1,16})?password\s{1,16}(\S{1,256})/g;

function findNetrc(text: string): readonly Hit[] {
  if (!text.includes('password') || !text.includes('login')) return [];
  return [...text.matchAll(NETRC_ENTRY)].flatMap(({ 0: whole, 1: password = '', index }): readonly Hit[] => {
    if (isPlaceholder(password)) return [];
    return [
      {
        kind: 'netrc-password',
        title: 'a login of a .netrc file',
        basis: 'format',
        name: null,
        start: index + whole.length - password.length,
        length: password.length,
        prefix: null,
        expiresMs: null,
        isLimited: false,
      },
    ];
  });
}
