// Channel credentials without TLS that can end the connections made with them: grpc-js alone leaves one open for ever on which the other
// side never speaks HTTP/2, and so one more with each attempt to reach an agent that hangs.

import type { Socket } from 'node:net';
import { CallCredentials, ChannelCredentials, type experimental } from '@grpc/grpc-js';

/** SPIFFE_Workload_Endpoint.md §3.1: TLS is not to be required. */
export class PlaintextCredentials extends ChannelCredentials {
  readonly #sockets = new Set<Socket>();
  #isClosed = false;

  override _isSecure(): boolean {
    return false;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(): experimental.SecureConnector {
    return {
      connect: (socket) => this.#hold(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }

  /** Ends every connection at once, and those that are still being made when they are there. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  async #hold(socket: Socket): Promise<experimental.SecureConnectResult> {
    if (this.#isClosed) throw new Error('the channel was closed while it connected');
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return { socket, secure: false };
  }
}
