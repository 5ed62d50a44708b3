// Serves our own bundle to partners: one path, GET and HEAD, one request a connection, and nothing asked of who comes.
// SPIFFE_Federation.md §5.2.1.3, §5.2.2.3

import { constants } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { Clock, Schedule } from '../core/clock.ts';
import type { SnapshotView } from '../core/snapshot.ts';
import { TLS_FLOOR } from '../core/tls-floor.ts';
import type { OwnIdentity } from '../spiffe/own-identity.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { TrustBundles } from '../spiffe/trust-bundle.ts';
import { type Publication, publish } from './publication.ts';
import type { WebCredential } from './web-credential.ts';

export type EndpointCredential =
  /** Our own SVID; with null no handshake succeeds. */
  | { readonly kind: 'https_spiffe'; readonly identity: SnapshotView<OwnIdentity | null> }
  | { readonly kind: 'https_web'; readonly credential: SnapshotView<WebCredential> };

export interface BundleEndpointOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Begins with `/`. */
  readonly path: string;
  readonly credential: EndpointCredential;
  readonly trustDomain: TrustDomain;
  /** Only the bundle of `trustDomain` is served. */
  readonly trust: SnapshotView<TrustBundles>;
  /** Served in whole seconds. */
  readonly refreshHintMs: number;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Told of what befalls the listening socket itself. */
  readonly onError: (error: Error) => void;
}

const LIMITS = {
  maxHeaderSize: 8 * 1024,
  handshakeTimeout: 5_000,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
const MAX_CONNECTIONS = 128;
/** For all of a connection: handshake, request, and however slowly the answer is taken. */
const MAX_CONNECTION_MS = 20_000;

export class BundleEndpoint {
  readonly #options: BundleEndpointOptions;
  readonly #server: Server;
  /** The sockets below TLS, from before the handshake on. */
  readonly #transports = new Set<Socket>();
  readonly #unsubscribe: readonly (() => void)[];
  /** The last there was, also while the bundle is not known: what comes next has to come after it. */
  #publication: Publication | null = null;
  #document: string | null = null;

  constructor(options: BundleEndpointOptions) {
    this.#options = options;
    this.#server = createServer({ ...LIMITS, ...this.#tlsSettings(), ALPNProtocols: ['http/1.1'] });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('connection', (transport: Socket) => this.#watch(transport));
    // Node reports a handshake that timed out and leaves its socket open.
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#server.on('request', (request, response) => this.#answer(request, response));
    this.#publish();
    const { credential, trust } = options;
    const cell = credential.kind === 'https_spiffe' ? credential.identity : credential.credential;
    this.#unsubscribe = [
      cell.subscribe(() => this.#server.setSecureContext(this.#tlsSettings())),
      trust.subscribe(() => this.#publish()),
    ];
  }

  /** Null while there is nothing to serve. */
  get sequence(): bigint | null {
    return this.#document === null ? null : (this.#publication?.sequence ?? null);
  }

  /** @returns the address it listens on. @throws {Error} with the system's code when the address cannot be had. */
  async listen(): Promise<AddressInfo> {
    const { host, port, onError } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', onError);
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP listener has no address');
    return address;
  }

  /** Ends everything at once: whoever is cut off asks again, and elsewhere. */
  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const transport of this.#transports) transport.destroy();
    await closed;
  }

  #tlsSettings(): TlsOptions {
    const { credential } = this.#options;
    const own =
      credential.kind === 'https_spiffe' ? credential.identity.current.value : credential.credential.current.value;
    return {
      ...TLS_FLOOR,
      ...(own === null ? {} : { cert: own.certificatePem, key: own.privateKeyPem }),
      honorCipherOrder: true,
      // §5.2.1.3, §5.2.2.3: clients are not authenticated, at no layer.
      requestCert: false,
      // Whoever comes again sees the certificate of then, not a session from before a rotation.
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    };
  }

  #publish(): void {
    const { trust, trustDomain, clock, refreshHintMs } = this.#options;
    const bundle = trust.current.value.get(trustDomain);
    if (bundle === undefined) {
      this.#document = null;
      return;
    }
    this.#publication = publish(this.#publication, bundle, { wallMs: clock.wallMs(), refreshHintMs });
    this.#document = this.#publication.text;
  }

  #watch(transport: Socket): void {
    const cancelDeadline = this.#options.schedule(MAX_CONNECTION_MS, () => transport.destroy());
    this.#transports.add(transport);
    transport.on('close', () => {
      cancelDeadline();
      this.#transports.delete(transport);
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [path] = (request.url ?? '').split('?', 1);
    if (path !== this.#options.path) return refuse(response, 404, 'not found');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return refuse(response, 405, 'only GET and HEAD');
    }
    if (this.#document === null) return refuse(response, 503, 'the bundle is not known at present');
    const maxAgeSeconds = Math.floor(this.#options.refreshHintMs / 1000);
    send(response, 200, {
      contentType: 'application/json',
      cacheControl: `max-age=${maxAgeSeconds}`,
      body: this.#document,
    });
  }
}

interface Content {
  readonly contentType: string;
  readonly cacheControl: string;
  readonly body: string;
}

function refuse(response: ServerResponse, status: number, sentence: string): void {
  send(response, status, {
    contentType: 'text/plain; charset=utf-8',
    cacheControl: 'no-store',
    body: `${sentence}\n`,
  });
}

function send(response: ServerResponse, status: number, { contentType, cacheControl, body }: Content): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': bytes.length,
    'cache-control': cacheControl,
    'x-content-type-options': 'nosniff',
    // Partners come once in minutes: a connection kept would serve nobody but those who hold many.
    connection: 'close',
  });
  response.end(bytes);
}
