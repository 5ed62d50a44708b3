// Text of other people in a terminal: nothing in a manifest moves a cursor, turns the direction of writing or hides a letter.

/** One line. Signs that our own messages use stay; whatever else is not visible ASCII is written as `\u{…}`. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e…·→←–×≤≥]/gu, (character) =>
    /\s/.test(character) ? ' ' : `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`,
  );
}

/** Lines of at most `width` characters, broken between words where that is possible. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/ +/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  return line === '' ? lines : [...lines, line];
}
