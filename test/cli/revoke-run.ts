// The command line without a terminal.

import { runProgram } from '../../src/cli/program.ts';

export interface Outcome {
  readonly output: string;
  readonly errors: string;
  readonly exitCode: number;
}

interface Terminal {
  readonly colour: boolean;
}

export async function sallyport(first: string | Terminal, ...rest: readonly string[]): Promise<Outcome> {
  const outcome = { output: '', errors: '', exitCode: 0 };
  const argv = typeof first === 'string' ? [first, ...rest] : rest;
  await runProgram(argv, '1.2.3', {
    tell(text) {
      this.write(text);
    },
    write: (text) => {
      outcome.output += text;
    },
    writeError: (text) => {
      outcome.errors += text;
    },
    stdin: (async function* () {})(),
    colour: typeof first === 'string' ? false : first.colour,
    setExitCode: (code) => {
      outcome.exitCode = code;
    },
  });
  return outcome;
}
