// Text for a person to paste into a shell.

/** One argument that can be pasted into a shell. */
export function shellWord(text: string): string {
  return /^[\w./:=@%-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
