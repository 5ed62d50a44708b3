// ZIP archives for tests, also such as no tool would write.

import { deflateRawSync } from 'node:zlib';

export interface MemberTerms {
  readonly name: string;
  readonly content: Buffer;
  readonly isDeflated?: boolean;
  /** At the member itself, where that differs from the directory. */
  readonly localName?: string;
  readonly flags?: number;
  /** What the directory claims. */
  readonly size?: number;
  readonly method?: number;
}

export function writeZip(members: readonly MemberTerms[], prefix: Buffer = Buffer.alloc(0)): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const {
    name,
    content,
    isDeflated = false,
    localName = name,
    flags = 0,
    size = content.length,
    method,
  } of members) {
    const data = isDeflated ? deflateRawSync(content) : content;
    const code = method ?? (isDeflated ? 8 : 0);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(flags, 6);
    local.writeUInt16LE(code, 8);
    local.writeUInt32LE(data.length, 18);
    local.writeUInt32LE(size, 22);
    local.writeUInt16LE(Buffer.byteLength(localName), 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(code, 10);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt32LE(size, 24);
    central.writeUInt16LE(Buffer.byteLength(name), 28);
    central.writeUInt32LE(at, 42);
    parts.push(local, Buffer.from(localName), data);
    directory.push(central, Buffer.from(name));
    at += 30 + Buffer.byteLength(localName) + data.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([prefix, ...parts, list, end]);
}
