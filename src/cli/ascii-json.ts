// JSON for pipes and terminals alike: whatever stood in a certificate or on standard input, the line is ASCII.

/** One line, without its line feed; everything outside visible ASCII as `\uXXXX`, which means the same to a JSON parser. */
export function toAsciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
