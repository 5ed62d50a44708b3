// The Workload API as a gRPC server for development: hands everything it has to whoever can connect.
// SPIFFE_Workload_Endpoint.md §3, §6; SPIFFE_Workload_API.md §4, §5, §6

import { createServer, type Server as SocketServer, type Socket } from 'node:net';
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, status } from '@grpc/grpc-js';
import type { Snapshot, SnapshotCell } from '../core/snapshot.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import {
  type EmptyRequest,
  FETCH_JWT_BUNDLES,
  FETCH_JWT_SVID,
  FETCH_X509_BUNDLES,
  FETCH_X509_SVID,
  type JwtSvidRequest,
  type Method,
  SECURITY_HEADER,
} from './messages.ts';
import { type Codec, MessageError } from '../protobuf/protobuf-message.ts';
import { type AgentSocket, listenForWorkloads } from './server-socket.ts';
import { LatestAnswer, NO_IDENTITY, type Refusal, type ResponseStream } from './server-stream.ts';
import { VALIDATE_JWT_SVID, type ValidateJwtSvidRequest } from './server-validation.ts';

/** The encoded messages of the streams. */
export interface StreamedAnswers {
  readonly x509Svids: Buffer;
  readonly x509Bundles: Buffer;
  readonly jwtBundles: Buffer;
}

export type Answer =
  | { readonly kind: 'answered'; readonly message: Buffer }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export interface WorkloadApiService {
  /** Null while there is no identity to issue; whoever listens is told of every swap. */
  readonly streamed: SnapshotCell<StreamedAnswers | null>;
  readonly answerJwtSvid: (request: JwtSvidRequest) => Answer;
  readonly answerValidation: (request: ValidateJwtSvidRequest) => Answer;
}

const MAX_CONNECTIONS = 256;
const MAX_STREAMS_PER_CONNECTION = 64;
const MAX_REQUEST_BYTES = 256 * 1024;

export class WorkloadApiServer {
  readonly #service: WorkloadApiService;
  readonly #streams = new Set<(answers: StreamedAnswers | null) => void>();
  readonly #connections = new Set<Socket>();
  readonly #grpc = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.enable_channelz': 0,
  });
  readonly #sockets: SocketServer;
  readonly #unsubscribe: () => void;

  constructor(service: WorkloadApiService) {
    this.#service = service;
    this.#addStream(FETCH_X509_SVID, ({ x509Svids }) => x509Svids);
    this.#addStream(FETCH_X509_BUNDLES, ({ x509Bundles }) => x509Bundles);
    this.#addStream(FETCH_JWT_BUNDLES, ({ jwtBundles }) => jwtBundles);
    this.#addCall(FETCH_JWT_SVID, service.answerJwtSvid);
    this.#addCall(VALIDATE_JWT_SVID, service.answerValidation);
    const connector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    // A socket server of our own: that of gRPC makes a Unix socket that everybody may open.
    this.#sockets = createServer((socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
      connector.injectConnection(socket);
    });
    this.#sockets.maxConnections = MAX_CONNECTIONS;
    this.#unsubscribe = service.streamed.subscribe(({ value }: Snapshot<StreamedAnswers | null>) => {
      for (const tell of this.#streams) tell(value);
    });
  }

  /** To be called once; gives the address with the port that was found free. @throws {AgentSocketError} */
  listen(socket: AgentSocket): Promise<EndpointAddress> {
    return listenForWorkloads(this.#sockets, socket);
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Breaks every connection, as the end of an agent does; its socket is gone when this resolves. */
  async close(): Promise<void> {
    this.#unsubscribe();
    const closed = new Promise<void>((resolve) => {
      this.#sockets.close(() => resolve());
    });
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  #addStream<Response>(
    { path, request: codec }: Method<EmptyRequest, Response>,
    select: (answers: StreamedAnswers) => Buffer,
  ): void {
    const open = (stream: ResponseStream): void => {
      const latest = new LatestAnswer(stream);
      const received = receive(stream, codec);
      if (received.kind === 'refused') {
        latest.refuse(received.refusal);
        return;
      }
      const tell = (answers: StreamedAnswers | null): void => {
        if (answers === null) latest.refuse(NO_IDENTITY);
        else latest.send(select(answers));
      };
      this.#streams.add(tell);
      stream.once('cancelled', () => this.#streams.delete(tell));
      tell(this.#service.streamed.current.value);
    };
    this.#grpc.register(path, open, sameBytes, sameBytes, 'serverStream');
  }

  #addCall<Request, Response>(
    { path, request: codec }: Method<Request, Response>,
    answer: (request: Request) => Answer,
  ): void {
    const reply = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void => {
      const received = receive(call, codec);
      const outcome = received.kind === 'refused' ? received : answer(received.request);
      if (outcome.kind === 'refused') callback(outcome.refusal);
      else callback(null, outcome.message);
    };
    this.#grpc.register(path, reply, sameBytes, sameBytes, 'unary');
  }
}

type Received<Request> =
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

function receive<Request>(
  { metadata, request }: Pick<ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'request'>,
  codec: Codec<Request>,
): Received<Request> {
  // Given twice, it arrives as one value that is not the right one.
  const [value] = metadata.get(SECURITY_HEADER.name);
  if (value !== SECURITY_HEADER.value) return invalid('security header missing from request');
  try {
    return { kind: 'request', request: codec.decode(request) };
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return invalid(error.message);
  }
}

function invalid(details: string): Received<never> {
  return { kind: 'refused', refusal: { code: status.INVALID_ARGUMENT, details } };
}

function sameBytes(bytes: Buffer): Buffer {
  return bytes;
}
