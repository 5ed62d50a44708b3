// The question in a subrequest of nginx (auth_request), Traefik or Caddy (forward_auth): in fields that the data plane sets.

import type { IncomingMessage } from 'node:http';
import { nominatesUpgrade } from '../http1/upgrade.ts';
import type { Refusal } from '../proxy/refusal.ts';
import type { Question } from './judge.ts';
import { readBase64Chain, readEscapedPem, type ToldCertificates } from './told-certificate.ts';

export type HttpFlavour = 'nginx' | 'forward-auth';

interface FieldNames {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly certificate: string;
  /** Null: Upgrade itself, as the data plane hands it on. */
  readonly upgrade: string | null;
  readonly readCertificate: (text: string) => ToldCertificates;
}

/** One name for each: with a choice, a peer could send the one that the data plane does not set. */
const FIELDS_OF: Readonly<Record<HttpFlavour, FieldNames>> = {
  nginx: {
    method: 'x-original-method',
    target: 'x-original-uri',
    authority: 'x-original-host',
    certificate: 'x-client-cert',
    upgrade: 'x-original-upgrade',
    readCertificate: readEscapedPem,
  },
  'forward-auth': {
    method: 'x-forwarded-method',
    target: 'x-forwarded-uri',
    authority: 'x-forwarded-host',
    certificate: 'x-forwarded-tls-client-cert',
    upgrade: null,
    readCertificate: readBase64Chain,
  },
};

const CHECK_PATH = '/check';

export function readHttpQuestion(request: IncomingMessage, flavour: HttpFlavour): Question {
  const names = FIELDS_OF[flavour];
  const method = soleValue(request, names.method);
  const target = soleValue(request, names.target);
  const authority = soleValue(request, names.authority);
  const certificate = soleValue(request, names.certificate);
  const component = readComponent(request.url ?? '');
  const upgrade = names.upgrade === null ? (request.headers.upgrade ?? '') : soleValue(request, names.upgrade);
  const isWhole =
    method !== null && target !== null && authority !== null && upgrade !== null && component.kind === 'check';
  return {
    peer: {
      // Twice is not once: one of them may be the peer's own.
      certificates:
        certificate === null ? { kind: 'unreadable', detail: 'it is there twice' } : names.readCertificate(certificate),
      principal: '',
    },
    component: component.kind === 'check' ? component.named : null,
    request: { method: method ?? '', target: target ?? '', authority: authority ?? '', upgrade: upgrade || null },
    flaw: isWhole ? flawOf(request, names) : 'ambiguous-request',
  };
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** A data plane that hands on a body asks about more than is decided here; one that hands on an Upgrade may be meaning it. */
function flawOf(request: IncomingMessage, names: FieldNames): Refusal | null {
  const isUpgrade = request.headers.upgrade !== undefined;
  if (isUpgrade && (names.upgrade !== null || !nominatesUpgrade(request.headers.connection ?? '')))
    return 'method-not-implemented';
  return request.method === 'GET' && !hasBody(request) ? null : 'ambiguous-request';
}

/** Empty when it is not there, null when it is there more than once. */
function soleValue({ headersDistinct }: IncomingMessage, name: string): string | null {
  const values = headersDistinct[name] ?? [];
  return values.length > 1 ? null : (values[0] ?? '');
}

/** `/check`, or `/check/NAME`: the peer of the data plane has no say in this path. What it kept of a query is that of the request. */
function readComponent(url: string): { readonly kind: 'check'; readonly named: string | null } | { kind: 'other' } {
  const [path = ''] = url.split('?', 1);
  if (path === CHECK_PATH) return { kind: 'check', named: null };
  return path.startsWith(`${CHECK_PATH}/`)
    ? { kind: 'check', named: path.slice(CHECK_PATH.length + 1) }
    : { kind: 'other' };
}
