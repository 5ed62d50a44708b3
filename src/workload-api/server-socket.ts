// Where an agent listens: a Unix socket with exactly the mode asked for, or a loopback port; never in the place of one that answers.
// SPIFFE_Workload_Endpoint.md §3, §4

import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { createConnection, type Server } from 'node:net';
import { dirname } from 'node:path';
import { isLoopbackHost } from '../core/loopback.ts';
import { SallyportError } from '../core/error.ts';
import { quote } from '../core/quote.ts';
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

const CONNECT_TIMEOUT_MS = 1_000;
const ALL_PERMISSIONS = 0o777;
/** unix(7): 108 bytes with the NUL at the end; macOS has four less. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/**
 * Listens, and gives the address with the port that was found free. When the server closes, its Unix socket is gone.
 * @throws {AgentSocketError}
 */
export async function listenForWorkloads(server: Server, socket: AgentSocket): Promise<EndpointAddress> {
  const { address, mode } = socket;
  if (address.kind === 'tcp') {
    if (!isLoopbackHost(address.host)) {
      const message = `${quote(formatEndpointAddress(address))}: keys are handed out here, so only this machine may connect; use 127.0.0.1`;
      throw new AgentSocketError('not-loopback', message);
    }
    const { host, port } = address;
    await started(server, address, () => server.listen({ host, port }));
    const found = server.address();
    return { ...address, port: found === null || typeof found === 'string' ? port : found.port };
  }
  await clearPath(address.path);
  await started(server, address, () => {
    // The socket appears inside this call: setting its mode afterwards would leave a moment in which others could connect.
    const previous = process.umask(ALL_PERMISSIONS & ~mode);
    try {
      server.listen(address.path);
    } finally {
      process.umask(previous);
    }
  });
  return address;
}

function started(server: Server, address: EndpointAddress, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      // libuv tells a missing directory as a missing permission.
      const isHomeless = address.kind === 'unix' && !existsSync(dirname(address.path));
      const code = isHomeless ? 'ENOENT' : (error.code ?? '');
      const why = EXPLANATIONS.get(code) ?? error.message;
      const message = `cannot listen on ${quote(formatEndpointAddress(address))}: ${why}`;
      reject(new AgentSocketError('cannot-listen', message, { cause: error }));
    };
    server.once('error', fail);
    server.once('listening', () => {
      server.off('error', fail);
      resolve();
    });
    start();
  });
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
  if (!(await isRefused(path))) {
    const message = `an agent answers at ${quote(path)} already; stop it, or choose another socket`;
    throw new AgentSocketError('socket-in-use', message);
  }
  unlinkSync(path);
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(path);
    const settle = (refused: boolean): void => {
      connection.destroy();
      resolve(refused);
    };
    connection.setTimeout(CONNECT_TIMEOUT_MS, () => settle(false));
    connection.once('connect', () => settle(false));
    connection.once('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ECONNREFUSED'));
  });
}
