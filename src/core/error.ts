// The one base of every error this program throws on purpose: a stable code for programs, a sentence for people.

/**
 * A typed failure. `code` is kebab-case from the closed list of the thrower; `message` is lower case, names the offending
 * input in backticks, carries no secrets and says what to do where that is not obvious.
 */
export abstract class SallyportError<Code extends string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
