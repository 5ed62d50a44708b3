// A peer of the demo that makes calls of gRPC: mutual TLS, HTTP/2, and the status of a call as that of its answer.

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as startSession,
  type IncomingHttpHeaders,
} from 'node:http2';
import { buffer } from 'node:stream/consumers';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { callerIn, type PeerAnswer, type PeerClient, type PeerCredential, type PeerRequest } from './peer-client.ts';

/** From connecting to the end of a call. */
const DEADLINE_MS = 5_000;
/** What a call without a status is (PROTOCOL-HTTP2.md). */
const UNKNOWN = 2;

export type GrpcClient = Pick<PeerClient, 'ask' | 'close'>;

/** `status` of an answer is that of gRPC. */
export function createGrpcClient(
  origin: string,
  trusting: { readonly bundlePem: string },
  credential: PeerCredential | null,
): GrpcClient {
  let session: ClientHttp2Session | null = null;
  const open = async (): Promise<ClientHttp2Session> => {
    if (session !== null && !session.closed && !session.destroyed) return session;
    const socket = await dial(origin, trusting, credential);
    session = startSession(origin, { createConnection: () => socket });
    // What matters about an error is that calls fail with it.
    session.on('error', () => undefined);
    return session;
  };
  return {
    ask: async (request) => call(await open(), request),
    close: () => {
      session?.destroy();
      return Promise.resolve();
    },
  };
}

async function dial(
  origin: string,
  { bundlePem }: { readonly bundlePem: string },
  credential: PeerCredential | null,
): Promise<TLSSocket> {
  const { hostname, port } = new URL(origin);
  const own = credential === null ? {} : { cert: credential.certificatePem, key: credential.privateKeyPem };
  const options = { host: hostname, servername: hostname, family: 4, ca: bundlePem, ALPNProtocols: ['h2'], ...own };
  return new Promise((resolve, reject) => {
    const socket = connectTls({ ...options, port: Number(port), timeout: DEADLINE_MS }, () => {
      socket.setTimeout(0);
      resolve(socket);
    });
    socket.on('timeout', () => socket.destroy(timedOut()));
    socket.on('error', reject);
  });
}

async function call(session: ClientHttp2Session, { method, path, fields, body }: PeerRequest): Promise<PeerAnswer> {
  const stream = session.request({
    ':method': method,
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...fields,
  });
  const overdue = setTimeout(() => stream.destroy(timedOut()), DEADLINE_MS);
  try {
    const head = headOf(stream);
    stream.end(body);
    let trailers: IncomingHttpHeaders = {};
    stream.on('trailers', (received) => {
      trailers = received;
    });
    const [headers, content] = await Promise.all([head, buffer(stream)]);
    const field = (name: string): string | null => {
      const value = trailers[name] ?? headers[name];
      return typeof value === 'string' ? value : null;
    };
    return {
      status: Number(field('grpc-status') ?? UNKNOWN),
      body: content,
      decisionId: field('x-sallyport-decision-id'),
      caller: callerIn(field),
    };
  } finally {
    clearTimeout(overdue);
  }
}

function headOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    stream.once('response', resolve);
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('the call ended without an answer')));
  });
}

function timedOut(): Error {
  return Object.assign(new Error('there was no answer in time'), { code: 'ETIMEDOUT' });
}
