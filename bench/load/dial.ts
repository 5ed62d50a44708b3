// Connections of the load generator, with as little of Node between socket and reader as there can be.

import { readFileSync } from 'node:fs';
import { connect as connectPlainly, type OnReadOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext } from 'node:tls';
import type { LoadPlan } from './plan.ts';

export interface Line {
  readonly open: () => void;
  /** Of a buffer that serves all connections, since they are read one at a time: it is overwritten by the next read of any. */
  readonly read: (bytes: Buffer) => void;
}

export interface Dialled {
  readonly socket: Socket;
  /** Ends it for good; whoever else does ends the process. */
  readonly finish: () => void;
}

// The same suite and group for every proxy: what differs between them should not be what they negotiate.
const SUITE = 'TLS_AES_128_GCM_SHA256';
const GROUP = 'X25519';
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);
const HOST = '127.0.0.1';

/** One context for each client, for its connections to share; none where nothing is encrypted. */
export function loadClients({ directory, clients, target }: LoadPlan): readonly (SecureContext | null)[] {
  if (target.kind === 'plain') return [null];
  return Array.from({ length: clients }, (_, index) =>
    createSecureContext({
      cert: readFileSync(join(directory, `client-${index}.pem`)),
      key: readFileSync(join(directory, `client-${index}.key`)),
      ca: readFileSync(join(directory, 'bundle.pem')),
      minVersion: 'TLSv1.3',
      ciphers: SUITE,
      ecdhCurve: GROUP,
    }),
  );
}

/** Ends the process when the connection fails. */
export function dial(
  { target, asks }: Pick<LoadPlan, 'target' | 'asks'>,
  secureContext: SecureContext | null,
  line: Line,
): Dialled {
  const onread: OnReadOpts = {
    buffer: READ_BUFFER,
    callback: (length) => {
      line.read(READ_BUFFER.subarray(0, length));
      return true;
    },
  };
  const socket =
    target.kind === 'plain'
      ? dialPlainly(target.at, onread, line.open)
      : connect(
          toTlsOptions(target.port, {
            onread,
            ...(secureContext === null ? {} : { secureContext }),
            ...(asks.protocol === 'http2' ? { ALPNProtocols: ['h2'] } : {}),
          }),
          line.open,
        );
  socket.setNoDelay(true);
  socket.on('error', (error) => fail(error.message));
  let isFinished = false;
  socket.on('close', () => {
    if (!isFinished) fail('the proxy closed a connection');
  });
  return {
    socket,
    finish: () => {
      isFinished = true;
      socket.destroy();
    },
  };
}

export function fail(why: string): never {
  process.stderr.write(`load generator: ${why}\n`);
  process.exit(1);
}

function toTlsOptions(port: number, of: ConnectionOptions & { readonly onread: OnReadOpts }): ConnectionOptions {
  // SPIFFE IDs are no host names.
  return { host: HOST, servername: 'localhost', port, checkServerIdentity: () => undefined, ...of };
}

function dialPlainly(at: number | string, onread: OnReadOpts, open: () => void): Socket {
  return typeof at === 'string'
    ? connectPlainly({ path: at, onread }, open)
    : connectPlainly({ host: HOST, port: at, onread }, open);
}
