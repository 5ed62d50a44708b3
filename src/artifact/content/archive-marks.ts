// The marks by which archives and compressed files are known, those too that are not looked into.

const COMPRESSED: readonly (readonly [magic: string, name: string])[] = [
  ['425a68', 'bzip2'],
  ['fd377a585a00', 'xz'],
  ['04224d18', 'LZ4'],
  ['28b52ffd', 'Zstandard'],
  ['5d0000', 'LZMA'],
  ['377abcaf271c', '7-Zip'],
];

/** Of those that are not unpacked; null for anything else. */
export function nameOfCompression(head: Uint8Array): string | null {
  return COMPRESSED.find(([magic]) => hasMagic(head, magic))?.[1] ?? null;
}

export function hasTarMark(head: Uint8Array): boolean {
  const isTar = Buffer.from(head.subarray(257, 262)).toString('latin1') === 'ustar';
  return isTar || hasTarChecksum(head);
}

/** `magic` in hexadecimal. */
export function hasMagic(head: Uint8Array, magic: string): boolean {
  return Buffer.from(head.subarray(0, magic.length / 2)).toString('hex') === magic;
}

/** The oldest form has no mark: only the sum of its first block, in octal, where spaces are added up instead of it. */
function hasTarChecksum(head: Uint8Array): boolean {
  const field = Buffer.from(head.subarray(148, 156)).toString('latin1');
  const digits = /^ *([0-7]{1,8})[\0 ]*$/.exec(field)?.[1];
  if (head.length < 512 || digits === undefined) return false;
  const told = Number.parseInt(digits, 8);
  const isChecksum = (at: number): boolean => at >= 148 && at < 156;
  const [unsigned, signed] = [
    (byte: number): number => byte,
    // As some wrote it for names beyond ASCII.
    (byte: number): number => (byte < 128 ? byte : byte - 256),
  ].map((valueOf) => head.reduce((sum, byte, at) => sum + (isChecksum(at) ? 0x20 : valueOf(byte)), 0));
  return told === unsigned || told === signed;
}
