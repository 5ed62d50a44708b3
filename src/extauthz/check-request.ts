// A CheckRequest as a question: one reading of it, or none.

import { isToken } from '../http1/octets.ts';
import { nominatesUpgrade } from '../http1/upgrade.ts';
import type { Refusal } from '../proxy/refusal.ts';
import type { Question } from './judge.ts';
import type { CheckRequest, HeaderValue, HttpAttributes, StringEntry } from './messages.ts';
import { readEscapedPem } from './told-certificate.ts';

export interface ReadCheck {
  readonly question: Question;
  /** Names of the request's fields, lower case; without pseudo-header fields. */
  readonly fieldNames: readonly string[];
}

/** The context extension by which a route names the component behind it. */
export const COMPONENT_EXTENSION = 'sallyport-component';

/** Name and value of the request's fields, those of one name joined. */
type Fields = ReadonlyMap<string, string>;

type ReadFields = { readonly kind: 'fields'; readonly fields: Fields } | { readonly kind: 'ambiguous' };

const AMBIGUOUS: ReadFields = { kind: 'ambiguous' };

export function readCheck({ attributes }: CheckRequest): ReadCheck {
  const http = attributes?.request?.http ?? null;
  const extensions = attributes?.contextExtensions ?? [];
  const read = http === null ? AMBIGUOUS : readFields(http);
  const fields: Fields = read.kind === 'fields' ? read.fields : new Map();
  const components = extensions.filter(({ key }) => key === COMPONENT_EXTENSION);
  return {
    question: {
      peer: {
        certificates: readEscapedPem(attributes?.source?.certificate ?? ''),
        principal: attributes?.source?.principal ?? '',
      },
      component: components[0]?.value ?? null,
      request: {
        method: http?.method ?? '',
        target: http?.path ?? '',
        authority: http?.host ?? '',
        upgrade: fields.get('upgrade') ?? null,
      },
      flaw:
        http === null || read.kind === 'ambiguous' || components.length > 1
          ? 'ambiguous-request'
          : flawOf(http, fields),
    },
    fieldNames: [...fields.keys()].filter((name) => !name.startsWith(':')),
  };
}

/** What makes the request told by its attributes and the one told by its fields two requests. */
function flawOf(http: HttpAttributes, fields: Fields): Refusal | null {
  if (http.query !== '' || http.fragment !== '') return 'ambiguous-request';
  const told: readonly (readonly [string, string])[] = [
    [':method', http.method],
    [':path', http.path],
    [':authority', http.host],
    ['host', http.host],
  ];
  if (told.some(([name, value]) => (fields.get(name) ?? value) !== value)) return 'ambiguous-request';
  // Envoy shows an extended CONNECT as a GET with Upgrade; one that it shows as it came is nothing that it should have let in.
  if (fields.has(':protocol')) return 'method-not-implemented';
  if (!fields.has('upgrade')) return null;
  // Whether Envoy takes it for a request to upgrade cannot be told, and the field cannot be taken out of what it forwards.
  if (!nominatesUpgrade(fields.get('connection') ?? '')) return 'method-not-implemented';
  return fields.has('transfer-encoding') || (fields.get('content-length') ?? '0') !== '0' ? 'ambiguous-request' : null;
}

function readFields({ headers, headerMap }: HttpAttributes): ReadFields {
  const joined = readJoined(headers);
  if (headerMap === null || joined.kind === 'ambiguous') return joined;
  const raw = readRaw(headerMap.headers);
  if (raw.kind === 'ambiguous' || headers.length === 0) return raw;
  const isSame =
    raw.fields.size === joined.fields.size &&
    Array.from(raw.fields).every(([name, value]) => joined.fields.get(name) === value);
  return isSame ? raw : AMBIGUOUS;
}

function readJoined(headers: readonly StringEntry[]): ReadFields {
  const fields = new Map<string, string>();
  for (const { key, value } of headers) {
    const name = readName(key);
    if (name === null || fields.has(name)) return AMBIGUOUS;
    fields.set(name, value);
  }
  return { kind: 'fields', fields };
}

function readRaw(headers: readonly HeaderValue[]): ReadFields {
  const fields = new Map<string, string>();
  for (const { key, value, rawValue } of headers) {
    const name = readName(key);
    const raw = Buffer.from(rawValue).toString('utf8');
    if (name === null || (value !== '' && raw !== '' && value !== raw)) return AMBIGUOUS;
    const earlier = fields.get(name);
    if (earlier !== undefined && (name.startsWith(':') || name === 'host')) return AMBIGUOUS;
    const own = raw === '' ? value : raw;
    fields.set(name, earlier === undefined ? own : `${earlier},${own}`);
  }
  return { kind: 'fields', fields };
}

/** Null for what is no name of a field: it could not be said which one is meant. */
function readName(key: string): string | null {
  const name = key.toLowerCase();
  return isToken(name.startsWith(':') ? name.slice(1) : name) ? name : null;
}
