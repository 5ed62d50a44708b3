// Why a file could not be taken as it is on disk; what stands in it is for its parser to judge.

import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';

export type FileErrorCode =
  | 'not-found'
  | 'permission-denied'
  /** A directory where a file is expected, or a socket, pipe or device. */
  | 'not-a-file'
  | 'link-loop'
  | 'too-large'
  | 'too-many-files'
  | 'too-deep'
  /** Anyone on this machine could have written it. */
  | 'world-writable'
  /** It changed each time while it was read. */
  | 'unstable'
  | 'unreadable';

/** The message begins with the path. */
export class FileError extends SallyportError<FileErrorCode> {
  readonly path: string;

  constructor(code: FileErrorCode, path: string, options?: ErrorOptions) {
    super(code, `${quote(path)}: ${EXPLANATIONS[code]}${errnoOf(code, options?.cause)}`, options);
    this.path = path;
  }
}

/** What the operating system called it, where our own word for it says nothing. */
function errnoOf(code: FileErrorCode, cause: unknown): string {
  return code === 'unreadable' && cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
}

/** @throws whatever is not an error of the operating system. */
export function toFileError(error: unknown, path: string): FileError {
  if (error instanceof FileError) return error;
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error;
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new FileError('not-found', path, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new FileError('permission-denied', path, { cause: error });
    case 'EISDIR':
      return new FileError('not-a-file', path, { cause: error });
    case 'ELOOP':
      return new FileError('link-loop', path, { cause: error });
    default:
      return new FileError('unreadable', path, { cause: error });
  }
}

const EXPLANATIONS: Readonly<Record<FileErrorCode, string>> = {
  'not-found': 'no such file or directory',
  'permission-denied': 'this process may not read it',
  'not-a-file': 'not a regular file',
  'link-loop': 'too many symbolic links',
  'too-large': 'larger than the 8 MiB that are read',
  'too-many-files': 'more than the 1000 files that are read',
  'too-deep': 'directories nested more than 4 deep',
  'world-writable': 'everyone on this machine may write it; take that permission away (chmod o-w)',
  unstable: 'it changed each time while it was read',
  unreadable: 'it could not be read',
};
