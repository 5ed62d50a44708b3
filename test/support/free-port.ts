// A port for a program of others that cannot be told to take any.

import { createServer } from 'node:net';

// Outside what the system gives to others who ask for any: it has to be free still when the program takes it, and after a restart.
const PORTS = { first: 20_000, count: 10_000 };

/** On 127.0.0.1. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)));
  });
}
