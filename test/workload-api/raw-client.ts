// A Workload API client without opinions, for tests of servers: any metadata, any bytes, and what comes back.

import { Client, credentials, type Metadata, Metadata as GrpcMetadata, type ServiceError } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import { type EmptyRequest, type Method, SECURITY_HEADER } from '../../src/workload-api/messages.ts';

export interface RawStream<Response> {
  /** The next message; rejects with the status when there is none. */
  next(): Promise<Response>;
  /** How many messages wait for next(). */
  readonly waiting: number;
  /** The code and details that the stream ends with. */
  readonly ended: Promise<{ readonly code: number; readonly details: string }>;
  pause(): void;
  resume(): void;
  cancel(): void;
}

export function metadataOf(...values: readonly string[]): Metadata {
  const metadata = new GrpcMetadata();
  for (const value of values) metadata.add(SECURITY_HEADER.name, value);
  return metadata;
}

/** A connection of its own, closed when the test has ended. `endpoint`: `unix://…` or `tcp://…`. */
export function connect(endpoint: string): Client {
  const target = endpoint.startsWith('tcp://') ? endpoint.slice('tcp://'.length) : endpoint;
  // Without a pool of its own a client shares connections with others of the same target.
  const client = new Client(target, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': 100,
  });
  onTestFinished(() => client.close());
  return client;
}

export function openStream<Response>(
  client: Client,
  { path, request, response }: Method<EmptyRequest, Response>,
  metadata = metadataOf('true'),
): RawStream<Response> {
  const call = client.makeServerStreamRequest(
    path,
    (bytes: Buffer) => bytes,
    (bytes) => response.decode(bytes),
    request.encode({}),
    metadata,
  );
  const arrived: Response[] = [];
  let wake: (() => void) | null = null;
  let isOver = false;
  const ended = new Promise<{ code: number; details: string }>((resolve) => {
    call.on('status', ({ code, details }) => {
      isOver = true;
      resolve({ code, details });
      wake?.();
    });
  });
  // Told by `status` as well.
  call.on('error', () => undefined);
  call.on('data', (message: Response) => {
    arrived.push(message);
    wake?.();
  });
  return {
    ended,
    get waiting() {
      return arrived.length;
    },
    async next() {
      for (;;) {
        const message = arrived.shift();
        if (message !== undefined) return message;
        if (isOver) throw new Error(`the stream has ended: ${JSON.stringify(await ended)}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    cancel: () => call.cancel(),
  };
}

export type Reply<Response> =
  | { readonly code: 0; readonly response: Response }
  | { readonly code: number; readonly details: string };

export function call<Request, Response>(
  client: Client,
  { path, request, response }: Method<Request, Response>,
  message: Request,
  metadata = metadataOf('true'),
): Promise<Reply<Response>> {
  return callWithBytes(client, { path, response }, request.encode(message), metadata);
}

export function callWithBytes<Response>(
  client: Client,
  { path, response }: Pick<Method<never, Response>, 'path' | 'response'>,
  bytes: Buffer,
  metadata = metadataOf('true'),
): Promise<Reply<Response>> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      (sent: Buffer) => sent,
      (received) => response.decode(received),
      bytes,
      metadata,
      (error: ServiceError | null, answer?: Response) => {
        if (error !== null) resolve({ code: error.code, details: error.details });
        else if (answer !== undefined) resolve({ code: 0, response: answer });
      },
    );
  });
}
