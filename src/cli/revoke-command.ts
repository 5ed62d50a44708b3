// What the commands of `revoke` have in common: their errors, their exit codes, and the list that they are about.

import { readFile } from 'node:fs/promises';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { formatProblem } from '../core/source-position.ts';
import type { Revocation } from '../revocation/revocation.ts';
import { DocumentError } from '../yaml/located.ts';
import type { CommandIo } from './command-io.ts';

type RevokeCommandErrorCode =
  | 'usage'
  | 'unreadable-file'
  /** Somebody else is changing the file, or left in the middle of it. */
  | 'locked'
  | 'cannot-write'
  /** What was to be made is there, or what was to be taken away is not. */
  | 'nothing-to-do';

export class RevokeCommandError extends SallyportError<RevokeCommandErrorCode> {}

/** A revocation file, or a list in Redis. */
export interface RevocationList {
  /** For messages. */
  readonly name: string;
  read(): Promise<Listing>;
  add(entry: Revocation, existing: 'refuse' | 'replace'): Promise<Edit<'added' | 'replaced' | 'exists'>>;
  /** By `revocationKey`. */
  remove(key: string): Promise<Edit<'removed' | 'absent'>>;
  close(): void;
}

export interface Listing {
  readonly entries: readonly Revocation[];
  /** What could not be read; a file with any is refused as a whole. */
  readonly problems: readonly { readonly field: string; readonly message: string }[];
  /** False: sidecars do not take it for the whole list. */
  readonly isWhole: boolean;
}

export interface Edit<Outcome> {
  readonly outcome: Outcome;
  readonly isWhole: boolean;
}

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

export async function runCommand(io: CommandIo, command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    const lines = error instanceof DocumentError ? error.problems.map(formatProblem) : [`sallyport: ${error.message}`];
    io.writeError(`${lines.join('\n')}\n`);
    io.setExitCode(error.code === 'usage' ? EXIT_USAGE : EXIT_FAILURE);
  }
}

export function usage(message: string): RevokeCommandError {
  return new RevokeCommandError('usage', message);
}

export function warn(io: CommandIo, message: string): void {
  io.writeError(`sallyport: warning: ${message}\n`);
}

/** @throws {RevokeCommandError} that names the option */
export function option<T>(name: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    throw new RevokeCommandError('usage', `${name}: ${error.message}`, { cause: error });
  }
}

export async function readInput(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new RevokeCommandError('unreadable-file', `cannot read ${quote(path)}: ${errnoOf(error)}`, { cause: error });
  }
}

/** @throws whatever is not an error of the operating system. */
export function errnoOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  throw error;
}
