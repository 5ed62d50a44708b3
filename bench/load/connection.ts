// One kept mTLS connection that asks and counts answers with as little of Node in between as there can be.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { LoadPlan } from './plan.ts';

// The same suite and group for every proxy: what differs between them should not be what they negotiate.
const SUITE = 'TLS_AES_128_GCM_SHA256';
const GROUP = 'X25519';
/** Connections are read one at a time, so one buffer serves all. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);
const HEAD_END = Buffer.from('\r\n\r\n');
const STATUS_AT = 'HTTP/1.1 '.length;
const SPACE = ' '.charCodeAt(0);

/** One context for each client, for its connections to share. */
export function loadClients({ directory, clients }: LoadPlan): readonly SecureContext[] {
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

export class LoadConnection {
  readonly #socket: TLSSocket;
  readonly #onAnswer: (connection: LoadConnection) => void;
  #isFinished = false;
  /** The length of an answer that came in one piece, as the next ones most likely do. */
  #usualLength = 0;
  #head = Buffer.alloc(0);
  #missing = 0;
  bytes = 0;
  /** When what is under way was meant to be sent. */
  intendedNs = 0;

  constructor(
    { port }: Pick<LoadPlan, 'port'>,
    secureContext: SecureContext,
    on: {
      readonly open: (connection: LoadConnection) => void;
      readonly answer: (connection: LoadConnection) => void;
    },
  ) {
    this.#onAnswer = on.answer;
    const options: ConnectionOptions & { onread: { buffer: Buffer; callback: (length: number) => boolean } } = {
      host: '127.0.0.1',
      servername: 'localhost',
      port,
      secureContext,
      // SPIFFE IDs are no host names.
      checkServerIdentity: () => undefined,
      onread: { buffer: READ_BUFFER, callback: (length) => this.#read(length) },
    };
    this.#socket = connect(options, () => on.open(this));
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => fail(error.message));
    this.#socket.on('close', () => {
      if (!this.#isFinished) fail('the proxy closed a connection');
    });
  }

  ask(request: string): void {
    this.#socket.write(request, 'latin1');
  }

  finish(): void {
    this.#isFinished = true;
    this.#socket.destroy();
  }

  #read(length: number): boolean {
    this.bytes += length;
    if (this.#missing === 0 && this.#head.length === 0 && length === this.#usualLength) {
      if (isSuccess(READ_BUFFER)) this.#onAnswer(this);
      else fail(`answered ${READ_BUFFER.toString('latin1', 0, 40)}`);
    } else if (this.#missing > 0) {
      this.#take(length);
    } else {
      this.#readHead(READ_BUFFER.subarray(0, length));
    }
    return true;
  }

  #readHead(bytes: Buffer): void {
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return;
    if (!isSuccess(this.#head)) fail(`answered ${this.#head.toString('latin1', 0, 40)}`);
    const bodyBytes = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#head.toString('latin1', 0, end + 2))?.[1]);
    if (!(bodyBytes > 0)) fail('answered without a length');
    const total = end + HEAD_END.length + bodyBytes;
    const have = this.#head.length;
    if (have === bytes.length && have === total) this.#usualLength = total;
    this.#head = Buffer.alloc(0);
    this.#missing = total;
    this.#take(have);
  }

  #take(length: number): void {
    this.#missing -= length;
    if (this.#missing < 0) fail('answered more than was asked for');
    if (this.#missing === 0) this.#onAnswer(this);
  }
}

export function fail(why: string): never {
  process.stderr.write(`load generator: ${why}\n`);
  process.exit(1);
}

function isSuccess(head: Buffer): boolean {
  return head[STATUS_AT - 1] === SPACE && head[STATUS_AT] === 0x32 && head[STATUS_AT + 1] === 0x30;
}
