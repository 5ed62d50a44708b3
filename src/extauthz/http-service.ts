// The decision over HTTP/1.1, for data planes that ask by a subrequest: on a Unix socket or on loopback, where no caller proves who it is.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { BindAddress } from '../admin/bind-address.ts';
import { listen, OWNER_ONLY } from '../admin/listen.ts';
import { describeRefusal } from '../proxy/respond.ts';
import { hasBody, type HttpFlavour, readHttpQuestion } from './http-question.ts';
import { Judge } from './judge.ts';
import { permittedFields } from './permitted-fields.ts';
import type { AuthorizationService, ServiceContext } from './service.ts';

export type HttpBind =
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

const MAX_CONNECTIONS = 1024;
const OPTIONS = {
  // A target, a chain of certificates, and perhaps all fields of the request.
  maxHeaderSize: 64 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 1_000,
};

export class HttpService implements AuthorizationService {
  readonly #context: ServiceContext;
  readonly #flavour: HttpFlavour;
  readonly #bind: HttpBind;
  readonly #judge: Judge;
  readonly #server: Server;

  constructor(context: ServiceContext, flavour: HttpFlavour, bind: HttpBind) {
    this.#context = context;
    this.#flavour = flavour;
    this.#bind = bind;
    this.#judge = new Judge(context);
    this.#server = createServer(OPTIONS, (request, response) => this.#answer(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
    // Those beyond a maximum would be left out without a word; the size of the head is bounded.
    this.#server.maxHeadersCount = 0;
    this.#server.on('connection', (socket) => {
      context.recorder.connectionOpened();
      socket.on('close', () => context.recorder.connectionClosed());
    });
  }

  listen(): Promise<BindAddress> {
    return listen(this.#server, this.#bind, this.#bind.kind === 'unix' ? this.#bind.mode : OWNER_ONLY);
  }

  async drain(deadlineMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      // Ends idle connections by itself.
      this.#server.close(() => resolve());
    });
    const cancelDeadline = this.#context.schedule(deadlineMs, () => this.#server.closeAllConnections());
    await closed;
    cancelDeadline();
  }

  /** Callers prove nothing, and each check is decided by what is in force: nothing is admitted that could lapse. */
  reverify(): void {}

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const receivedMs = this.#context.sources.clock.monotonicMs();
    const question = readHttpQuestion(request, this.#flavour);
    const ruling = this.#judge.judge(question, { receivedMs, deadlineMs: Number.POSITIVE_INFINITY });
    // No body is read; the connection ends rather than take one in.
    const ofConnection = hasBody(request) ? ['connection', 'close'] : [];
    if (ruling.kind === 'permitted') {
      const fields = permittedFields(ruling).flat();
      response.writeHead(200, [...fields, 'content-length', '0', 'cache-control', 'no-store', ...ofConnection]);
      response.end();
      return;
    }
    const { status, fields, body } = describeRefusal(ruling);
    response.writeHead(this.#statusFor(status), [...fields, 'content-length', String(body.length), ...ofConnection]);
    response.end(body);
  }

  /** nginx hands on 401 and 403, and makes a 500 of every other: ngx_http_auth_request_module. */
  #statusFor(status: number): number {
    return this.#flavour === 'nginx' && status !== 401 ? 403 : status;
  }
}
