// Credentials in a file, whatever its name: texts to their end or to a bound, of everything else where it begins and ends.

import { detectCredentials } from '../audit/credentials/detect.ts';
import type { Detection } from '../audit/credentials/detection.ts';
import type { ByteSource } from './content/byte-source.ts';

export interface CredentialScan {
  readonly detections: readonly Detection[];
  /** Why not all of it was looked at; null when it was, as far as a file of its kind is. */
  readonly unsearched: string | null;
}

const MAX_TEXT_BYTES = 64 * 1024 * 1024;
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Longer than any key in PEM. */
const OVERLAP_BYTES = 32 * 1024;
const BINARY_BYTES = 1024 * 1024;
const MAX_DETECTIONS = 32;
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;

/** `texts`: strings of pickles, of which one is often the name of the next. */
export function scanCredentials(source: ByteSource, name: string, texts: readonly string[]): CredentialScan {
  const head = Buffer.from(source.read(0, 8192));
  const keystore = keystoreIn(head);
  if (keystore !== null) return { detections: [keystore], unsearched: null };
  const encoding = encodingOf(head);
  if (encoding === 'binary') return { detections: scanBinary(source, name, texts), unsearched: null };
  const bytes = Math.min(source.size, MAX_TEXT_BYTES);
  const detections = scanText(source, name, { bytes, encoding });
  const unsearched =
    source.size > bytes ? `a text of ${source.size} bytes, of which the first 64 MiB were searched` : null;
  return { detections, unsearched };
}

function scanText(
  source: ByteSource,
  name: string,
  { bytes, encoding }: { readonly bytes: number; readonly encoding: 'utf8' | 'utf16le' },
): readonly Detection[] {
  const found: Detection[] = [];
  let line = 0;
  for (let at = 0; at < bytes && found.length < MAX_DETECTIONS; at += WINDOW_BYTES) {
    const buffer = Buffer.from(source.read(at, Math.min(WINDOW_BYTES + OVERLAP_BYTES, bytes - at)));
    const text = buffer.toString(encoding);
    // Cells of notebooks stand in JSON strings, with their quotes escaped.
    const plain = /\.ipynb$/i.test(name) ? text.replaceAll('\\"', '"').replaceAll('\\n', ' ') : text;
    for (const detection of detectCredentials(name, plain, { form: 'text' })) {
      const moved = { ...detection, line: detection.line + line };
      if (!found.some((known) => isSame(known, moved))) found.push(moved);
    }
    line += countLines(buffer.subarray(0, WINDOW_BYTES));
  }
  return found.slice(0, MAX_DETECTIONS);
}

/** What stands where two windows overlap is found twice. */
function isSame(left: Detection, right: Detection): boolean {
  return (
    left.line === right.line && left.kind === right.kind && left.name === right.name && left.length === right.length
  );
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) lines += 1;
  return lines;
}

/** Names mean nothing among bytes; the forms of tokens and keys do. */
function scanBinary(source: ByteSource, name: string, texts: readonly string[]): readonly Detection[] {
  const tailAt = Math.max(BINARY_BYTES, source.size - BINARY_BYTES);
  const pieces = [
    Buffer.from(source.read(0, BINARY_BYTES)).toString('latin1'),
    Buffer.from(source.read(tailAt, BINARY_BYTES)).toString('latin1'),
    texts.join('\n'),
  ];
  const byForm = pieces.flatMap((piece) =>
    detectCredentials(name, piece, { form: 'text' }).filter(
      ({ basis, name: own }) => basis === 'format' && own === null,
    ),
  );
  const byName = texts.flatMap((text, index) => {
    const value = texts[index + 1];
    return value === undefined || !NAME.test(text) ? [] : detectCredentials(text, value, { form: 'value' });
  });
  const seen = new Set<string>();
  return [...byName, ...byForm]
    .filter(({ kind, length, name: own }) => {
      const key = `${kind}\n${length}`;
      if (own === null && seen.has(key)) return false;
      seen.add(key);
      return true;
    })
    .map((detection) => ({ ...detection, line: 1 }))
    .slice(0, MAX_DETECTIONS);
}

function encodingOf(head: Buffer): 'utf8' | 'utf16le' | 'binary' {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf16le';
  return head.includes(0) ? 'binary' : 'utf8';
}

/** PKCS#12 (RFC 7292 §4: version 3, then the authenticated safe) and Java's own. */
function keystoreIn(head: Buffer): Detection | null {
  const hex = head.subarray(0, 24).toString('hex');
  const isPkcs12 = /^30(?:8[1-4][0-9a-f]{2,8}?)?02010330/.test(hex);
  const isJava = hex.startsWith('feedfeed') || hex.startsWith('cececece');
  if (!isPkcs12 && !isJava) return null;
  return {
    kind: 'keystore',
    title: isPkcs12 ? 'a PKCS#12 keystore' : 'a Java keystore',
    basis: 'format',
    name: null,
    start: 0,
    length: head.length,
    line: 1,
    prefix: null,
    expiresMs: null,
    isLimited: true,
  };
}
