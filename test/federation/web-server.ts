// A server where a bundle endpoint should be: says over TLS exactly what a test wants said.

import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export class WebServer {
  /** As `METHOD target`. */
  readonly asked: string[] = [];
  /** The fields of the last request. */
  fields: IncomingMessage['headers'] = {};
  handshakes = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Set<() => void>();

  private constructor(options: TlsOptions, answer: Answer) {
    this.#server = createServer(options, (request, response) => {
      this.asked.push(`${request.method} ${request.url}`);
      this.fields = request.headers;
      answer(request, response);
    });
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const look of this.#waiting) look();
      });
    });
    this.#server.on('secureConnection', () => (this.handshakes += 1));
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(options: TlsOptions, answer: Answer): Promise<WebServer> {
    const server = new WebServer(options, answer);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return address.port;
  }

  urlOf(path: string, host = '127.0.0.1'): URL {
    return new URL(`https://${host}:${this.port}${path}`);
  }

  /** Resolves when nobody is connected any more. */
  async isLeft(): Promise<void> {
    while (this.#sockets.size > 0) {
      await new Promise<void>((resolve) => {
        const look = (): void => {
          this.#waiting.delete(look);
          resolve();
        };
        this.#waiting.add(look);
      });
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Answers every request with this body. */
export function always(body: string, contentType = 'application/json'): Answer {
  return (_request, response) => {
    response.setHeader('content-type', contentType);
    response.end(body);
  };
}
