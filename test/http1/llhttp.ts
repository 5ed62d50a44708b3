// Node's own parser, llhttp in strict mode, reached through node:http over in-memory sockets: what the codec is compared with.

import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { duplexPair } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LIMITS } from './decode.ts';

export interface ParsedMessage {
  /** Method of a request, status of a response. */
  readonly start: string;
  /** Target of a request, reason of a response. */
  readonly detail: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly isComplete: boolean;
}

export interface Parsed {
  readonly messages: readonly ParsedMessage[];
  /** Code of the error the parser ended with, if it did. */
  readonly errorCode: string | null;
}

interface Growing {
  readonly start: string;
  readonly detail: string;
  readonly rawHeaders: readonly string[];
  body: string;
  isComplete: boolean;
}

export class StrictServer {
  readonly #server: Server;
  #messages: Growing[] = [];
  #errorCode: string | null = null;

  constructor() {
    this.#server = createServer({ insecureHTTPParser: false, maxHeaderSize: LIMITS.maxHeadBytes });
    this.#server.on('request', (message) => this.#messages.push(follow(message, message.method, message.url)));
    this.#server.on('clientError', (error: NodeJS.ErrnoException) => {
      this.#errorCode ??= error.code ?? error.name;
    });
  }

  /** Every request that llhttp finds in `bytes`, however far it gets. */
  async parse(bytes: Buffer): Promise<Parsed> {
    this.#messages = [];
    this.#errorCode = null;
    const [near, far] = duplexPair();
    this.#server.emit('connection', far);
    near.write(bytes);
    await settle();
    const parsed = { messages: this.#messages, errorCode: this.#errorCode };
    far.destroy();
    near.destroy();
    return parsed;
  }
}

/** What llhttp makes of `bytes`, then the end of the connection, as the answer to a request of `method`. */
export async function parseResponse(bytes: Buffer, method: string): Promise<Parsed> {
  const [near, far] = duplexPair();
  const messages: Growing[] = [];
  let errorCode: string | null = null;
  const outgoing = request({
    method,
    insecureHTTPParser: false,
    maxHeaderSize: LIMITS.maxHeadBytes,
    // A duplex stream is all that node:http asks of a socket.
    createConnection: () => near,
  });
  outgoing.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
    messages.push({ start: String(statusCode), detail: statusMessage, rawHeaders, body: '', isComplete: false });
  });
  outgoing.on('response', (message) =>
    messages.push(follow(message, String(message.statusCode), message.statusMessage)),
  );
  outgoing.on('upgrade', (message, _socket, head: Buffer) => {
    messages.push({ ...follow(message, '101', message.statusMessage), body: head.toString('latin1') });
  });
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    errorCode ??= error.code ?? error.name;
  });
  outgoing.end();
  far.resume();
  await settle();
  far.end(bytes);
  await settle();
  far.destroy();
  near.destroy();
  return { messages, errorCode };
}

/**
 * The fields of a head that the codec must give too, by an independent reading of the rules: lower-case names without those of
 * the hop.
 */
export function endToEndFields(rawHeaders: readonly string[]): string[] {
  const pairs = Array.from({ length: rawHeaders.length / 2 }, (_, index) => ({
    name: (rawHeaders[2 * index] ?? '').toLowerCase(),
    value: rawHeaders[2 * index + 1] ?? '',
  }));
  const options = pairs.filter(({ name }) => name === 'connection').map(({ value }) => value.toLowerCase());
  const nominated = new Set(options.flatMap((value) => value.split(/[ \t]*,[ \t]*/)));
  const ofTheHop =
    /^(?:connection|te|trailer|upgrade|http2-settings|keep-alive|proxy-.*|transfer-encoding|content-length|host|expect)$/;
  return pairs
    .filter(({ name }) => !ofTheHop.test(name) && !nominated.has(name))
    .flatMap(({ name, value }) => [name, value]);
}

/** Everything is in memory, so a few turns of the event loop see every stream event through. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await nextTurn();
}

function follow(message: IncomingMessage, start: string | undefined, detail: string | undefined): Growing {
  const growing: Growing = {
    start: start ?? '',
    detail: detail ?? '',
    rawHeaders: message.rawHeaders,
    body: '',
    isComplete: false,
  };
  message.setEncoding('latin1');
  message.on('data', (text: string) => {
    growing.body += text;
  });
  message.on('end', () => {
    growing.isComplete = message.complete;
  });
  // Destroyed below, by us.
  message.on('error', () => {});
  return growing;
}
