// What a rule between keys of the configuration file finds, and what it may ask about the file.

export type Path = readonly PropertyKey[];

export interface Conflict {
  readonly code: string;
  readonly path: Path;
  readonly message: string;
}

export interface RuleSource {
  /** Relative paths begin here. */
  readonly directory: string;
  /** `on line 7`, or `by default` when the file does not say it. */
  locate(path: Path): string;
}

/** `listeners[1].bind` */
export function showPath(path: Path): string {
  return path.reduce<string>(
    (shown, step) =>
      typeof step === 'number' ? `${shown}[${step}]` : `${shown === '' ? '' : `${shown}.`}${String(step)}`,
    '',
  );
}
