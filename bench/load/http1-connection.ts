// One kept connection that asks over HTTP/1.1 and counts answers.

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Asker, OnAnswer } from './asker.ts';
import { dial, fail } from './dial.ts';
import type { LoadPlan } from './plan.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
const STATUS_AT = 'HTTP/1.1 '.length;
const SPACE = ' '.charCodeAt(0);

/** The requests of this process, one after the other. */
export function createRequests(path: string): () => string {
  const [before = '', after] =
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nX-Request-Id: 0123456789abcdef\r\n\r\n`.split(
      '#',
    );
  if (after === undefined) return () => before;
  let unique = 0;
  return () => {
    unique += 1;
    return `${before}${process.pid.toString(36)}-${unique.toString().padStart(8, '0')}${after}`;
  };
}

export class Http1Connection implements Asker {
  readonly #nextRequest: () => string;
  readonly #socket: Socket;
  readonly #onAnswer: OnAnswer;
  readonly finish: () => void;
  /** The length of an answer that came in one piece, as the next ones most likely do. */
  #usualLength = 0;
  #head = Buffer.alloc(0);
  #missing = 0;
  bytes = 0;
  intendedNs = 0;

  private constructor(
    plan: Pick<LoadPlan, 'target' | 'asks'>,
    secureContext: SecureContext | null,
    on: { readonly open: () => void; readonly answer: OnAnswer; readonly nextRequest: () => string },
  ) {
    this.#onAnswer = on.answer;
    this.#nextRequest = on.nextRequest;
    const { socket, finish } = dial(plan, secureContext, { open: on.open, read: (bytes) => this.#read(bytes) });
    this.#socket = socket;
    this.finish = finish;
  }

  static open(
    plan: Pick<LoadPlan, 'target' | 'asks'>,
    secureContext: SecureContext | null,
    on: { readonly answer: OnAnswer; readonly nextRequest: () => string },
  ): Promise<Http1Connection> {
    return new Promise((resolve) => {
      const connection = new Http1Connection(plan, secureContext, { ...on, open: () => resolve(connection) });
    });
  }

  ask(): void {
    this.#socket.write(this.#nextRequest(), 'latin1');
  }

  #read(bytes: Buffer): void {
    const { length } = bytes;
    this.bytes += length;
    if (this.#missing === 0 && this.#head.length === 0 && length === this.#usualLength) {
      if (isSuccess(bytes)) this.#onAnswer(this);
      else fail(`answered ${bytes.toString('latin1', 0, 40)}`);
    } else if (this.#missing > 0) {
      this.#take(length);
    } else {
      this.#readHead(bytes);
    }
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

function isSuccess(head: Buffer): boolean {
  return head[STATUS_AT - 1] === SPACE && head[STATUS_AT] === 0x32 && head[STATUS_AT + 1] === 0x30;
}
