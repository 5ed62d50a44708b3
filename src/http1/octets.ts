// The character classes of RFC 9110 and RFC 9112 as tables over one octet, for loops that read a head once.

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const PERCENT = 0x25;
export const DOT = 0x2e;
export const SLASH = 0x2f;
export const DIGIT_0 = 0x30;
export const DIGIT_9 = 0x39;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const BACKSLASH = 0x5c;
export const DEL = 0x7f;

export const NOT_HEX = 0xff;

const TOKEN_SYMBOLS = "!#$%&'*+-.^_`|~";
const HEX_DIGITS = '0123456789abcdef';

/** The lower-case form of a token character (RFC 9110 §5.6.2); 0 for every octet that is not one. */
export const TOKEN: Uint8Array = tableOf((character) =>
  /[0-9a-z]/i.test(character) || TOKEN_SYMBOLS.includes(character) ? character.toLowerCase().charCodeAt(0) : 0,
);

/** 1 for HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5). */
export const FIELD_VALUE: Uint8Array = tableOf((character) => (/[\t\x20-\x7e\x80-\xff]/.test(character) ? 1 : 0));

/** The value of a hex digit in either case; NOT_HEX for every other octet. */
export const HEX: Uint8Array = tableOf((character) => {
  const value = HEX_DIGITS.indexOf(character.toLowerCase());
  return value === -1 ? NOT_HEX : value;
});

/** A table of 256 entries, one for each octet taken as a latin1 character. */
export function tableOf(entryOf: (character: string) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => entryOf(String.fromCharCode(octet)));
}

/** `bytes[at]` for an index the caller knows to be inside: every scan ends at a CR that is known to be there. */
export function octetAt(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

/** Whether `text`, of ASCII, stands at `from`; octets beyond the end are not those of any text. */
export function isAt(bytes: Uint8Array, from: number, text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (bytes[from + at] !== text.charCodeAt(at)) return false;
  return true;
}

/** Whether `text` is a token (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    // `undefined` beyond latin1, 0 for a delimiter.
    if (!TOKEN[text.charCodeAt(at)]) return false;
  }
  return text.length > 0;
}
