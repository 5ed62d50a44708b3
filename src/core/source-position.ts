// Where in a file something stands, and how a problem there is told to a person.

export interface SourcePosition {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
}

/** One thing wrong with an input file; a reader of the file collects all of them before it gives up. */
export interface Problem {
  /** Kebab-case, stable. */
  readonly code: string;
  readonly message: string;
  readonly position: SourcePosition;
}

/** `file:line:column`, the form editors and terminals turn into a link. */
export function formatPosition(position: SourcePosition): string {
  return `${position.file}:${position.line}:${position.column}`;
}

/** `file:line:column: message [code]`. */
export function formatProblem(problem: Problem): string {
  return `${formatPosition(problem.position)}: ${problem.message} [${problem.code}]`;
}

/** By file name, then in the order of the text. */
export function comparePositions(left: SourcePosition, right: SourcePosition): number {
  if (left.file !== right.file) return left.file < right.file ? -1 : 1;
  return left.line - right.line || left.column - right.column;
}
