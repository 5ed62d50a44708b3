// The texts of a revocation that people copy from other programs: each accepted in the forms those print, none that could be read in two ways.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';

export type RevocationTextErrorCode =
  | 'bad-serial'
  /** Only digits, so hexadecimal to one program and decimal to another. */
  | 'ambiguous-serial'
  | 'bad-sha256'
  | 'bad-jti'
  | 'bad-reason'
  | 'bad-instant';

export class RevocationTextError extends SallyportError<RevocationTextErrorCode> {}

const MAX_SERIAL_DIGITS = 40;
const MAX_REASON_LENGTH = 256;
const MAX_TOKEN_ID_LENGTH = 1024;
const HEX = /^(?:0x)?([0-9a-f]+)$/i;
const HEX_PAIRS = /^[0-9a-f]{2}(?::[0-9a-f]{2})+$/i;
const DIGITS = /^[0-9]{2,}$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** Control characters, halves of characters, and what turns a line's direction or hides in it. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Cf}\u2028\u2029]/u;
const NO_TEXT = /[\p{Cc}\p{Cs}]/u;

/**
 * Hexadecimal: with a letter among its digits, in pairs with colons, or after `0x`. Returns it as `Certificate.serialNumber`.
 * @throws {RevocationTextError}
 */
export function parseSerialNumber(text: string): string {
  if (DIGITS.test(text)) throw ambiguousSerial(text);
  const digits = HEX_PAIRS.test(text) ? text.replaceAll(':', '') : HEX.exec(text)?.[1];
  if (digits === undefined) {
    const message = `${quote(text)} is not a serial number in hexadecimal, such as \`4f:2a:01\` or \`0x4f2a01\``;
    throw new RevocationTextError('bad-serial', message);
  }
  const significant = digits.toLowerCase().replace(/^0+(?=.)/, '');
  if (significant.length > MAX_SERIAL_DIGITS) {
    throw new RevocationTextError('bad-serial', `${quote(text)} has more than the 20 octets of a serial number`);
  }
  return significant.length % 2 === 0 ? significant : `0${significant}`;
}

/**
 * 64 hexadecimal digits, with or without colons between each two. Returns them in lower case without colons.
 * @throws {RevocationTextError}
 */
export function parseSha256(text: string): string {
  const digits = (HEX_PAIRS.test(text) ? text.replaceAll(':', '') : text).toLowerCase();
  if (SHA256.test(digits)) return digits;
  throw new RevocationTextError('bad-sha256', `${quote(text)} is not a SHA-256 in hexadecimal, which has 64 digits`);
}

/** @throws {RevocationTextError} */
export function parseReason(text: string): string {
  if (text.trim() === '') throw new RevocationTextError('bad-reason', 'say why, in a few words');
  if (text.length > MAX_REASON_LENGTH) {
    const message = `a reason has at most ${MAX_REASON_LENGTH} characters; this one has ${text.length}`;
    throw new RevocationTextError('bad-reason', message);
  }
  if (!UNPRINTABLE.test(text)) return text;
  throw new RevocationTextError('bad-reason', `${quote(text)} has characters that cannot be printed on one line`);
}

/** @throws {RevocationTextError} */
export function parseTokenId(text: string): string {
  if (text !== '' && text.length <= MAX_TOKEN_ID_LENGTH && !NO_TEXT.test(text)) return text;
  const message = `${quote(text)} is not a token ID of 1 to ${MAX_TOKEN_ID_LENGTH} characters without control characters`;
  throw new RevocationTextError('bad-jti', message);
}

function ambiguousSerial(text: string): RevocationTextError {
  // Longer ones are wrong in either reading, and converting them costs with the square of their length.
  const decimal = text.length > 2 * MAX_SERIAL_DIGITS ? '' : `, \`0x${BigInt(text).toString(16)}\` if it is decimal`;
  const message = `${quote(text)} could be hexadecimal or decimal; write ${quote(`0x${text}`)} if it is hexadecimal${decimal}`;
  return new RevocationTextError('ambiguous-serial', message);
}
