// One connection through which bytes go and nothing else: the first one says what is asked of the upstream.

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Asker, OnAnswer } from './asker.ts';
import { dial } from './dial.ts';
import type { LoadPlan, TcpAsks } from './plan.ts';

/** What an upstream of bytes is asked for; it echoes the last. */
export const ASKED = { down: 'd', up: 'u', echo: 'e' } as const;

const PIECE = Buffer.alloc(256 * 1024);

export class TcpConnection implements Asker {
  readonly #direction: TcpAsks['direction'];
  readonly #socket: Socket;
  readonly #onAnswer: OnAnswer;
  readonly finish: () => void;
  #received = 0;
  intendedNs = 0;

  private constructor(
    plan: LoadPlan & { readonly asks: TcpAsks },
    secureContext: SecureContext | null,
    on: { readonly open: () => void; readonly answer: OnAnswer },
  ) {
    this.#direction = plan.asks.direction;
    this.#onAnswer = on.answer;
    const { socket, finish } = dial(plan, secureContext, {
      open: on.open,
      read: ({ length }) => {
        this.#received += length;
        if (this.#direction === 'echo') this.#onAnswer(this);
      },
    });
    this.#socket = socket;
    this.finish = finish;
  }

  static open(
    plan: LoadPlan & { readonly asks: TcpAsks },
    secureContext: SecureContext | null,
    answer: OnAnswer,
  ): Promise<TcpConnection> {
    return new Promise((resolve) => {
      const connection = new TcpConnection(plan, secureContext, { answer, open: () => resolve(connection) });
    });
  }

  get bytes(): number {
    return this.#direction === 'up' ? this.#socket.bytesWritten - this.#socket.writableLength : this.#received;
  }

  ask(): void {
    this.#socket.write(ASKED[this.#direction]);
    if (this.#direction !== 'up') return;
    const send = (): void => {
      while (this.#socket.write(PIECE));
    };
    this.#socket.on('drain', send);
    send();
  }
}
