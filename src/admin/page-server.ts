// A small HTTP server of read-only pages with strict limits: not the data plane, and no way to change anything.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Logger } from '../telemetry/logger.ts';
import type { BindAddress } from './bind-address.ts';
import { isTrustedHost } from './host-guard.ts';
import { listen, OWNER_ONLY } from './listen.ts';

export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** `accept` is the Accept field, empty when there is none. */
export type Page = (accept: string) => Reply | Promise<Reply>;

export interface PageServer {
  /** Gives the address with the actual port. Throws ListenError. */
  listen(): Promise<BindAddress>;
  /** Ends idle connections at once and the others soon. */
  close(): Promise<void>;
}

const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 20_000,
  connectionsCheckingInterval: 1_000,
};
const MAX_CONNECTIONS = 64;
/** How long a peer may take no bytes of its answer. */
const STALL_TIMEOUT_MS = 30_000;
const CLOSE_GRACE_MS = 500;

export const TEXT = 'text/plain; charset=utf-8';
export const JSON_TYPE = 'application/json';

/** Serves `pages` by exact path. */
export function createPageServer(
  bind: BindAddress,
  pages: ReadonlyMap<string, Page>,
  log: Pick<Logger, 'error'>,
): PageServer {
  const server = createServer(LIMITS, (request, response) => {
    void answer(request, response);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = STALL_TIMEOUT_MS;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    try {
      send(request, response, await replyTo(request, path));
    } catch (err) {
      log.error({ err, path }, 'admin page failed');
      if (response.headersSent) response.destroy();
      else send(request, response, plain(500, 'internal error'));
    }
  }

  function replyTo(request: IncomingMessage, path: string): Reply | Promise<Reply> {
    if (!isTrustedHost(bind, request.headers.host)) return plain(421, 'this address has no such name');
    const page = pages.get(path);
    if (page === undefined) return plain(404, 'not found');
    if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'only GET and HEAD');
    return page(request.headers.accept ?? '');
  }

  return {
    listen: async () => {
      const address = await listen(server, bind, OWNER_ONLY);
      server.on('error', (err) => log.error({ err }, 'admin listener failed'));
      return address;
    },
    close: () =>
      new Promise((resolve) => {
        const deadline = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
        // Ends idle connections by itself.
        server.close(() => {
          clearTimeout(deadline);
          resolve();
        });
      }),
  };
}

function plain(status: number, sentence: string): Reply {
  return { status, contentType: TEXT, body: `${sentence}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, { status, contentType, body }: Reply): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
    // No page reads a body; the connection ends rather than take one in.
    ...(hasBody(request) ? { connection: 'close' } : {}),
  });
  response.end(bytes);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}
