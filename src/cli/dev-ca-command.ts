// What the commands of `dev-ca` have in common: their errors and exit codes, their options, and the files of a CA.

import { webcrypto } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../core/clock.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import type { AuthoritySource } from '../devca/authority.ts';
import type { Issuing } from '../devca/sign.ts';
import type { CommandIo } from './command-io.ts';

type DevCaCommandErrorCode = 'usage' | 'unreadable-file';

export class DevCaCommandError extends SallyportError<DevCaCommandErrorCode> {}

export function option<T>(name: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    throw new DevCaCommandError('usage', `${name}: ${error.message}`, { cause: error });
  }
}

export async function runCommand(io: CommandIo, command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    io.writeError(`sallyport: ${error.message}\n`);
    // An ID that no CA could issue is as wrong an argument as one that does not parse.
    io.setExitCode(error.code === 'usage' || error.code === 'id-without-path' ? 2 : 1);
  }
}

export function usage(message: string): DevCaCommandError {
  return new DevCaCommandError('usage', message);
}

export function warn(io: CommandIo, message: string): void {
  io.writeError(`sallyport: warning: ${message}\n`);
}

export async function readAuthority(directory: string, io: CommandIo): Promise<AuthoritySource> {
  const certificateFile = join(directory, 'ca.pem');
  const privateKeyFile = join(directory, 'ca.key');
  const remedy = `make a development CA with \`dev-ca init --trust-domain NAME --out ${directory}\``;
  const certificate = await readInput(certificateFile, remedy);
  const privateKey = await readInput(privateKeyFile, remedy);
  if (((await stat(privateKeyFile)).mode & 0o077) !== 0) {
    warn(io, `others can read ${quote(privateKeyFile)}; make a new CA with \`dev-ca init --force\``);
  }
  return { certificate, certificateFile, privateKey, privateKeyFile };
}

export async function readInput(path: string, remedy: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
    throw new DevCaCommandError('unreadable-file', `cannot read ${quote(path)} (${code}); ${remedy}`, { cause: error });
  }
}

export function now(): Issuing {
  return { nowMs: systemClock.wallMs(), crypto: webcrypto };
}
