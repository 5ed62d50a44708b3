// A small HTTP service on loopback, as it would run behind a sidecar: it trusts the identity fields, since only the sidecar reaches it.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { pipeline, Readable } from 'node:stream';

export interface Service {
  readonly port: number;
  /** How many requests have reached the service: a refused one must not count. */
  readonly requests: number;
  close(): Promise<void>;
}

/** Who the sidecar says is calling; null where it said nothing. */
export interface Caller {
  readonly spiffeId: string | null;
  readonly component: string | null;
  readonly decisionId: string | null;
}

export interface ServiceRequest {
  readonly method: string;
  /** As received, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

/** `content`: a value for JSON, to which who was calling is added, or bytes as they are, all at once or one after the other. */
export interface ServiceAnswer {
  readonly status: number;
  readonly content: Readonly<Record<string, unknown>> | Buffer | Readable;
}

/** Response fields in which the service repeats, on every answer, what it was told of its caller. */
export const CALLER_FIELDS = {
  spiffeId: 'demo-caller-spiffe-id',
  component: 'demo-caller-component',
  decisionId: 'demo-caller-decision-id',
} as const satisfies Record<keyof Caller, string>;

const HOST = '127.0.0.1';
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

export const NOT_FOUND: ServiceAnswer = { status: 404, content: { error: 'there is nothing here' } };
export const METHOD_NOT_ALLOWED: ServiceAnswer = { status: 405, content: { error: 'that cannot be done to this' } };

export async function startService(answer: (request: ServiceRequest) => ServiceAnswer): Promise<Service> {
  let requests = 0;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: 0 }, (message, response) => {
    requests += 1;
    readBody(message, (body) => {
      respond(response, callerOf(message), body === null ? TOO_LARGE : answer(toServiceRequest(message, body)));
    });
  });
  const port = await listenOnLoopback(server);
  return {
    port,
    get requests() {
      return requests;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @returns the port. */
export async function listenOnLoopback(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, HOST, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no address');
  return address.port;
}

const TOO_LARGE: ServiceAnswer = { status: 413, content: { error: `at most ${MAX_BODY_BYTES} bytes are taken` } };

/** Gives null when there is more than the service takes, nothing when the sidecar went away. */
function readBody(message: IncomingMessage, onBody: (body: Buffer | null) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  message.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  });
  message.on('end', () => onBody(bytes > MAX_BODY_BYTES ? null : Buffer.concat(chunks)));
  // 'end' does not follow it, and nobody is left to answer.
  message.on('error', () => undefined);
}

function toServiceRequest(message: IncomingMessage, body: Buffer): ServiceRequest {
  const [path = '/', ...rest] = (message.url ?? '/').split('?');
  return { method: message.method ?? '', path, query: new URLSearchParams(rest.join('?')), body };
}

function callerOf(message: IncomingMessage): Caller {
  const field = (name: string): string | null => {
    const value = message.headers[name];
    return typeof value === 'string' ? value : null;
  };
  return {
    spiffeId: field('x-spiffe-id'),
    component: field('x-sallyport-component'),
    decisionId: field('x-sallyport-decision-id'),
  };
}

function respond(response: ServerResponse, caller: Caller, { status, content }: ServiceAnswer): void {
  const isJson = !(content instanceof Readable || Buffer.isBuffer(content));
  const body = isJson ? Buffer.from(`${JSON.stringify({ ...content, caller })}\n`) : content;
  response.writeHead(status, {
    'content-type': isJson ? 'application/json' : 'application/octet-stream',
    ...(body instanceof Readable ? {} : { 'content-length': body.length }),
    [CALLER_FIELDS.spiffeId]: caller.spiffeId ?? '',
    [CALLER_FIELDS.component]: caller.component ?? '',
    [CALLER_FIELDS.decisionId]: caller.decisionId ?? '',
  });
  // Whoever goes away in between ends the stream, and nobody is left to be told.
  if (body instanceof Readable) pipeline(body, response, () => undefined);
  else response.end(body);
}
