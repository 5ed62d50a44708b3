// Messages of the protobuf wire format from a table of their fields, each a string, bytes, a number, a message or a map; strict and bounded.
// https://protobuf.dev/programming-guides/encoding/

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { SallyportError } from '../core/error.ts';

export type MessageErrorCode =
  /** The input ends within a field. */
  | 'truncated-message'
  /** A field that we know has a wire type that it cannot have. */
  | 'wire-type'
  /** A string that is not UTF-8. */
  | 'invalid-utf8'
  /** More entries of one field, or fields that we do not know, than anyone needs. */
  | 'too-many-entries'
  /** A tag, varint or group that no encoder writes. */
  | 'malformed-message';

/** The message begins with the name of the protobuf message at fault. */
export class MessageError extends SallyportError<MessageErrorCode> {}

export interface Codec<Message> {
  encode(message: Message): Buffer;
  /**
   * Skips fields that it does not know. Bytes in what it returns are views of `bytes`.
   * @throws {MessageError}
   */
  decode(bytes: Uint8Array): Message;
}

export interface Field<Value> {
  readonly number: number;
  /** The content of a varint is the varint itself. */
  readonly wireType: WireType.LengthDelimited | WireType.Varint;
  /** From every occurrence of the field, in their order; none where it is absent. */
  read(contents: readonly Uint8Array[], message: string): Value;
  /** One content for each occurrence. */
  write(value: Value): readonly Uint8Array[];
}

/** Of a repeated field or a map, and of fields that we do not know. */
export const MAX_ENTRIES = 1000;

const MAX_GROUP_DEPTH = 16;
const MAX_UINT32 = 0xffff_ffff;
// A byte-order mark is a character of a protobuf string like any other.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function messageCodec<Message extends object>(
  name: string,
  table: { readonly [Key in keyof Message]: Field<Message[Key]> },
): Codec<Message> {
  const fields = Object.entries(table) as [keyof Message & string, Field<Message[keyof Message]>][];
  const wireTypes = new Map(fields.map(([, { number, wireType }]) => [number, wireType]));
  return {
    encode(message) {
      const wire = new BinaryWriter();
      for (const [key, field] of fields) {
        for (const content of field.write(message[key])) {
          wire.tag(field.number, field.wireType);
          if (field.wireType === WireType.LengthDelimited) wire.bytes(content);
          else wire.raw(content);
        }
      }
      const bytes = wire.finish();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    decode(bytes) {
      const contents = readContents(bytes, name, wireTypes);
      return Object.fromEntries(
        fields.map(([key, field]) => [key, field.read(contents.get(field.number) ?? [], name)]),
      ) as Message;
    },
  };
}

/** Of a string that occurs twice the last holds. */
export function stringField(number: number): Field<string> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    read: (contents, message) => contents.map((content) => readString(content, message)).at(-1) ?? '',
    // In proto3, default and absent are one.
    write: (value) => (value === '' ? [] : [Buffer.from(value, 'utf8')]),
  };
}

/** Of bytes that occur twice the last hold. */
export function bytesField(number: number): Field<Uint8Array> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    read: (contents) => contents.at(-1) ?? new Uint8Array(0),
    write: (value) => (value.length === 0 ? [] : [value]),
  };
}

export function repeatedBytes(number: number): Field<readonly Uint8Array[]> {
  return { number, wireType: WireType.LengthDelimited, read: (contents) => contents, write: (values) => values };
}

export function repeatedString(number: number): Field<readonly string[]> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    read: (contents, message) => contents.map((content) => readString(content, message)),
    write: (values) => values.map((value) => Buffer.from(value, 'utf8')),
  };
}

export function repeatedMessage<Message>(number: number, codec: Codec<Message>): Field<readonly Message[]> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    read: (contents) => contents.map((content) => codec.decode(content)),
    write: (messages) => messages.map((message) => codec.encode(message)),
  };
}

/** Null where it is absent. Occurrences of one message are parts of it. https://protobuf.dev/programming-guides/encoding/#last-one-wins */
export function messageField<Message>(number: number, codec: Codec<Message>): Field<Message | null> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    read: (contents) => (contents.length === 0 ? null : codec.decode(Buffer.concat(contents))),
    write: (message) => (message === null ? [] : [codec.encode(message)]),
  };
}

/** A whole number from 0 up to 2^32 - 1, as an enum or a code is. Of one that occurs twice the last holds. */
export function numberField(number: number): Field<number> {
  return {
    number,
    wireType: WireType.Varint,
    read: (contents, message) => {
      const last = contents.at(-1);
      const value = last === undefined ? 0 : Number(new BinaryReader(last).uint64());
      if (value <= MAX_UINT32) return value;
      throw new MessageError('malformed-message', `${message}: field ${number} is above 2^32 - 1`);
    },
    write: (value) => (value === 0 ? [] : [new BinaryWriter().uint32(value).finish()]),
  };
}

/** Of a key that occurs twice the last entry holds. https://protobuf.dev/programming-guides/encoding/#maps */
export function mapField(number: number): Field<ReadonlyMap<string, Uint8Array>> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    read: (contents) =>
      new Map(contents.map((content) => mapEntry.decode(content)).map(({ key, value }) => [key, value])),
    write: (map) => [...map].map(([key, value]) => mapEntry.encode({ key, value })),
  };
}

const mapEntry = messageCodec<{ readonly key: string; readonly value: Uint8Array }>('map entry', {
  key: stringField(1),
  value: bytesField(2),
});

function readString(content: Uint8Array, message: string): string {
  try {
    return UTF8.decode(content);
  } catch (error) {
    throw new MessageError('invalid-utf8', `${message}: a string is not UTF-8`, { cause: error });
  }
}

/** What stands in each field of `wireTypes`, occurrence by occurrence. */
function readContents(
  bytes: Uint8Array,
  message: string,
  wireTypes: ReadonlyMap<number, WireType>,
): Map<number, Uint8Array[]> {
  const wire = new BinaryReader(bytes);
  const contents = new Map<number, Uint8Array[]>();
  let unknownCount = 0;
  while (wire.pos < wire.len) {
    const [number, wireType] = translated(message, () => wire.tag());
    const expected = wireTypes.get(number);
    if (expected === undefined) {
      unknownCount += 1;
      if (unknownCount > MAX_ENTRIES) throw tooMany(message, 'fields that are not its own');
      translated(message, () => skipField(wire, number, wireType));
      continue;
    }
    if (wireType !== expected) {
      throw new MessageError(
        'wire-type',
        `${message}: field ${number} has wire type ${wireType} instead of ${expected}`,
      );
    }
    const start = wire.pos;
    const end = translated(message, () => (wireType === WireType.Varint ? varintEnd(wire) : contentEnd(wire)));
    const begin = wireType === WireType.Varint ? start : wire.pos;
    const occurrences = contents.get(number) ?? [];
    if (occurrences.length === MAX_ENTRIES) throw tooMany(message, `entries of field ${number}`);
    occurrences.push(bytes.subarray(begin, end));
    contents.set(number, occurrences);
    wire.pos = end;
  }
  return contents;
}

function tooMany(message: string, what: string): MessageError {
  return new MessageError('too-many-entries', `${message}: more than ${MAX_ENTRIES} ${what}`);
}

function skipField(wire: BinaryReader, number: number, wireType: WireType): void {
  if (wireType === WireType.LengthDelimited) {
    wire.pos = contentEnd(wire);
  } else if (wireType === WireType.Varint) {
    // BinaryReader.skip accepts a varint of any length.
    wire.uint64();
  } else {
    wire.skip(wireType, number, MAX_GROUP_DEPTH);
  }
}

/** Where the content of a length-delimited field ends, which begins at `wire.pos` afterwards. */
function contentEnd(wire: BinaryReader): number {
  // BinaryReader.bytes drops the upper bits of a longer length, and so finds another end than other readers of the same bytes.
  const length = Number(wire.uint64());
  const end = wire.pos + length;
  if (end > wire.len) throw new RangeError(`a field of ${length} bytes where ${wire.len - wire.pos} are left`);
  return end;
}

function varintEnd(wire: BinaryReader): number {
  wire.uint64();
  return wire.pos;
}

/** What BinaryReader throws, as our own: RangeError at the end of the input, Error for the rest. */
function translated<T>(message: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) {
      throw new MessageError('truncated-message', `${message}: it ends within a field`, { cause: error });
    }
    const why = error instanceof Error ? error.message : 'unreadable';
    throw new MessageError('malformed-message', `${message}: ${why}`, { cause: error });
  }
}
