// What must hold of the path of a unix socket, whoever binds it or connects to it.

import { resolve } from 'node:path';
import { quote } from '../core/quote.ts';
import type { Conflict, Path, RuleSource } from './config-conflict.ts';
import type { UnixAddress } from './config-values.ts';

// A socket address holds 108 bytes with the NUL that ends it; longer paths are cut or refused by the system, late and obscurely.
const MAX_SOCKET_PATH_BYTES = 107;

export function* findLongSocketPath(path: Path, address: UnixAddress, { directory }: RuleSource): Iterable<Conflict> {
  const absolute = resolve(directory, address.path);
  if (Buffer.byteLength(absolute) <= MAX_SOCKET_PATH_BYTES) return;
  const message = `${quote(absolute)} is longer than the ${MAX_SOCKET_PATH_BYTES} bytes of a unix socket's path`;
  yield { code: 'socket-path-too-long', path, message };
}
