// The inference endpoint as it speaks gRPC: the same model, over HTTP/2 without TLS on loopback.

import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { MessageError } from '../../../protobuf/protobuf-message.ts';
import { score } from './inference-endpoint.ts';
import {
  frameMessage,
  fromFloats,
  MODEL_INFER,
  MODEL_INFER_REQUEST,
  MODEL_INFER_RESPONSE,
  toFloats,
  unframeMessage,
} from './model-infer.ts';
import { CALLER_FIELDS, listenOnLoopback, type Service } from './service.ts';

const MAX_MESSAGE_BYTES = 64 * 1024;
const [OK, INVALID_ARGUMENT, UNIMPLEMENTED] = ['0', '3', '12'];

export async function startGrpcInferenceEndpoint(): Promise<Service> {
  let requests = 0;
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    // What matters about an error is that 'close' follows it.
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    requests += 1;
    serveCall(stream, headers);
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
        for (const session of sessions) session.destroy();
      }),
  };
}

function serveCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  stream.on('error', () => undefined);
  stream.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= MAX_MESSAGE_BYTES) pieces.push(piece);
  });
  stream.on('end', () => {
    const answer = bytes > MAX_MESSAGE_BYTES ? INVALID_ARGUMENT : infer(headers[':path'], Buffer.concat(pieces));
    respond(stream, headers, answer);
  });
}

/** The answer, or the status of gRPC in its place. */
function infer(path: string | undefined, framed: Buffer): Buffer | string | undefined {
  if (path !== MODEL_INFER) return UNIMPLEMENTED;
  const message = unframeMessage(framed);
  if (message === null) return INVALID_ARGUMENT;
  try {
    const { modelName, rawInputContents } = MODEL_INFER_REQUEST.decode(message);
    const scores = rawInputContents.map((row) => score(fromFloats(row)));
    return frameMessage(MODEL_INFER_RESPONSE.encode({ modelName, rawOutputContents: [toFloats(scores)] }));
  } catch (error) {
    if (error instanceof MessageError) return INVALID_ARGUMENT;
    throw error;
  }
}

function respond(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, answer: Buffer | string | undefined): void {
  if (stream.destroyed) return;
  const told = (name: string): string => String(headers[name] ?? '');
  const fields = {
    ':status': 200,
    'content-type': 'application/grpc',
    [CALLER_FIELDS.spiffeId]: told('x-spiffe-id'),
    [CALLER_FIELDS.component]: told('x-sallyport-component'),
    [CALLER_FIELDS.decisionId]: told('x-sallyport-decision-id'),
  };
  if (!Buffer.isBuffer(answer)) {
    stream.respond({ ...fields, 'grpc-status': answer ?? UNIMPLEMENTED }, { endStream: true });
    return;
  }
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': OK }));
  stream.respond(fields, { waitForTrailers: true });
  stream.end(answer);
}
