// An agent that says what a test has it say, down to the bytes: gRPC on nothing but node:http2, so that it shares no code with the client.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EndpointAddress } from '../../src/workload-api/endpoint-address.ts';

/** The numbers of https://grpc.github.io/grpc/core/md_doc_statuscodes.html. */
export const STATUS = {
  ok: 0,
  invalidArgument: 3,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** One call, as the agent sees it. */
export class AgentCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The request message, without its prefix. */
  readonly request: Promise<Buffer>;
  /** When the client has gone, or the call has ended. */
  readonly closed: Promise<void>;
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.path = headers[':path'] ?? '';
    this.headers = headers;
    this.#stream = stream;
    stream.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      stream.once('close', resolve);
    });
    this.request = new Promise((resolve) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => resolve(Buffer.concat(chunks).subarray(5)));
    });
  }

  send(message: Uint8Array): void {
    this.sendFrame(Buffer.concat([prefix(message.length, 0), message]));
  }

  sendFrame(bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): void {
    if (!this.#stream.headersSent) {
      this.#stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', ...headers },
        { waitForTrailers: true },
      );
    }
    this.#stream.write(bytes);
  }

  end(code: number, message = ''): void {
    const trailers = { 'grpc-status': String(code), 'grpc-message': encodeURI(message) };
    if (!this.#stream.headersSent) {
      this.#stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
      return;
    }
    this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(trailers));
    this.#stream.end();
  }

  endHttp(status: number): void {
    this.#stream.respond({ ':status': status, 'content-type': 'text/html' });
    this.#stream.end('<html>');
  }

  reset(): void {
    this.#stream.close(8);
  }
}

export const prefix = (length: number, compressed: number): Buffer => {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(compressed, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
};

export class FakeAgent {
  readonly address: EndpointAddress;
  readonly #server: Http2Server = createServer();
  readonly #sockets = new Set<Socket>();
  readonly #unanswered = new Map<string, AgentCall[]>();
  readonly #waiting = new Map<string, ((call: AgentCall) => void)[]>();

  constructor(address: EndpointAddress) {
    this.address = address;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('sessionError', () => undefined);
    this.#server.on('stream', (stream, headers) => this.#receive(new AgentCall(stream, headers)));
  }

  static async listen(address: EndpointAddress): Promise<FakeAgent> {
    const agent = new FakeAgent(address);
    await new Promise<void>((resolve, reject) => {
      agent.#server.once('error', reject);
      if (address.kind === 'unix') agent.#server.listen(address.path, resolve);
      else agent.#server.listen(address.port, address.host, resolve);
    });
    return agent;
  }

  /** The port where `tcp` was given port 0. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** The next call of a method that no test has taken yet, now or later. */
  nextCall(path: string): Promise<AgentCall> {
    const call = this.#unanswered.get(path)?.shift();
    if (call !== undefined) return Promise.resolve(call);
    return new Promise((resolve) => {
      this.#waiting.set(path, [...(this.#waiting.get(path) ?? []), resolve]);
    });
  }

  /** Calls that nobody has taken yet. */
  pendingCalls(path: string): number {
    return this.#unanswered.get(path)?.length ?? 0;
  }

  /** Ends every connection, and takes the socket file with it. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #receive(call: AgentCall): void {
    // SPIFFE_Workload_Endpoint.md §3: as every agent must.
    if (call.headers['workload.spiffe.io'] !== 'true') {
      call.end(STATUS.invalidArgument, 'security header missing from request');
      return;
    }
    const waiting = this.#waiting.get(call.path)?.shift();
    if (waiting !== undefined) waiting(call);
    else this.#unanswered.set(call.path, [...(this.#unanswered.get(call.path) ?? []), call]);
  }
}

/** A directory for sockets, short enough for their addresses. */
export function socketDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'wa-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
