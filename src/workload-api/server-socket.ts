// Where an agent listens: a Unix socket with exactly the mode asked for, or a loopback port; never in the place of one that answers.
// SPIFFE_Workload_Endpoint.md §3, §4

import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import { isLoopbackHost } from '../core/loopback.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
import { isSocketAbandoned, startListening, startListeningAtPath } from '../files/unix-socket.ts';
import { type EndpointAddress, formatEndpointAddress } from './endpoint-address.ts';

export type AgentSocketErrorCode =
  /** Something answers at the Unix socket: most likely another agent. */
  | 'socket-in-use'
  /** A file, directory or link where the Unix socket should be. */
  | 'not-a-socket'
  | 'socket-path-too-long'
  /** A TCP address that others on the network could reach. */
  | 'not-loopback'
  /** What the operating system says stands in the message. */
  | 'cannot-listen';

class AgentSocketError extends SallyportError<AgentSocketErrorCode> {}

export interface AgentSocket {
  readonly address: EndpointAddress;
  /** Of a Unix socket. Whoever may write to it may connect. */
  readonly mode: number;
}

/** unix(7): 108 bytes with the NUL at the end; macOS has four less. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/**
 * Listens, and gives the address with the port that was found free. When the server closes, its Unix socket is gone.
 * @throws {AgentSocketError}
 */
export async function listenForWorkloads(server: Server, socket: AgentSocket): Promise<EndpointAddress> {
  const { address, mode } = socket;
  if (address.kind === 'unix') {
    await clearPath(address.path);
    await explained(startListeningAtPath(server, address.path, mode), address);
    return address;
  }
  if (!isLoopbackHost(address.host)) {
    const message = `${quote(formatEndpointAddress(address))}: keys are handed out here, so only this machine may connect; use 127.0.0.1`;
    throw new AgentSocketError('not-loopback', message);
  }
  const { host, port } = address;
  await explained(
    startListening(server, () => server.listen({ host, port })),
    address,
  );
  const found = server.address();
  return { ...address, port: found === null || typeof found === 'string' ? port : found.port };
}

async function explained(started: Promise<void>, address: EndpointAddress): Promise<void> {
  try {
    await started;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    // libuv tells a missing directory as a missing permission.
    const isHomeless = address.kind === 'unix' && !existsSync(dirname(address.path));
    const why = EXPLANATIONS.get(isHomeless ? 'ENOENT' : String(error.code)) ?? error.message;
    const message = `cannot listen on ${quote(formatEndpointAddress(address))}: ${why}`;
    throw new AgentSocketError('cannot-listen', message, { cause: error });
  }
}

const EXPLANATIONS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'something else listens there already'],
  ['EACCES', 'this process may not listen there'],
  ['ENOENT', 'there is no such directory'],
]);

/** Removes a socket on which nobody answers; whatever else is there, is somebody's. */
async function clearPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    const message = `${quote(path)}: the path of a socket has at most ${MAX_PATH_BYTES} bytes; choose a shorter one`;
    throw new AgentSocketError('socket-path-too-long', message);
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new AgentSocketError(
      'not-a-socket',
      `${quote(path)} is there already and is not a socket; choose another name`,
    );
  }
  if (!(await isSocketAbandoned(path))) {
    const message = `an agent answers at ${quote(path)} already; stop it, or choose another socket`;
    throw new AgentSocketError('socket-in-use', message);
  }
  unlinkSync(path);
}
