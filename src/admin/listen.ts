// From a server to a listening one: free ports, sockets only their owner may open, and what to say when that fails.

import type { Server } from 'node:net';
import { SallyportError } from '../core/error.ts';
import { listenAtPath, startListening } from '../files/unix-socket.ts';
import { type BindAddress, formatBindAddress } from './bind-address.ts';

export class ListenError extends SallyportError<'cannot-listen'> {}

/** The mode of a Unix socket that nobody else may open. */
export const OWNER_ONLY = 0o600;

/** Listens, and gives the address with the port that was found free; `mode` is that of a Unix socket. Throws ListenError. */
export async function listen(server: Server, bind: BindAddress, mode: number): Promise<BindAddress> {
  try {
    if (bind.kind === 'unix') await listenAtPath(server, bind.path, mode);
    else await startListening(server, () => server.listen({ host: bind.host, port: bind.port }));
  } catch (error) {
    throw toListenError(error, bind);
  }
  const address = server.address();
  if (bind.kind === 'unix' || address === null || typeof address === 'string') return bind;
  return { kind: 'tcp', host: address.address, port: address.port };
}

/** @throws whatever is not an error of the operating system. */
export function toListenError(error: unknown, bind: BindAddress): ListenError {
  if (error instanceof ListenError) return error;
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error;
  const code = String(error.code);
  const message = `cannot listen on \`${formatBindAddress(bind)}\`: ${EXPLANATIONS.get(code) ?? error.message} (${code})`;
  return new ListenError('cannot-listen', message, { cause: error });
}

const EXPLANATIONS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'something else listens there already'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
  ['EACCES', 'this process may not listen there'],
  ['ENOENT', 'there is no such directory'],
]);
