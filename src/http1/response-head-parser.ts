// A section of bytes to a ResponseHead: status line, framing and connection rules of what an upstream answers.

import type { FieldSection } from './field-section.ts';
import { NONE_NEVER_INDEXED } from './never-indexed.ts';
import { CR, DIGIT_0, DIGIT_9, FIELD_VALUE, isAt, LF, octetAt, SP } from './octets.ts';
import type { ResponseHead } from './response-head.ts';
import type { SectionReader } from './section-reader.ts';
import { readProtocol } from './upgrade.ts';

const STATUS_START = 'HTTP/1.1 '.length;
const STATUS_END = STATUS_START + 3;

const NO_BODY: ResponseHead['body'] = { kind: 'none' };
const CHUNKED_BODY: ResponseHead['body'] = { kind: 'chunked' };
const UNTIL_CLOSE: ResponseHead['body'] = { kind: 'until-close' };

/** Throws the refusal of `section`; `requestMethod` is what it answers; `fields` is where the field lines are gathered. */
export function parseResponseHead(section: SectionReader, fields: FieldSection, requestMethod: string): ResponseHead {
  const { bytes, start } = section;
  const version = parseVersion(section);
  const status = parseStatus(section);

  // The space before an empty reason is a MUST that servers forget (RFC 9112 §4); nothing can be mistaken without it.
  let at = start + STATUS_END;
  const reasonStart = octetAt(bytes, at) === SP ? at + 1 : at;
  at = reasonStart;
  if (reasonStart > start + STATUS_END) {
    while (octetAt(FIELD_VALUE, octetAt(bytes, at)) !== 0) at += 1;
  }
  if (octetAt(bytes, at) !== CR || octetAt(bytes, at + 1) !== LF) throw section.refusal('invalid-status-line');
  const reason = reasonAt(bytes, reasonStart, at);
  fields.parse(section, at + 2);

  // RFC 9112 §6.1: a transfer coding in an HTTP/1.0 response is faulty framing.
  if (fields.isChunked && version === '1.0') throw section.refusal('transfer-encoding-in-http-1-0');
  const body = bodyFraming(section, fields, { status, requestMethod });
  const wantsPersistence = version === '1.1' ? !fields.close : fields.keepAlive && !fields.close;
  // Something must follow, on the connection that this says is at its end.
  if (status < 200 && status !== 101 && !wantsPersistence) throw section.refusal('closing-informational');
  return {
    status,
    reason,
    fields: fields.fields,
    body,
    declaredLength: fields.contentLength,
    persistent: wantsPersistence && body.kind !== 'until-close',
    upgrade: status === 101 && fields.nominatesUpgrade ? readProtocol(fields.upgrade ?? '') : null,
    neverIndexed: NONE_NEVER_INDEXED,
  };
}

function parseVersion(section: SectionReader): '1.0' | '1.1' {
  const { bytes, start } = section;
  if (isAt(bytes, start, 'HTTP/1.1 ')) return '1.1';
  if (isAt(bytes, start, 'HTTP/1.0 ')) return '1.0';
  throw section.refusal(isAt(bytes, start, 'HTTP/') ? 'version-not-supported' : 'invalid-status-line');
}

/** The commonest is a shared string. */
function reasonAt(bytes: Buffer, from: number, to: number): string {
  return to - from === 2 && isAt(bytes, from, 'OK') ? 'OK' : bytes.toString('latin1', from, to);
}

/** Three digits, 100 to 599: RFC 9110 §15 calls other values invalid. */
function parseStatus(section: SectionReader): number {
  let status = 0;
  for (let at = section.start + STATUS_START; at < section.start + STATUS_END; at += 1) {
    const octet = octetAt(section.bytes, at);
    if (octet < DIGIT_0 || octet > DIGIT_9) throw section.refusal('invalid-status-line');
    status = status * 10 + (octet - DIGIT_0);
  }
  if (status < 100 || status > 599) throw section.refusal('invalid-status-line');
  return status;
}

/** RFC 9112 §6.3, in its order. */
function bodyFraming(
  section: SectionReader,
  fields: FieldSection,
  exchange: { readonly status: number; readonly requestMethod: string },
): ResponseHead['body'] {
  const { status, requestMethod } = exchange;
  if (status < 200 || status === 204) {
    // RFC 9110 §8.6 and RFC 9112 §6.1 forbid both fields here; a length of 0 contradicts nothing and is common.
    if (fields.isChunked || (fields.contentLength ?? 0) > 0) throw section.refusal('body-not-allowed');
    return status === 101 ? UNTIL_CLOSE : NO_BODY;
  }
  if (requestMethod === 'HEAD' || status === 304) return NO_BODY;
  if (fields.isChunked) return CHUNKED_BODY;
  return fields.contentLength === null ? UNTIL_CLOSE : { kind: 'length', bytes: fields.contentLength };
}
