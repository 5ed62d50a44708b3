// A plain TCP port in front of an mTLS one, for tools that have no client certificate of their own.

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';

export interface TlsShim {
  readonly port: number;
  close(): void;
}

/** Each connection becomes one of `options`, octet for octet. */
export async function startTlsShim(options: ConnectionOptions): Promise<TlsShim> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (plain) => {
    const secure = connect({ ...options, checkServerIdentity: () => undefined });
    for (const [one, other] of [
      [plain, secure],
      [secure, plain],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.end();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
