// A section of bytes to a RequestHead: request line, Host, framing and connection rules.

import { findHostEnd } from './authority.ts';
import type { FieldSection } from './field-section.ts';
import { isProxiedMethod } from './method.ts';
import { CR, isToken, LF, octetAt, SP, TOKEN } from './octets.ts';
import type { BodyFraming, RequestHead } from './request-head.ts';
import { findPathFlaw, findQueryFlaw } from './request-target.ts';
import type { SectionReader } from './section-reader.ts';

/** RFC 9112 §3 asks for at least 8000 octets of request line. */
const MAX_TARGET_OCTETS = 8192;
const VERSION_LENGTH = 'HTTP/1.1'.length;

const NO_BODY: BodyFraming = { kind: 'none' };
const CHUNKED_BODY: BodyFraming = { kind: 'chunked' };

/** Throws the refusal of `section`; `fields` is where the field lines are gathered. */
export function parseRequestHead(section: SectionReader, fields: FieldSection): RequestHead {
  const { bytes, start, end } = section;
  const text = bytes.toString('latin1', start, end);

  let at = start;
  while (octetAt(TOKEN, octetAt(bytes, at)) !== 0) at += 1;
  if (at === start) throw section.refusal('invalid-method');
  if (octetAt(bytes, at) !== SP) throw section.refusal('invalid-request-line');
  const method = text.slice(0, at - start);

  const targetStart = at + 1;
  at = targetStart;
  // Stops at SP, every control including the CR of the line, and at DEL and beyond: none of them is in a canonical target.
  while (octetAt(bytes, at) > SP) at += 1;
  const targetEnd = at;
  const version = parseVersion(section, text, targetEnd);
  if (!isProxiedMethod(method)) throw section.refusal('method-not-supported');
  if (targetEnd - targetStart > MAX_TARGET_OCTETS) throw section.refusal('target-too-long');

  // Not a slice of `text`: a path lives on as a cache key and must not keep the other fields, such as credentials, alive.
  const target = bytes.toString('latin1', targetStart, targetEnd);
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? null : target.slice(mark + 1);
  const flaw = findPathFlaw(path) ?? (query === null ? null : findQueryFlaw(query));
  if (flaw !== null) throw section.refusal(flaw);

  fields.parse(section, text, targetEnd + 1 + VERSION_LENGTH + 2);

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
    method,
    authority,
    host: hostEnd === authority.length ? authority : authority.slice(0, hostEnd),
    path,
    query,
    fields: fields.fields,
    body,
    // RFC 9112 §9.3: a proxy does not keep a connection with an HTTP/1.0 client alive. Behind a request to upgrade, even to h2c,
    // it depends on the answer whether the next octet is HTTP: nothing there is read as a request.
    persistent: version === '1.1' && !fields.close && !(fields.upgrade !== null && fields.nominatesUpgrade),
    // RFC 9110 §10.1.1: an expectation in HTTP/1.0 is ignored; without a body there is nothing to wait for.
    expectsContinue: version === '1.1' && fields.expect !== null && body.kind !== 'none',
    upgrade: fields.upgrade === null ? null : parseUpgrade(section, fields, version),
    version,
  };
}

/** Everything between the target and the end of the line. */
function parseVersion(section: SectionReader, text: string, targetEnd: number): '1.0' | '1.1' {
  const { bytes, start } = section;
  const versionStart = targetEnd + 1;
  const lineEnd = versionStart + VERSION_LENGTH;
  if (octetAt(bytes, targetEnd) !== SP || !text.startsWith('HTTP/', versionStart - start)) {
    throw section.refusal('invalid-request-line');
  }
  const version = findVersion(text, versionStart - start);
  if (version === null || octetAt(bytes, lineEnd) !== CR || octetAt(bytes, lineEnd + 1) !== LF) {
    // RFC 9113 §3.4: the preface is a request line on purpose, so that HTTP/1.1 servers refuse it.
    throw section.refusal(text.startsWith('PRI * HTTP/2.0\r\n') ? 'http2-preface' : 'version-not-supported');
  }
  return version;
}

function findVersion(text: string, at: number): '1.0' | '1.1' | null {
  if (text.startsWith('HTTP/1.1', at)) return '1.1';
  return text.startsWith('HTTP/1.0', at) ? '1.0' : null;
}

function bodyFraming(fields: FieldSection): BodyFraming {
  if (fields.isChunked) return CHUNKED_BODY;
  return fields.contentLength === null ? NO_BODY : { kind: 'length', bytes: fields.contentLength };
}

/**
 * RFC 9110 §7.8: only as the Connection option asks, and not in HTTP/1.0. `h2c` is ignored, as RFC 9113 §3.1 allows: the field
 * never reaches the upstream, so a tunnel of unseen requests cannot come to be.
 */
function parseUpgrade(section: SectionReader, fields: FieldSection, version: '1.0' | '1.1'): string | null {
  const protocol = (fields.upgrade ?? '').toLowerCase();
  const [name = '', protocolVersion, ...more] = protocol.split('/');
  if (!isToken(name) || (protocolVersion !== undefined && !isToken(protocolVersion)) || more.length > 0) {
    throw section.refusal('invalid-upgrade');
  }
  if (!fields.nominatesUpgrade || version === '1.0' || protocol === 'h2c') return null;
  if (fields.isChunked || (fields.contentLength ?? 0) > 0) throw section.refusal('upgrade-with-body');
  return protocol;
}
