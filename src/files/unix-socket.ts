// From a server to a listening one, and Unix sockets that only those may open who should.

import { lstatSync, unlinkSync } from 'node:fs';
import { createConnection, type Server } from 'node:net';

const CONNECT_TIMEOUT_MS = 1_000;
const ALL_PERMISSIONS = 0o777;

/** `start` calls `listen` of the server; what is wrong with the address rejects. */
export function startListening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    start();
  });
}

/** With exactly `mode`; on Linux connecting needs write permission. When the server closes, the socket is gone. */
export function startListeningAtPath(server: Server, path: string, mode: number): Promise<void> {
  return startListening(server, () => {
    // The socket appears inside this call: setting its mode afterwards would leave a moment in which others could connect.
    const previous = process.umask(ALL_PERMISSIONS & ~mode);
    try {
      server.listen(path);
    } finally {
      process.umask(previous);
    }
  });
}

/** As `startListeningAtPath`, in place of a socket on which nobody listens any more; every other thing there keeps us from listening. */
export async function listenAtPath(server: Server, path: string, mode: number): Promise<void> {
  const isSocket = lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true;
  if (isSocket && (await isSocketAbandoned(path))) unlinkSync(path);
  await startListeningAtPath(server, path, mode);
}

/** Whether a socket was left behind: nobody listens on it any more. */
export function isSocketAbandoned(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const settle = (abandoned: boolean): void => {
      socket.destroy();
      resolve(abandoned);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => settle(false));
    socket.once('connect', () => settle(false));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ECONNREFUSED'));
  });
}
