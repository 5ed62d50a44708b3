// The field lines of a head: end-to-end fields as a flat list, and what the others say about framing and the connection.

import { addParsedField, type FieldLines, inOnePiece, NO_LINES, type ParsedFields } from './field-lines.ts';
import { findKnownName, hashOctet, isProxyField, type KnownName, mayNominate, ROLE } from './field-names.ts';
import type { Http1ErrorCode } from './http1-error.ts';
import { COLON, CR, DIGIT_0, DIGIT_9, FIELD_VALUE, HTAB, isToken, LF, octetAt, SP, TOKEN } from './octets.ts';
import type { SectionReader } from './section-reader.ts';

/** Fifteen nines are well below 2^53. */
const MAX_LENGTH_DIGITS = 15;
/** Roles that say nothing about how a message is framed, routed or answered. */
const HARMLESS_ROLES = (1 << ROLE.endToEnd) | (1 << ROLE.hopByHop);
/** Field lines up to this length are compared with those of the next head. */
const MAX_REMEMBERED_OCTETS = 2048;
const NOTHING = Buffer.alloc(0);

export function everyField(): boolean {
  return true;
}

/**
 * Reused for every head of a connection. Peers repeat themselves: when the same octets come again, what they said the last time is
 * still there, and only comparing them was paid for. Whatever differs in one octet is read from the beginning.
 */
export class FieldSection {
  /** Those of the fields that are passed on, as they go on the wire. */
  lines: FieldLines = NO_LINES;
  host: string | null = null;
  contentLength: number | null = null;
  isChunked = false;
  expect: string | null = null;
  upgrade: string | null = null;
  /** Options of Connection. */
  close = false;
  keepAlive = false;
  nominatesUpgrade = false;
  #fields: string[] = [];
  #nominated: Set<string> | null = null;
  #seenOnce = 0;
  #seenRoles = 0;
  readonly #isPassedOn: (name: string) => boolean;
  /** What was read last, in the first octets; none when it was refused or is too long. */
  #remembered = NOTHING;
  #rememberedOctets = 0;

  /** `isPassedOn` says by name, in lower case, which fields `lines` is made of. It always says the same. */
  constructor(isPassedOn: (name: string) => boolean) {
    this.#isPassedOn = isPassedOn;
  }

  /**
   * Reads the lines from `from`, an index into section.bytes, to the end of the section.
   * Octets 0x80 to 0xff of a value (obs-text) pass byte-exact: no field that the codec or the policy acts on may hold them.
   * @returns whether they are, octet for octet, those of the last call.
   */
  parse(section: SectionReader, from: number): 'repeated' | 'read' {
    if (this.#isRepeated(section.bytes, from, section.end)) return 'repeated';
    // Should they be refused, nothing is to be compared with them.
    this.#rememberedOctets = 0;
    this.#read(section, from);
    this.#remember(section.bytes, from, section.end);
    return 'read';
  }

  #read(section: SectionReader, from: number): void {
    this.#reset();
    const { bytes, end } = section;
    const start = from;
    const text = bytes.toString('latin1', from, end);
    let count = 0;
    let at = from;
    // The section ends with its first empty line: every line before it has at least one octet, and all scans stop at its CR.
    while (at < end - 2) {
      const nameStart = at;
      let hash = 0;
      let lower = octetAt(TOKEN, octetAt(bytes, at));
      while (lower !== 0) {
        hash = hashOctet(hash, lower);
        at += 1;
        lower = octetAt(TOKEN, octetAt(bytes, at));
      }
      if (at === nameStart || octetAt(bytes, at) !== COLON) throw section.refusal(nameFlaw(bytes, nameStart, at));
      const nameEnd = at;
      at += 1;
      while (isOws(octetAt(bytes, at))) at += 1;
      const valueStart = at;
      while (octetAt(FIELD_VALUE, octetAt(bytes, at)) !== 0) at += 1;
      if (octetAt(bytes, at) !== CR || octetAt(bytes, at + 1) !== LF) throw section.refusal('invalid-field-value');
      let valueEnd = at;
      while (valueEnd > valueStart && isOws(octetAt(bytes, valueEnd - 1))) valueEnd -= 1;
      at += 2;
      count += 1;
      if (count > section.limits.maxFieldCount) throw section.refusal('too-many-fields');

      const value = text.slice(valueStart - start, valueEnd - start);
      const known = findKnownName(bytes, nameStart, nameEnd, hash);
      if (known === undefined) {
        const name = text.slice(nameStart - start, nameEnd - start).toLowerCase();
        if (!isProxyField(name)) this.#fields.push(name, value);
      } else {
        this.#add(section, known, value);
      }
    }
    // RFC 9112 §6.3: both present is smuggling; refuse, do not pick one.
    if (this.isChunked && this.contentLength !== null) throw section.refusal('conflicting-framing');
    if (this.#nominated !== null) this.#fields = withoutNames(this.#fields, this.#nominated);
    this.lines = this.#encode(this.fields);
  }

  /** End-to-end fields only, nominated ones removed. */
  get fields(): ParsedFields {
    return this.#fields as readonly string[] as ParsedFields;
  }

  /** Whether a field occurred that has no place in a trailer section (RFC 9110 §6.5.1). */
  get touchesFraming(): boolean {
    return (this.#seenRoles & ~HARMLESS_ROLES) !== 0;
  }

  #encode(fields: ParsedFields): FieldLines {
    let lines = NO_LINES;
    for (let at = 0; at < fields.length; at += 2) {
      if (this.#isPassedOn(fields[at] ?? '')) lines = addParsedField(lines, fields, at);
    }
    return inOnePiece(lines);
  }

  #isRepeated(bytes: Buffer, from: number, end: number): boolean {
    const octets = end - from;
    if (octets !== this.#rememberedOctets) return false;
    for (let at = 0; at < octets; at += 1) {
      if (octetAt(bytes, from + at) !== octetAt(this.#remembered, at)) return false;
    }
    return true;
  }

  #remember(bytes: Buffer, from: number, end: number): void {
    const octets = end - from;
    if (octets > MAX_REMEMBERED_OCTETS) return;
    if (this.#remembered.length < octets) this.#remembered = Buffer.allocUnsafeSlow(octets);
    bytes.copy(this.#remembered, 0, from, end);
    this.#rememberedOctets = octets;
  }

  #reset(): void {
    this.lines = NO_LINES;
    this.#fields = [];
    this.host = null;
    this.contentLength = null;
    this.isChunked = false;
    this.expect = null;
    this.upgrade = null;
    this.close = false;
    this.keepAlive = false;
    this.nominatesUpgrade = false;
    this.#nominated = null;
    this.#seenOnce = 0;
    this.#seenRoles = 0;
  }

  #add(section: SectionReader, known: KnownName, value: string): void {
    if ((this.#seenOnce & known.singletonBit) !== 0) throw section.refusal('duplicate-field');
    this.#seenOnce |= known.singletonBit;
    this.#seenRoles |= 1 << known.role;
    switch (known.role) {
      case ROLE.endToEnd:
        this.#fields.push(known.name, value);
        return;
      case ROLE.hopByHop:
        return;
      case ROLE.host:
        this.host = value;
        return;
      case ROLE.contentLength:
        this.contentLength = parseContentLength(value);
        if (this.contentLength === null) throw section.refusal('invalid-content-length');
        return;
      case ROLE.transferEncoding:
        // Exactly this spelling: `Chunked`, `chunked;q=1` or `gzip, chunked` is where front and back ends have differed.
        if (value !== 'chunked') throw section.refusal('invalid-transfer-encoding');
        this.isChunked = true;
        return;
      case ROLE.connection:
        this.#readConnection(section, value);
        return;
      case ROLE.expect:
        this.expect = value;
        return;
      case ROLE.upgrade:
        this.upgrade = value;
        return;
    }
  }

  #readConnection(section: SectionReader, value: string): void {
    const options = value.toLowerCase();
    if (options.includes(',')) {
      for (const element of options.split(',')) this.#readConnectionOption(section, trimOws(element));
    } else {
      this.#readConnectionOption(section, options);
    }
  }

  #readConnectionOption(section: SectionReader, option: string): void {
    if (option === 'keep-alive') this.keepAlive = true;
    else if (option === 'close') this.close = true;
    else if (option === 'upgrade') this.nominatesUpgrade = true;
    else if (!isToken(option)) throw section.refusal('invalid-connection');
    else if (!mayNominate(option)) throw section.refusal('forbidden-connection-option');
    else this.#nominated = (this.#nominated ?? new Set()).add(option);
  }
}

/** 1*DIGIT without leading zeros, within what a number holds exactly; null for anything else. RFC 9110 §8.6. */
function parseContentLength(value: string): number | null {
  if (value.length === 0 || value.length > MAX_LENGTH_DIGITS) return null;
  if (value.length > 1 && value.charCodeAt(0) === DIGIT_0) return null;
  let length = 0;
  for (let at = 0; at < value.length; at += 1) {
    const unit = value.charCodeAt(at);
    if (unit < DIGIT_0 || unit > DIGIT_9) return null;
    length = length * 10 + (unit - DIGIT_0);
  }
  return length;
}

function nameFlaw(bytes: Buffer, nameStart: number, at: number): Http1ErrorCode {
  const stopsAtSpace = isOws(octetAt(bytes, at));
  if (!stopsAtSpace) return 'invalid-field-name';
  return at === nameStart ? 'obs-fold' : 'space-before-colon';
}

function isOws(octet: number): boolean {
  return octet === SP || octet === HTAB;
}

/** RFC 9110 §5.6.3: SP and HTAB only, not what String.trim() takes for whitespace. */
function trimOws(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isOws(text.charCodeAt(from))) from += 1;
  while (to > from && isOws(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

function withoutNames(fields: readonly string[], removed: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const [name = '', value = ''] = [fields[at], fields[at + 1]];
    if (!removed.has(name)) kept.push(name, value);
  }
  return kept;
}
