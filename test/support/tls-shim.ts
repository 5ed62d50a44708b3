// A port in front of an mTLS one, plain or of TLS, for tools that have no client certificate of their own.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { connect, type ConnectionOptions, createServer as createTlsServer, type TlsOptions } from 'node:tls';

export interface TlsShim {
  readonly port: number;
  close(): void;
}

/** Each connection becomes one of `options`, octet for octet. `front` is null for plain TCP. */
export async function startTlsShim(options: ConnectionOptions, front: TlsOptions | null = null): Promise<TlsShim> {
  const sockets = new Set<Socket>();
  const pass = (plain: Socket): void => {
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
  };
  const server: Server =
    front === null ? createServer({ noDelay: true }, pass) : createTlsServer({ noDelay: true, ...front }, pass);
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
