// JSON as google.protobuf.Struct, one way.
// https://protobuf.dev/reference/protobuf/google.protobuf/#struct

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** A JSON object as google.protobuf.Struct, where every number is a double. */
export function encodeStruct(members: object): Uint8Array {
  const wire = new BinaryWriter();
  for (const [name, value] of Object.entries(members)) {
    const entry = new BinaryWriter();
    entry.tag(1, WireType.LengthDelimited).string(name);
    entry.tag(2, WireType.LengthDelimited).bytes(encodeValue(value));
    wire.tag(1, WireType.LengthDelimited).bytes(entry.finish());
  }
  return wire.finish();
}

/** google.protobuf.Value: exactly one field, also when its content is a default. */
function encodeValue(value: unknown): Uint8Array {
  const wire = new BinaryWriter();
  if (typeof value === 'number') wire.tag(2, WireType.Bit64).double(value);
  else if (typeof value === 'string') wire.tag(3, WireType.LengthDelimited).string(value);
  else if (typeof value === 'boolean') wire.tag(4, WireType.Varint).bool(value);
  else if (Array.isArray(value)) wire.tag(6, WireType.LengthDelimited).bytes(encodeList(value));
  else if (typeof value === 'object' && value !== null)
    wire.tag(5, WireType.LengthDelimited).bytes(encodeStruct(value));
  else wire.tag(1, WireType.Varint).int32(0);
  return wire.finish();
}

/** google.protobuf.ListValue */
function encodeList(values: readonly unknown[]): Uint8Array {
  const wire = new BinaryWriter();
  for (const value of values) wire.tag(1, WireType.LengthDelimited).bytes(encodeValue(value));
  return wire.finish();
}
