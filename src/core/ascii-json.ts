// JSON in printable ASCII, for logs, pipes and terminals: what a peer puts into a path, an ID or a certificate can end no line
// and drive no terminal.

/**
 * JSON text with every character beyond `~` escaped. JSON escapes C0 controls only; this also stops DEL, the C1 controls some
 * terminals obey (U+009B begins an ANSI sequence), line separators U+2028 and U+2029, bidirectional overrides and lone surrogates.
 * Outside its strings JSON has none of these. Line feeds between documents stay.
 */
export function escapeJson(json: string): string {
  return json.replace(/[^\n -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What stands in JSON as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** `text` as a string of JSON in printable ASCII. */
export function quoteJson(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : escapeJson(JSON.stringify(text));
}
