// A client that says exactly what a test wants said, and gives back what came.

import { request } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import type { BindAddress } from '../../src/admin/bind-address.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface Question {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export function ask(
  address: BindAddress,
  { path, method = 'GET', headers = {}, body = '' }: Question,
): Promise<Answer> {
  const target = address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port };
  const length = body === '' ? {} : { 'content-length': `${Buffer.byteLength(body)}` };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { ...target, path, method, headers: { ...length, ...headers }, agent: false },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () => {
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text });
        });
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export function connect(address: BindAddress): Promise<Socket> {
  const socket =
    address.kind === 'unix' ? createConnection(address.path) : createConnection(address.port, address.host);
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends bytes as they are and gives everything that comes until the other side closes. */
export async function sendRaw(address: BindAddress, bytes: string | Uint8Array): Promise<string> {
  const socket = await connect(address);
  socket.write(bytes);
  return untilClosed(socket);
}

export function untilClosed(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}
