// A password in a file of its own: one line, and nothing that a person did not mean to be part of it.

import { isUtf8 } from 'node:buffer';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import type { GroupFile } from './file-group.ts';

class PasswordFileError extends SallyportError<'invalid-password'> {}

/** The line without its end. @throws {PasswordFileError} whose message begins with the file and never holds what stands in it */
export function parsePasswordFile({ path, bytes }: GroupFile): string {
  const refuse = (why: string): never => {
    throw new PasswordFileError('invalid-password', `${quote(path)}: ${why}`);
  };
  if (!isUtf8(bytes)) return refuse('the password is not UTF-8');
  const password = bytes.toString('utf8').replace(/\r?\n$/, '');
  if (password === '') return refuse('the file has no password');
  // oxlint-disable-next-line no-control-regex -- exactly those are refused
  if (/[\x00-\x1f\x7f]/.test(password)) return refuse('the file has more than one line, or control characters');
  return password;
}
