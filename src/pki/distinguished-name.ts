// Distinguished names: checked for structure when read, compared as bytes, turned into text for people only.
// RFC 5280 §4.1.2.4, RFC 4514

import { isAscii, isUtf8 } from 'node:buffer';
import { DerError } from './der-error.ts';
import { DerReader, TAG } from './der-reader.ts';

export interface NameAttribute {
  /** Dotted. */
  readonly type: string;
  readonly value: string;
}

export const ATTRIBUTE = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  emailAddress: '1.2.840.113549.1.9.1',
} as const;

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  [ATTRIBUTE.commonName, 'CN'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  [ATTRIBUTE.organization, 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['2.5.4.45', 'x500UniqueIdentifier'],
  [ATTRIBUTE.emailAddress, 'emailAddress'],
]);
const MAX_ATTRIBUTES = 64;

/**
 * The whole Name as a view, after a check of its structure.
 * @throws {DerError}
 */
export function readName(reader: DerReader): Buffer {
  const start = reader.offset;
  readAttributes(reader.enter(TAG.sequence), () => undefined);
  return reader.bytes.subarray(start, reader.offset);
}

/** Every attribute in its order, sets flattened. Takes what `readName` returned. */
export function nameAttributes(name: Buffer): readonly NameAttribute[] {
  const attributes: NameAttribute[] = [];
  readAttributes(new DerReader(name).enter(TAG.sequence), (type, tag, content) => {
    attributes.push({ type, value: decodeText(tag, content) });
  });
  return attributes;
}

/** For people: `CN=…, O=…` in the order of the certificate; `(empty)` when there is nothing. */
export function formatName(name: Buffer): string {
  const parts = nameAttributes(name).map(({ type, value }) => `${SHORT_NAMES.get(type) ?? type}=${value}`);
  return parts.length === 0 ? '(empty)' : parts.join(', ');
}

export function isEmptyName(name: Buffer): boolean {
  return name.length === 2;
}

function readAttributes(names: DerReader, visit: (type: string, tag: number, content: Buffer) => void): void {
  let count = 0;
  while (!names.isAtEnd) {
    const setStart = names.offset;
    const set = names.enter(TAG.set);
    let previous: Buffer | null = null;
    do {
      const start = set.offset;
      const attribute = set.enter(TAG.sequence);
      const type = attribute.readObjectIdentifier();
      const tag = attribute.nextTag;
      const content = attribute.readAnyContent();
      if (!isWellFormedString(tag, content)) {
        throw new DerError('invalid-content', 'a name attribute whose value is not a well-formed string', start);
      }
      attribute.finish();
      const whole = set.bytes.subarray(start, set.offset);
      // X.690 §11.6: a SET OF has one order, so that one name has one encoding.
      if (previous !== null && Buffer.compare(previous, whole) >= 0) {
        throw new DerError('invalid-content', 'a set of name attributes that is not in order', setStart);
      }
      previous = whole;
      count += 1;
      if (count > MAX_ATTRIBUTES) {
        throw new DerError('invalid-content', `a name with more than ${MAX_ATTRIBUTES} attributes`, setStart);
      }
      visit(type, tag, content);
    } while (!set.isAtEnd);
  }
}

const NUMERIC_STRING = 0x12;
const PRINTABLE_STRING = 0x13;
const TELETEX_STRING = 0x14;
const IA5_STRING = 0x16;
const UNIVERSAL_STRING = 0x1c;
const BMP_STRING = 0x1e;

/** Text that one reader repairs and another refuses is two names. */
function isWellFormedString(tag: number, content: Buffer): boolean {
  switch (tag) {
    case TAG.utf8String:
      return isUtf8(content);
    case NUMERIC_STRING:
    case PRINTABLE_STRING:
    case IA5_STRING:
      return isAscii(content);
    case TELETEX_STRING:
      return true;
    case UNIVERSAL_STRING:
      return content.length % 4 === 0;
    case BMP_STRING:
      return content.length % 2 === 0;
    default:
      return false;
  }
}

function decodeText(tag: number, content: Buffer): string {
  if (tag === TAG.utf8String) return content.toString('utf8');
  if (tag === BMP_STRING) return Buffer.from(content).swap16().toString('utf16le');
  return content.toString('latin1');
}
