// GeneralName: the forms a subject alternative name or a name constraint can take.
// RFC 5280 §4.2.1.6, §4.2.1.10

import { DerError } from './der-error.ts';
import { contextTag, type DerReader } from './der-reader.ts';
import { readName } from './distinguished-name.ts';

export type GeneralName =
  /** IA5String, so ASCII; the reader of a URI decides about its further characters. */
  | { readonly form: 'uri' | 'dns' | 'email'; readonly value: string }
  /** 4 or 16 octets; in a name constraint 8 or 32, address and mask. */
  | { readonly form: 'ip'; readonly octets: Buffer }
  | { readonly form: 'directory'; readonly name: Buffer }
  | { readonly form: 'other' | 'registered-id' };

const OTHER = contextTag(0, 'constructed');
const EMAIL = contextTag(1, 'primitive');
const DNS = contextTag(2, 'primitive');
const DIRECTORY = contextTag(4, 'constructed');
const URI = contextTag(6, 'primitive');
const IP = contextTag(7, 'primitive');
const REGISTERED_ID = contextTag(8, 'primitive');

/** Counts octets of an address: once in a certificate's names, twice (with its mask) in a constraint. */
export type AddressForm = 'address' | 'address-and-mask';

/** @throws {DerError} */
export function readGeneralName(reader: DerReader, addressForm: AddressForm): GeneralName {
  const start = reader.offset;
  switch (reader.nextTag) {
    case URI:
      return { form: 'uri', value: readIa5(reader, URI) };
    case DNS:
      return { form: 'dns', value: readIa5(reader, DNS) };
    case EMAIL:
      return { form: 'email', value: readIa5(reader, EMAIL) };
    case IP: {
      const octets = reader.readContent(IP);
      const factor = addressForm === 'address' ? 1 : 2;
      if (octets.length !== 4 * factor && octets.length !== 16 * factor) {
        throw new DerError('invalid-content', `an IP address of ${octets.length} octets`, start);
      }
      return { form: 'ip', octets };
    }
    case DIRECTORY: {
      const explicit = reader.enter(DIRECTORY);
      const name = readName(explicit);
      explicit.finish();
      return { form: 'directory', name };
    }
    case OTHER:
      readOtherName(reader.enter(OTHER));
      return { form: 'other' };
    case REGISTERED_ID:
      reader.readObjectIdentifier(REGISTERED_ID);
      return { form: 'registered-id' };
    default:
      // x400Address and ediPartyName too: no certificate has them, and a form nobody reads is a form nobody checks.
      throw new DerError('unexpected-tag', 'an element that is no supported form of GeneralName', start);
  }
}

/** All names up to the end of `reader`; at least one. */
export function readGeneralNames(reader: DerReader): readonly GeneralName[] {
  const names: GeneralName[] = [];
  do {
    names.push(readGeneralName(reader, 'address'));
  } while (!reader.isAtEnd);
  return names;
}

function readOtherName(name: DerReader): void {
  name.readObjectIdentifier();
  const value = name.enter(contextTag(0, 'constructed'));
  value.readAny();
  value.finish();
  name.finish();
}

function readIa5(reader: DerReader, tag: number): string {
  const start = reader.offset;
  const content = reader.readContent(tag);
  for (const octet of content) {
    if (octet >= 0x80) throw new DerError('invalid-content', 'a byte above 0x7f in an IA5String', start);
  }
  return content.toString('latin1');
}
