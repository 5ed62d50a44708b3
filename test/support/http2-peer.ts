// A peer that speaks HTTP/2 through Node's own client, over a TLS connection a test has made.

import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { ProxyFixture } from './proxy-fixture.ts';
import type { TestSvid } from './svid-fixtures.ts';

export interface Http2Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly trailers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
  /** How the stream ended. */
  readonly rstCode: number;
}

export async function connectHttp2(
  proxy: ProxyFixture,
  svid: TestSvid | null = proxy.authority.issue('/training/job'),
): Promise<ClientHttp2Session> {
  const credentials = svid === null ? {} : { cert: svid.certificatePem, key: svid.privateKeyPem };
  const socket = connectTls({
    host: '127.0.0.1',
    port: proxy.port,
    ca: proxy.authority.certificatePem,
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['h2'],
    ...credentials,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  const session = connect('https://registry', { createConnection: () => socket });
  session.on('error', () => undefined);
  onTestFinished(() => session.destroy());
  return session;
}

export function request(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: string | Buffer | null = null,
): Promise<Http2Answer> {
  const stream = session.request({ ':path': '/', ':authority': 'registry', ...headers }, { endStream: body === null });
  if (body !== null) stream.end(body);
  return answerOf(stream);
}

/** Everything a stream brings until it is closed. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: Http2Answer['headers'] = {};
  let trailers: Http2Answer['trailers'] = {};
  const pieces: Buffer[] = [];
  stream.on('response', (received) => {
    headers = received;
  });
  stream.on('trailers', (received) => {
    trailers = received;
  });
  stream.on('data', (bytes: Buffer) => pieces.push(bytes));
  stream.on('error', () => undefined);
  await new Promise<void>((resolve) => stream.once('close', resolve));
  const body = Buffer.concat(pieces).toString('latin1');
  return { status: Number(headers[':status'] ?? 0), headers, trailers, body, rstCode: stream.rstCode };
}
