// What a command may touch of the terminal it runs in, so that tests run commands without one.

export interface CommandIo {
  /** Standard output, as is: the caller ends its lines. Waits for a slow reader, so that no answer piles up in memory. */
  write(text: string): void;
  /** The same of a command that goes on, and must not stand still for a reader that does. */
  tell(text: string): void;
  /** Standard error, as is. */
  writeError(text: string): void;
  readonly stdin: AsyncIterable<Buffer>;
  /** True when standard output is a terminal that takes colour. */
  readonly colour: boolean;
  setExitCode(code: number): void;
}
