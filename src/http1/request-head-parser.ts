// A section of bytes to a RequestHead: request line, Host, framing and connection rules.

import { findHostEnd } from './authority.ts';
import type { FieldSection } from './field-section.ts';
import { isProxiedMethod } from './method.ts';
import { NONE_NEVER_INDEXED } from './never-indexed.ts';
import { CR, isAt, LF, octetAt, SP, TOKEN } from './octets.ts';
import type { BodyFraming, RequestHead } from './request-head.ts';
import { findPathFlaw, findQueryFlaw } from './request-target.ts';
import type { SectionReader } from './section-reader.ts';
import { H2C, readProtocol } from './upgrade.ts';

/** RFC 9112 §3 asks for at least 8000 octets of request line. */
export const MAX_TARGET_OCTETS = 8192;
const VERSION_LENGTH = 'HTTP/1.1'.length;

const COMMON_METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const;

const NO_BODY: BodyFraming = { kind: 'none' };
const CHUNKED_BODY: BodyFraming = { kind: 'chunked' };

/** What the field lines and the version say of a request, apart from the fields themselves. */
type FieldMeaning = Omit<RequestHead, 'method' | 'path' | 'query' | 'fields' | 'version'> & {
  readonly version: '1.0' | '1.1';
};

/** For the heads of one connection; `fields` is where their field lines are gathered. */
export class RequestHeadParser {
  readonly #fields: FieldSection;
  /** Of the field lines read last. */
  #meaning: FieldMeaning | null = null;

  constructor(fields: FieldSection) {
    this.#fields = fields;
  }

  /** Throws the refusal of `section`. */
  parse(section: SectionReader): RequestHead {
    const { bytes, start } = section;
    let at = start;
    while (octetAt(TOKEN, octetAt(bytes, at)) !== 0) at += 1;
    if (at === start) throw section.refusal('invalid-method');
    if (octetAt(bytes, at) !== SP) throw section.refusal('invalid-request-line');
    const method = methodAt(bytes, start, at);

    const targetStart = at + 1;
    at = targetStart;
    // Stops at SP, every control including the CR of the line, and at DEL and beyond: none of them is in a canonical target.
    while (octetAt(bytes, at) > SP) at += 1;
    const targetEnd = at;
    const version = parseVersion(section, targetEnd);
    if (!isProxiedMethod(method)) throw section.refusal('method-not-supported');
    if (targetEnd - targetStart > MAX_TARGET_OCTETS) throw section.refusal('target-too-long');

    // A string of its own: a path lives on as a cache key and must not keep the other fields, such as credentials, alive.
    const target = bytes.toString('latin1', targetStart, targetEnd);
    const mark = target.indexOf('?');
    const path = mark === -1 ? target : target.slice(0, mark);
    const query = mark === -1 ? null : target.slice(mark + 1);
    const flaw = findPathFlaw(path) ?? (query === null ? null : findQueryFlaw(query));
    if (flaw !== null) throw section.refusal(flaw);

    const meaning = this.#meaningOf(section, targetEnd + 1 + VERSION_LENGTH + 2, version);
    const { authority, host, body, persistent, expectsContinue, upgrade, neverIndexed } = meaning;
    const { fields } = this.#fields;
    return {
      method,
      authority,
      host,
      path,
      query,
      fields,
      body,
      persistent,
      expectsContinue,
      upgrade,
      version,
      neverIndexed,
    };
  }

  /** The same lines in the same version mean the same. */
  #meaningOf(section: SectionReader, linesStart: number, version: FieldMeaning['version']): FieldMeaning {
    const known = this.#meaning;
    // Should they be refused, they mean nothing the next time either.
    this.#meaning = null;
    const isRepeated = this.#fields.parse(section, linesStart) === 'repeated';
    this.#meaning = isRepeated && known?.version === version ? known : interpret(section, this.#fields, version);
    return this.#meaning;
  }
}

function interpret(section: SectionReader, fields: FieldSection, version: FieldMeaning['version']): FieldMeaning {
  if (fields.host === null) throw section.refusal('missing-host');
  const hostEnd = findHostEnd(fields.host);
  if (hostEnd === null) throw section.refusal('invalid-host');
  const authority = fields.host.toLowerCase();

  // A transfer coding in HTTP/1.0 is faulty framing whatever the Content-Length says (RFC 9112 §6.1).
  if (fields.isChunked && version === '1.0') throw section.refusal('transfer-encoding-in-http-1-0');
  const body = bodyFraming(fields);
  if (fields.expect !== null && fields.expect.toLowerCase() !== '100-continue')
    throw section.refusal('expectation-failed');

  return {
    authority,
    host: hostEnd === authority.length ? authority : authority.slice(0, hostEnd),
    body,
    // RFC 9112 §9.3: a proxy does not keep a connection with an HTTP/1.0 client alive. Behind a request to upgrade, even to h2c,
    // it depends on the answer whether the next octet is HTTP: nothing there is read as a request.
    persistent: version === '1.1' && !fields.close && !(fields.upgrade !== null && fields.nominatesUpgrade),
    // RFC 9110 §10.1.1: an expectation in HTTP/1.0 is ignored; without a body there is nothing to wait for.
    expectsContinue: version === '1.1' && fields.expect !== null && body.kind !== 'none',
    upgrade: fields.upgrade === null ? null : parseUpgrade(section, fields, version),
    version,
    neverIndexed: NONE_NEVER_INDEXED,
  };
}

/** The common ones are shared strings, as the policy has them. */
function methodAt(bytes: Buffer, from: number, to: number): string {
  for (const method of COMMON_METHODS) {
    if (method.length === to - from && isAt(bytes, from, method)) return method;
  }
  return bytes.toString('latin1', from, to);
}

/** Everything between the target and the end of the line. */
function parseVersion(section: SectionReader, targetEnd: number): '1.0' | '1.1' {
  const { bytes, start } = section;
  const versionStart = targetEnd + 1;
  const lineEnd = versionStart + VERSION_LENGTH;
  if (octetAt(bytes, targetEnd) !== SP || !isAt(bytes, versionStart, 'HTTP/')) {
    throw section.refusal('invalid-request-line');
  }
  const version = findVersion(bytes, versionStart);
  if (version === null || octetAt(bytes, lineEnd) !== CR || octetAt(bytes, lineEnd + 1) !== LF) {
    // RFC 9113 §3.4: the preface is a request line on purpose, so that HTTP/1.1 servers refuse it.
    throw section.refusal(isAt(bytes, start, 'PRI * HTTP/2.0\r\n') ? 'http2-preface' : 'version-not-supported');
  }
  return version;
}

function findVersion(bytes: Buffer, at: number): '1.0' | '1.1' | null {
  if (isAt(bytes, at, 'HTTP/1.1')) return '1.1';
  return isAt(bytes, at, 'HTTP/1.0') ? '1.0' : null;
}

function bodyFraming(fields: FieldSection): BodyFraming {
  if (fields.isChunked) return CHUNKED_BODY;
  return fields.contentLength === null ? NO_BODY : { kind: 'length', bytes: fields.contentLength };
}

/**
 * RFC 9110 §7.8: only as the Connection option asks, and not in HTTP/1.0. `h2c` is ignored: the field never reaches the upstream.
 */
function parseUpgrade(section: SectionReader, fields: FieldSection, version: '1.0' | '1.1'): string | null {
  const protocol = readProtocol(fields.upgrade ?? '');
  if (protocol === null) throw section.refusal('invalid-upgrade');
  if (!fields.nominatesUpgrade || version === '1.0' || protocol === H2C) return null;
  if (fields.isChunked || (fields.contentLength ?? 0) > 0) throw section.refusal('upgrade-with-body');
  return protocol;
}
