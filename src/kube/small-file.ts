// The small files that a connection to a cluster is made of: configuration, certificates, tokens.

import { quote } from '../core/quote.ts';
import { ConnectionError } from './connection-error.ts';
import { describeFailure, nodeFileTree, NO_SUCH_FILE } from './file-tree.ts';

const MAX_BYTES = 4 * 1024 * 1024;

/** @throws {ConnectionError} */
export function readSmallFile(path: string, what: string): Buffer {
  const contents = findSmallFile(path, what);
  if (contents === null) throw unreadable(path, what, NO_SUCH_FILE);
  return contents;
}

/**
 * Null when there is no such file.
 * @throws {ConnectionError}
 */
export function findSmallFile(path: string, what: string): Buffer | null {
  try {
    const contents = nodeFileTree.read(path, MAX_BYTES + 1);
    if (contents.length > MAX_BYTES) throw unreadable(path, what, `larger than the ${MAX_BYTES} bytes that are read`);
    return contents;
  } catch (error) {
    if (error instanceof ConnectionError) throw error;
    const reason = describeFailure(error);
    if (reason === NO_SUCH_FILE) return null;
    throw unreadable(path, what, reason, error);
  }
}

function unreadable(path: string, what: string, reason: string, cause?: unknown): ConnectionError {
  return new ConnectionError('unreadable-file', `${quote(path)}, the ${what}: ${reason}`, { cause });
}
