// Outside text inside our messages: bounded, on one line, and unable to move a terminal's cursor or close its quotes.

const MAX_QUOTED_LENGTH = 160;
const NEEDS_ESCAPE = /[^\x20-\x7e]|[`\\]/gu;

/** `text` in backticks; anything but visible ASCII as `\u{…}` (which also shows a homoglyph for what it is), cut after 160 characters. */
export function quote(text: string): string {
  const shown = text.length > MAX_QUOTED_LENGTH ? text.slice(0, MAX_QUOTED_LENGTH) : text;
  const escaped = shown.replace(NEEDS_ESCAPE, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`);
  return shown.length < text.length ? `\`${escaped}…\`` : `\`${escaped}\``;
}
