// HTML of which no part can be forgotten to be escaped: text becomes markup here only.

/** Made by `html`; elsewhere only of what we wrote ourselves. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Part = string | number | Markup | readonly Markup[];

/** What stands between the literal parts is escaped, unless it is markup already. */
export function html(literals: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  const text = literals.reduce((before, literal, index) => before + toText(parts[index - 1] ?? '') + literal);
  return new Markup(text);
}

export const NOTHING = new Markup('');

/** Text in which backticks mark code. */
export function withCode(text: string): readonly Markup[] {
  return text.split('`').map((part, index) => (index % 2 === 0 ? html`${part}` : html`<code>${part}</code>`));
}

function toText(part: Part): string {
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(({ text }) => text).join('');
  return escape(String(part));
}

function escape(text: string): string {
  return (
    text
      .toWellFormed()
      // Controls, and marks that turn the direction of writing or are not seen, are shown for what they are.
      .replaceAll(/[^\P{C}\t\n]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`)
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;')
  );
}
