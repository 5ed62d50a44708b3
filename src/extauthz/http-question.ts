// The question in a subrequest of nginx (auth_request), Traefik or Caddy (forward_auth): in fields that the data plane sets.

import type { IncomingMessage } from 'node:http';
import type { Refusal } from '../proxy/refusal.ts';
import type { Question } from './judge.ts';
import { readBase64Chain, readEscapedPem, type ToldCertificates } from './told-certificate.ts';

export type HttpFlavour = 'nginx' | 'forward-auth';

interface FieldNames {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly certificate: string;
  readonly readCertificate: (text: string) => ToldCertificates;
}

/** One name for each: with a choice, a peer could send the one that the data plane does not set. */
const FIELDS_OF: Readonly<Record<HttpFlavour, FieldNames>> = {
  nginx: {
    method: 'x-original-method',
    target: 'x-original-uri',
    authority: 'x-original-host',
    certificate: 'x-client-cert',
    readCertificate: readEscapedPem,
  },
  'forward-auth': {
    method: 'x-forwarded-method',
    target: 'x-forwarded-uri',
    authority: 'x-forwarded-host',
    certificate: 'x-forwarded-tls-client-cert',
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
  const isWhole = method !== null && target !== null && authority !== null && component.kind === 'check';
  return {
    peer: {
      // Twice is not once: one of them may be the peer's own.
      certificates:
        certificate === null ? { kind: 'unreadable', detail: 'it is there twice' } : names.readCertificate(certificate),
      principal: '',
    },
    component: component.kind === 'check' ? component.named : null,
    request: { method: method ?? '', target: target ?? '', authority: authority ?? '' },
    flaw: isWhole ? flawOf(request) : 'ambiguous-request',
  };
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** A data plane that hands on a body, or a request to upgrade, asks about more than is decided here. */
function flawOf(request: IncomingMessage): Refusal | null {
  if (request.headers.upgrade !== undefined) return 'method-not-implemented';
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
