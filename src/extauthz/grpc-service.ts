// Envoy's side of the decision: the gRPC service over a Unix socket, or over TCP with mTLS for callers that are named.

import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { BindAddress } from '../admin/bind-address.ts';
import { listen, OWNER_ONLY } from '../admin/listen.ts';
import { MessageError } from '../protobuf/protobuf-message.ts';
import { handshakeFailure } from '../proxy/handshake-failure.ts';
import { authenticatePeer } from '../proxy/peer.ts';
import { SvidAdmission } from '../proxy/svid-admission.ts';
import { tlsSettings, useSettings } from '../proxy/tls-settings.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { readCheck, type ReadCheck } from './check-request.ts';
import { encodeCheckResponse } from './check-response.ts';
import type { CallParts } from './grpc-call.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { Judge, type Timing } from './judge.ts';
import { CHECK_PATH, CHECK_REQUEST } from './messages.ts';
import type { AuthorizationService, ServiceContext } from './service.ts';

/** Where it listens, and who may ask there. */
export type GrpcBind =
  /** Whoever may open the socket. */
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; mayAsk(caller: SpiffeId): boolean };

const MAX_CONNECTIONS = 256;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const UNREADABLE: ReadCheck = {
  question: {
    peer: { certificates: { kind: 'none' }, principal: '' },
    component: null,
    request: { method: '', target: '', authority: '', upgrade: null },
    flaw: 'ambiguous-request',
  },
  fieldNames: [],
};

interface Caller {
  readonly connection: GrpcConnection;
  /** Null behind a Unix socket. */
  readonly admission: SvidAdmission | null;
}

export class GrpcService implements AuthorizationService {
  readonly #context: ServiceContext;
  readonly #bind: GrpcBind;
  readonly #judge: Judge;
  readonly #call: CallParts;
  readonly #server: Server;
  readonly #callers = new Set<Caller>();
  readonly #transports = new Set<Socket>();
  readonly #unsubscribe: readonly (() => void)[];

  constructor(context: ServiceContext, bind: GrpcBind) {
    this.#context = context;
    this.#bind = bind;
    this.#judge = new Judge(context);
    this.#call = {
      method: {
        path: CHECK_PATH,
        answer: (message, timing) => this.#answer(readMessage(message), timing),
        answerUnread: () => this.#answer(UNREADABLE, this.#untimed()),
      },
      clock: context.sources.clock,
      schedule: context.schedule,
    };
    const tls = bind.kind === 'tcp' ? this.#createTlsServer() : null;
    this.#server = tls ?? createServer((socket) => this.#open(socket, null));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('connection', (transport: Socket) => {
      this.#transports.add(transport);
      transport.on('close', () => this.#transports.delete(transport));
    });
    const { identity, trust, revocations } = context.sources;
    const follow = (): void => {
      this.reverify();
      if (tls !== null) useSettings(tls, this.#tlsSettings());
    };
    this.#unsubscribe = [
      identity.subscribe(follow),
      trust.subscribe(follow),
      revocations.subscribe(() => this.reverify()),
    ];
  }

  listen(): Promise<BindAddress> {
    return listen(this.#server, this.#bind, this.#bind.kind === 'unix' ? this.#bind.mode : OWNER_ONLY);
  }

  async drain(deadlineMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    // GOAWAY: no new checks, and the end of the connection with the last of those under way.
    for (const { connection } of this.#callers) connection.drain();
    const cancelDeadline = this.#context.schedule(deadlineMs, () => this.#cutAll());
    await closed;
    cancelDeadline();
    this.close();
  }

  reverify(): void {
    for (const caller of this.#callers) if (!this.#mayStillAsk(caller.admission)) caller.connection.cut();
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#server.close();
    this.#cutAll();
  }

  #cutAll(): void {
    for (const { connection } of this.#callers) connection.cut();
    for (const transport of this.#transports) transport.destroy();
  }

  #createTlsServer(): TlsServer {
    const server = createTlsServer({
      ...this.#tlsSettings(),
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      noDelay: true,
    });
    useSettings(server, this.#tlsSettings());
    server.on('tlsClientError', (error, socket) => {
      this.#context.recorder.handshake('refused', handshakeFailure(error));
      socket.destroy();
    });
    server.on('secureConnection', (socket) => this.#admit(socket));
    return server;
  }

  #tlsSettings(): ReturnType<typeof tlsSettings> {
    const { identity, trust } = this.#context.sources;
    return tlsSettings(identity.current.value, trust.current.value, { x509: true });
  }

  /** Verifies and registers in one turn of the event loop, as a listener does: no change falls between. */
  #admit(socket: TLSSocket): void {
    const { sources, recorder, onNoIdentity } = this.#context;
    const { clock, trust, revocations, verified } = sources;
    const trusted = trust.current;
    const revoked = revocations.current;
    const nowMs = clock.wallMs();
    const refuse = (reason: Parameters<typeof onNoIdentity>[0], detail: string): void => {
      recorder.handshake('refused', reason);
      onNoIdentity(reason, detail);
      socket.destroy();
    };
    socket.on('error', () => undefined);
    const peer = authenticatePeer(socket, verified, { trust: trusted, nowMs });
    if (peer.kind === 'anonymous') return refuse(peer.reason, peer.detail);
    const { svid } = peer;
    const match = revoked.value.findSvid(svid, nowMs);
    if (match !== null) return refuse('revoked', `\`${svid.id}\` is revoked: ${match.reason}`);
    if (this.#bind.kind !== 'tcp' || !this.#bind.mayAsk(svid.id))
      return refuse('unknown-caller', `\`${svid.id}\` is not among the callers of this service`);
    recorder.handshake('accepted', 'svid');
    const under = { trustEpoch: trusted.epoch, revocationsEpoch: revoked.epoch };
    this.#open(socket, new SvidAdmission(socket, sources, { svid, ...under }));
  }

  #open(socket: Socket, admission: SvidAdmission | null): void {
    const { recorder } = this.#context;
    socket.on('error', () => undefined);
    const connection = new GrpcConnection(socket, this.#call, () => this.#mayStillAsk(admission));
    const caller: Caller = { connection, admission };
    this.#callers.add(caller);
    recorder.connectionOpened();
    socket.on('close', () => {
      this.#callers.delete(caller);
      recorder.connectionClosed();
    });
  }

  #mayStillAsk(admission: SvidAdmission | null): boolean {
    if (admission === null) return true;
    return admission.lapse() === null && this.#context.sources.identity.current.value !== null;
  }

  #answer({ question, fieldNames }: ReadCheck, timing: Timing): Buffer {
    const ruling = this.#judge.judge(question, timing);
    return encodeCheckResponse(ruling, { fieldNames, identityFields: this.#context.identityFields });
  }

  #untimed(): Timing {
    return { receivedMs: this.#context.sources.clock.monotonicMs(), deadlineMs: Number.POSITIVE_INFINITY };
  }
}

/** What cannot be read is answered with a denial and not with an error of gRPC, which a data plane may be told to let pass. */
function readMessage(message: Buffer): ReadCheck {
  try {
    return readCheck(CHECK_REQUEST.decode(message));
  } catch (error) {
    if (error instanceof MessageError) return UNREADABLE;
    throw error;
  }
}
