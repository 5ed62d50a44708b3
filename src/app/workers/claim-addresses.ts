// Makes sure of the addresses that several processes are about to share, and finds the port where the configuration says any.

import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Config, ListenerConfig } from '../config.ts';
import { listenAt } from '../listen-at.ts';

/**
 * Listens on each alone for a moment: who shares an address would not be told that somebody else does as well, and would get a part of
 * their connections. @throws {StartError} with the place of an address that is taken.
 */
export async function claimAddresses({ listeners }: Config): Promise<ReadonlyMap<string, AddressInfo>> {
  const claims = new Map<string, Server>();
  try {
    // One after the other and all at once: two that take any port do not take the same.
    for (const listener of listeners) claims.set(listener.name, await listenAt(listener, () => listenAlone(listener)));
    return new Map(Array.from(claims, ([name, server]) => [name, addressOf(server)]));
  } finally {
    await Promise.all(Array.from(claims.values(), closed));
  }
}

async function listenAlone({ name, bind }: ListenerConfig): Promise<Server> {
  if (bind.kind === 'unix') throw new Error(`the unix socket of ${name} cannot be shared`);
  const { host, port } = bind;
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  return server;
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has no address');
  return address;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
