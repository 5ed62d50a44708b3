// PEM text to DER blocks that remember the line they began on; anything that only looks like PEM is refused.
// RFC 7468 §2, §3

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';

export interface PemBlock {
  /** Between `BEGIN` and the dashes: `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string;
  readonly der: Buffer;
  /** Of the `BEGIN` line, from 1. */
  readonly line: number;
}

export type PemErrorCode =
  /** Over 4 MiB. */
  | 'pem-too-large'
  /** A line with `-----BEGIN` or `-----END` that is not exactly a boundary: a byte order mark, a space, a typing error. */
  | 'pem-boundary'
  /** `END` without `BEGIN`, `BEGIN` inside a block, or labels that differ. */
  | 'pem-nesting'
  /** The file ends inside a block; it may have been read while it was written. */
  | 'pem-truncated'
  /** A header inside a block (RFC 1421); encrypted keys have them. */
  | 'pem-header'
  /** Not canonical base64. */
  | 'pem-base64'
  /** A block with nothing in it. */
  | 'pem-empty-block';

export class PemError extends SallyportError<PemErrorCode> {}

const MAX_PEM_BYTES = 4 * 1024 * 1024;
const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9]+(?:[ -][A-Z0-9]+)*)-----$/;
const LOOKS_LIKE_BOUNDARY = /-----\s*(?:BEGIN|END)/i;
const BASE64_LINE = /^[A-Za-z0-9+/]+={0,2}$/;

interface OpenBlock {
  readonly label: string;
  readonly line: number;
  readonly base64: string[];
}

/**
 * All blocks of `source` in their order, none for a file without any; text between blocks is skipped (§2). `file` is used in messages only.
 * @throws {PemError} whose message begins with `file:line`
 */
export function parsePem(source: Uint8Array, file: string): readonly PemBlock[] {
  if (source.length > MAX_PEM_BYTES) {
    throw new PemError(
      'pem-too-large',
      `${file}: the file has ${source.length} bytes; at most ${MAX_PEM_BYTES} are read`,
    );
  }
  const blocks: PemBlock[] = [];
  let open: OpenBlock | null = null;
  const lines = Buffer.from(source.buffer, source.byteOffset, source.length).toString('latin1').split('\n');
  for (const [index, raw] of lines.entries()) {
    const line = index + 1;
    const text = raw.trimEnd();
    const boundary = BOUNDARY.exec(text);
    if (boundary === null) {
      if (LOOKS_LIKE_BOUNDARY.test(text)) {
        const message = `${file}:${line}: ${quote(text)} is not a PEM boundary; it has to be alone on its line, as \`-----BEGIN CERTIFICATE-----\``;
        throw new PemError('pem-boundary', message);
      }
      if (open !== null) open.base64.push(base64Line(text, `${file}:${line}`));
      continue;
    }
    const [, kind, label = ''] = boundary;
    if (kind === 'BEGIN') {
      if (open !== null) {
        const message = `${file}:${line}: a block begins inside the ${open.label} block of line ${open.line}`;
        throw new PemError('pem-nesting', message);
      }
      open = { label, line, base64: [] };
      continue;
    }
    if (open === null || open.label !== label) {
      const found = open === null ? 'no block is open' : `the open block is ${open.label}, of line ${open.line}`;
      throw new PemError('pem-nesting', `${file}:${line}: \`END ${label}\`, but ${found}`);
    }
    blocks.push(closeBlock(open, file));
    open = null;
  }
  if (open !== null) {
    const message = `${file}:${open.line}: the ${open.label} block has no end; the file may have been cut while it was written`;
    throw new PemError('pem-truncated', message);
  }
  return blocks;
}

export function formatPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n');
  return `-----BEGIN ${label}-----\n${base64}-----END ${label}-----\n`;
}

/** The message never shows the line: in a key file it would be part of the key. */
function base64Line(text: string, position: string): string {
  if (BASE64_LINE.test(text)) return text;
  if (text.includes(':')) {
    const message = `${position}: a header inside a PEM block; encrypted private keys have them and are not supported`;
    throw new PemError('pem-header', message);
  }
  throw new PemError('pem-base64', `${position}: a line that is not base64`);
}

function closeBlock({ label, line, base64 }: OpenBlock, file: string): PemBlock {
  const text = base64.join('');
  if (text === '') throw new PemError('pem-empty-block', `${file}:${line}: the ${label} block is empty`);
  const der = Buffer.from(text, 'base64');
  // Node skips what it does not understand; only text that encodes back to itself had one meaning (padding, spare bits).
  if (der.toString('base64') !== text) {
    throw new PemError('pem-base64', `${file}:${line}: the ${label} block is not canonical base64`);
  }
  return { label, der, line };
}
