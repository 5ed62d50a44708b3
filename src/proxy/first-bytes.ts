// A plaintext connection before it is known what is spoken on it: HTTP/2 with prior knowledge, or HTTP/1.1.

import type { Socket } from 'node:net';
import type { ListenerContext } from './context.ts';
import type { DownstreamConnection } from './downstream-connection.ts';
import type { Termination } from './refusal.ts';

/** RFC 9113 §3.4: what every client begins with. No method of HTTP/1.1 is `PRI`. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** As many tell it from every request. */
const TELLING_BYTES = 4;

export interface FirstBytesOwner {
  readonly isDraining: boolean;
  /** `bytes` have been read of the socket, and belong to whoever reads on; nothing comes before this has returned. */
  begins(protocol: 'http/1.1' | 'h2c', bytes: Buffer): void;
}

export class FirstBytes implements DownstreamConnection {
  readonly hasExchange = false;
  readonly #socket: Socket;
  readonly #context: ListenerContext;
  readonly #owner: FirstBytesOwner;
  readonly #openedMs: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, context: ListenerContext, owner: FirstBytesOwner) {
    this.#socket = socket;
    this.#context = context;
    this.#owner = owner;
    this.#openedMs = context.clock.monotonicMs();
    const onData = (bytes: Buffer): void => {
      this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
      const protocol = this.#findProtocol();
      if (protocol === null) return;
      socket.off('data', onData);
      // Not from within the read: whoever reads on may do so in a way of its own. Before the next one all the same.
      process.nextTick(() => {
        if (!socket.destroyed) owner.begins(protocol, this.#bytes);
      });
    };
    socket.on('data', onData);
  }

  /** Nothing is in flight. */
  redecide(): void {}

  recheck(): void {}

  lapsed(): void {}

  terminate(termination: Termination): void {
    this.#context.recorder.connectionTerminated(termination);
    this.#socket.destroy();
  }

  sweep(nowMs: number): void {
    if (this.#socket.destroyed) return;
    const { headTimeoutMs, idleTimeoutMs } = this.#context.limits;
    const waitedMs = nowMs - this.#openedMs;
    if (this.#bytes.length > 0 && waitedMs >= headTimeoutMs) this.terminate('head-timeout');
    else if (this.#owner.isDraining) this.terminate('drain');
    else if (waitedMs >= idleTimeoutMs) this.terminate('idle-timeout');
  }

  /** Null while it could be either. */
  #findProtocol(): 'http/1.1' | 'h2c' | null {
    const bytes = this.#bytes.subarray(0, TELLING_BYTES);
    if (!bytes.equals(PREFACE.subarray(0, bytes.length))) return 'http/1.1';
    return bytes.length < TELLING_BYTES ? null : 'h2c';
  }
}
