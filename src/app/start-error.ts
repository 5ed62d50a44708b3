// Why the sidecar does not start: a line for each problem, beginning with the place where a person would look.

import { SallyportError } from '../core/error.ts';
import { formatProblem, type Problem, type SourcePosition } from '../core/source-position.ts';
import { FileError } from '../files/file-error.ts';
import { TrustBundleFilesError } from '../files/identity-files.ts';
import { DocumentError } from '../yaml/located.ts';
import type { Config } from './config.ts';

export class StartError extends SallyportError<'cannot-start'> {
  constructor(lines: readonly string[], options?: ErrorOptions) {
    super('cannot-start', lines.join('\n'), options);
  }
}

/**
 * The lines for what reading and parsing the files of a configuration failed with.
 * @throws what is not a failure of that kind.
 */
export function describeLoadFailure(error: unknown, config: Config): readonly string[] {
  if (!(error instanceof SallyportError)) throw error;
  if (error instanceof DocumentError) return error.problems.map(formatProblem);
  if (error instanceof TrustBundleFilesError) return error.errors.flatMap((one) => describeLoadFailure(one, config));
  if (error instanceof FileError) return [formatProblem(toProblem(error, placeOf(error.path, config)))];
  // Of identities and bundles: these messages begin with the file at fault, and where there is one, the line.
  return [`${error.message} [${error.code}]`];
}

export function toProblem({ code, message }: SallyportError<string>, position: SourcePosition): Problem {
  return { code, message, position };
}

/** Where the configuration names the file, or the directory of the file, at `path`. */
function placeOf(path: string, { positions }: Config): SourcePosition {
  return positions.files.get(path) ?? positions.policy;
}
