// The text of one input, and where in it an offset stands.

import { isUtf8 } from 'node:buffer';
import type { SourcePosition } from '../core/source-position.ts';

export class SourceText {
  readonly file: string;
  readonly text: string;
  #marks: Marks | null = null;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
  }

  positionOf(offset: number): SourcePosition {
    this.#marks ??= markLines(this.text);
    const { text, file } = this;
    const mark = Math.floor(offset / MARK_EVERY);
    let line = this.#marks.lines[mark] ?? 1;
    let lineStart = this.#marks.lineStarts[mark] ?? 0;
    // Not by looking for the next line break, which may be megabytes away.
    for (let at = mark * MARK_EVERY; at < offset; at += 1) {
      if (text.charCodeAt(at) !== LINE_FEED) continue;
      line += 1;
      lineStart = at + 1;
    }
    return { file, line, column: offset - lineStart + 1 };
  }
}

/** At every so many characters: the line there, and where it begins. Lines of a dump may be as long as it is. */
interface Marks {
  readonly lines: Uint32Array;
  readonly lineStarts: Uint32Array;
}

const MARK_EVERY = 2_048;
const LINE_FEED = 10;

function markLines(text: string): Marks {
  const count = Math.floor(text.length / MARK_EVERY) + 1;
  const lines = new Uint32Array(count);
  const lineStarts = new Uint32Array(count);
  let line = 1;
  let lineStart = 0;
  let at = text.indexOf('\n');
  for (let mark = 0; mark < count; mark += 1) {
    while (at >= 0 && at < mark * MARK_EVERY) {
      line += 1;
      lineStart = at + 1;
      at = text.indexOf('\n', at + 1);
    }
    lines[mark] = line;
    lineStarts[mark] = lineStart;
  }
  return { lines, lineStarts };
}

export type Decoding =
  | { readonly kind: 'text'; readonly text: string }
  /** The text is good for finding the place, and for nothing else. */
  | { readonly kind: 'not-text'; readonly detail: string; readonly position: SourcePosition };

/** UTF-8, or what PowerShell makes of the output of a program: UTF-16 with a byte order mark. */
export function decodeText(bytes: Buffer, file: string): Decoding {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { kind: 'text', text: bytes.toString('utf16le', 2) };
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const nul = bytes.indexOf(0);
  if (nul >= 0)
    return notText(bytes, { at: nul, file, detail: 'a NUL byte: this is no text, or was cut while it was written' });
  if (isUtf8(bytes)) return { kind: 'text', text: bytes.toString('utf8', hasMark ? 3 : 0) };
  return notText(bytes, { at: firstInvalidByte(bytes), file, detail: 'not UTF-8' });
}

interface Fault {
  readonly at: number;
  readonly file: string;
  readonly detail: string;
}

function notText(bytes: Buffer, { at, file, detail }: Fault): Decoding {
  const before = bytes.subarray(0, at);
  const lineStart = before.lastIndexOf(0x0a) + 1;
  let line = 1;
  for (let lineFeed = before.indexOf(0x0a); lineFeed >= 0; lineFeed = before.indexOf(0x0a, lineFeed + 1)) line += 1;
  const column = before.toString('utf8', lineStart).length + 1;
  return { kind: 'not-text', detail, position: { file, line, column } };
}

/** What the lenient decoder replaces does not encode to itself. */
function firstInvalidByte(bytes: Buffer): number {
  for (let start = 0; start < bytes.length; ) {
    const end = wholeCharacters(bytes, Math.min(start + CHUNK_BYTES, bytes.length));
    const chunk = bytes.subarray(start, end);
    if (!isUtf8(chunk)) {
      const replaced = Buffer.from(chunk.toString('utf8'));
      return start + chunk.findIndex((byte, index) => byte !== replaced[index]);
    }
    start = end;
  }
  return bytes.length;
}

const CHUNK_BYTES = 65_536;

function wholeCharacters(bytes: Buffer, end: number): number {
  let at = end;
  while (at < bytes.length && end - at < 3 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1;
  return at;
}
