// The fields of an HTTP/2 request to a RequestHead: what HTTP/2 alone forbids is refused here, all the rest is read by the parser of
// HTTP/1.1 heads from the lines an HTTP/1.1 upstream would see.

import { breaksLine, type FieldLines, NO_LINES } from '../http1/field-lines.ts';
import { isKnownName } from '../http1/field-names.ts';
import { FieldSection } from '../http1/field-section.ts';
import { Http1Error } from '../http1/http1-error.ts';
import { isProxiedMethod } from '../http1/method.ts';
import { isToken } from '../http1/octets.ts';
import type { HeadLimits, RequestHead } from '../http1/request-head.ts';
import { RequestHeadParser } from '../http1/request-head-parser.ts';
import { SectionReader } from '../http1/section-reader.ts';
import { neverIndexedOf, type RawFields } from './endpoint-ports.ts';
import { Http2Error } from './http2-error.ts';
import { KnownSections } from './known-sections.ts';

/** Whether DATA may follow the fields. */
export type StreamEnd = 'ends' | 'goes-on';

interface PseudoFields {
  method: string | null;
  scheme: string | null;
  authority: string | null;
  path: string | null;
  protocol: string | null;
}

/** What an HTTP/2 message may not have (RFC 9113 §8.2.2); `te` may be `trailers`. */
const CONNECTION_FIELDS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

const HANDSHAKE_FIELDS = new Set(['sec-websocket-key', 'sec-websocket-accept']);

const UPPER_CASE = /[A-Z]/;
const OUTER_WHITESPACE = /^[ \t]|[ \t]$/;
const FIRST_OCTETS = 1024;

/** Neither of the two is ever changed. */
interface Meaning {
  readonly head: RequestHead;
  readonly lines: FieldLines;
  readonly end: StreamEnd;
}

/** For the requests of one connection, whose streams all begin alike. */
export class RequestFieldsReader {
  readonly #limits: HeadLimits;
  readonly #scheme: 'http' | 'https';
  readonly #section: SectionReader;
  readonly #fields: FieldSection;
  readonly #parser: RequestHeadParser;
  readonly #known = new KnownSections<Meaning>();
  #octets = Buffer.allocUnsafeSlow(FIRST_OCTETS);
  #lines: FieldLines = NO_LINES;

  /** `isPassedOn` says by name, in lower case, which fields `lines` is made of; `scheme` is that of the connection. */
  constructor(limits: HeadLimits, isPassedOn: (name: string) => boolean, scheme: 'http' | 'https') {
    this.#limits = limits;
    this.#scheme = scheme;
    this.#section = new SectionReader('request', limits);
    this.#fields = new FieldSection(isPassedOn);
    this.#parser = new RequestHeadParser(this.#fields);
  }

  /** Of the fields read last those that are passed on, encoded. */
  get lines(): FieldLines {
    return this.#lines;
  }

  /** The same array means the same for another request of the same kind. @throws {Http1Error | Http2Error} */
  read(raw: RawFields, end: StreamEnd): RequestHead {
    const known = this.#known.find(raw);
    if (known?.end === end) {
      this.#lines = known.lines;
      return known.head;
    }
    const text = toHttp1Head(raw, end, this.#scheme);
    const head = { ...this.#parse(text), version: '2', persistent: true, neverIndexed: neverIndexedOf(raw) } as const;
    if (end === 'ends' && head.body.kind === 'length' && head.body.bytes > 0) throw new Http2Error('length-mismatch');
    this.#lines = this.#fields.lines;
    this.#known.keep(raw, { head, lines: this.#lines, end });
    return head;
  }

  #parse(text: string): RequestHead {
    const section = this.#section;
    if (text.length > this.#limits.maxHeadBytes) throw new Http1Error('head-too-large', 'request');
    if (this.#octets.length < text.length) this.#octets = Buffer.allocUnsafeSlow(this.#limits.maxHeadBytes);
    section.bytes = this.#octets;
    section.start = 0;
    section.end = this.#octets.write(text, 'latin1');
    try {
      return this.#parser.parse(section);
    } finally {
      section.release();
    }
  }
}

/** The same request as HTTP/1.1 would have it: one line for each field, since nothing in any of them can end one. */
function toHttp1Head(raw: RawFields, end: StreamEnd, expectedScheme: 'http' | 'https'): string {
  const pseudo: PseudoFields = { method: null, scheme: null, authority: null, path: null, protocol: null };
  const regularAt = readPseudoFields(raw, pseudo);
  const { scheme, authority, path, protocol } = pseudo;
  const method = protocol === null ? pseudo.method : readUpgradeMethod(pseudo, end);
  if (method === null || !isToken(method)) throw new Http2Error('pseudo-field');
  // CONNECT has neither path nor scheme, and is none of ours with or without.
  if (!isProxiedMethod(method)) throw new Http1Error('method-not-supported', 'request');
  if (scheme === null || path === null || path === '') throw new Http2Error('pseudo-field');
  if (!path.startsWith('/') && path !== '*') throw new Http2Error('path-form');
  if (path.includes(' ')) throw new Http1Error('path-octet', 'request');
  if (scheme !== expectedScheme) throw new Http2Error('scheme-not-supported');
  let lines = authority === null ? '' : `host: ${authority}\r\n`;
  let crumbs: string | null = null;
  let hasLength = false;
  let hosts = 0;
  for (let at = regularAt; at < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    checkName(name);
    checkValue(value);
    if (name === 'cookie') {
      // RFC 9113 §8.2.3: they were one field before HTTP/2 compressed them.
      crumbs = crumbs === null ? value : `${crumbs}; ${value}`;
      continue;
    }
    if (CONNECTION_FIELDS.has(name) || (name === 'te' && value !== 'trailers'))
      throw new Http2Error('connection-field');
    if (name === 'host' && authority !== null) {
      hosts += 1;
      if (value.toLowerCase() !== authority.toLowerCase()) throw new Http2Error('authority-mismatch');
      if (hosts > 1) throw new Http1Error('duplicate-field', 'request');
      continue;
    }
    // RFC 8441 §5: of no meaning in HTTP/2, and ours to say to the upstream.
    if (protocol !== null && HANDSHAKE_FIELDS.has(name)) continue;
    if (name === 'content-length') hasLength = true;
    lines += `${name}: ${value}\r\n`;
  }
  if (crumbs !== null) lines += `cookie: ${crumbs}\r\n`;
  if (protocol !== null) lines += `connection: upgrade\r\nupgrade: ${protocol}\r\n`;
  else if (end === 'goes-on' && !hasLength) lines += 'transfer-encoding: chunked\r\n';
  return `${method} ${path} HTTP/1.1\r\n${lines}\r\n`;
}

/**
 * An extended CONNECT (RFC 8441 §4) asks what a GET with Upgrade asks in HTTP/1.1, and so policy is asked the same.
 * @throws for every protocol but the one that has such a form in HTTP/1.1 that we know.
 */
function readUpgradeMethod({ method, protocol, authority, path }: PseudoFields, end: StreamEnd): string {
  if (method !== 'CONNECT' || authority === null || path === null) throw new Http2Error('pseudo-field');
  if (protocol !== 'websocket') throw new Http1Error('method-not-supported', 'request');
  // The peer's half of the tunnel would be over before it begins.
  if (end === 'ends') throw new Http2Error('ended-tunnel');
  return 'GET';
}

/** @returns where the other fields begin. */
function readPseudoFields(raw: RawFields, into: PseudoFields): number {
  let at = 0;
  for (; at < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    const key = pseudoKey(name);
    if (key === null) break;
    if (into[key] !== null) throw new Http2Error('pseudo-field');
    checkValue(value);
    into[key] = value;
  }
  return at;
}

function pseudoKey(name: string): keyof PseudoFields | null {
  switch (name) {
    case ':method':
      return 'method';
    case ':scheme':
      return 'scheme';
    case ':authority':
      return 'authority';
    case ':path':
      return 'path';
    case ':protocol':
      return 'protocol';
    default:
      return null;
  }
}

/** A name that is not a token would put its own colon, and so another name, on the line. */
function checkName(name: string): void {
  if (isKnownName(name)) return;
  if (name.startsWith(':')) throw new Http2Error('pseudo-field');
  if (!isToken(name)) throw new Http2Error('field-name');
  if (UPPER_CASE.test(name)) throw new Http2Error('field-name-case');
}

function checkValue(value: string): void {
  if (breaksLine(value)) throw new Http2Error('field-break');
  if (OUTER_WHITESPACE.test(value)) throw new Http2Error('field-value-space');
}
