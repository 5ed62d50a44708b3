// One connection to the upstream: carries one exchange at a time and is fit for another only after a response that was
// fully framed and consumed.

import { connect, type Socket } from 'node:net';
import { chunkPrefix, CHUNK_END, LAST_CHUNK } from '../http1/encode.ts';
import type { FieldLines } from '../http1/field-lines.ts';
import { Http1Error } from '../http1/http1-error.ts';
import { type BodyFraming, hasBody, type HeadLimits } from '../http1/request-head.ts';
import { ResponseDecoder } from '../http1/response-decoder.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Loan, ReadBuffer, ReadBuffers } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';

export type UpstreamAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** What an exchange hears from the upstream connection that carries it. */
export interface UpstreamUser {
  /** `lines`: its fields without what is ours to say. */
  upstreamHead(head: ResponseHead, lines: FieldLines): void;
  /** The bytes are overwritten after this has returned, unless `loan` is held. */
  upstreamData(bytes: Buffer, loan: Loan): void;
  upstreamEnd(): void;
  /** What one read from the upstream brought has been handed over, and it was not the end. */
  upstreamFlush(): void;
  upstreamFailed(refusal: Refusal): void;
  upstreamDrained(): void;
}

/** How a connection tells its pool what became of it. */
export interface UpstreamOwner {
  connected(connection: UpstreamConnection): void;
  /** Called once, before the exchange it carried is told; it must not be used from here on. */
  closed(connection: UpstreamConnection): void;
}

const RESPONSE_LIMITS: HeadLimits = { maxHeadBytes: 64 * 1024, maxFieldCount: 256 };

export class UpstreamConnection {
  readonly #socket: Socket;
  readonly #owner: UpstreamOwner;
  readonly #decoder = new ResponseDecoder(RESPONSE_LIMITS, isPassedOn);
  #user: UpstreamUser | null = null;
  readonly #buffers: ReadBuffers;
  #buffer: ReadBuffer;
  /** How the rest of the request is framed. */
  #request: BodyFraming['kind'] | 'sent' = 'sent';
  /** Whether a byte has come back for the exchange it carries. */
  #answered = false;
  #exchanges = 0;
  #closed = false;
  /** Monotonic ms; set by the pool: when it was asked for, later when it became idle. */
  sinceMs = 0;

  constructor(address: UpstreamAddress, owner: UpstreamOwner, buffers: ReadBuffers) {
    this.#owner = owner;
    this.#buffers = buffers;
    this.#buffer = buffers.take();
    const onread = {
      buffer: () => this.#buffer.bytes,
      callback: (count: number): boolean => this.#onRead(count),
    };
    this.#socket =
      address.kind === 'tcp'
        ? connect({ host: address.host, port: address.port, noDelay: true, onread })
        : connect({ path: address.path, onread });
    this.#socket.on('connect', () => this.#owner.connected(this));
    this.#socket.on('drain', () => this.#user?.upstreamDrained());
    this.#socket.on('end', () => this.#onEnd());
    this.#socket.on('error', () => this.#fail('upstream-reset'));
    this.#socket.on('close', () => this.#onClose());
    this.#socket.resume();
  }

  /** True when it has carried an exchange before and nothing came back for this one: the upstream may never have seen it. */
  get mayHaveDiedIdle(): boolean {
    return this.#exchanges > 1 && !this.#answered;
  }

  /** RFC 9112 §9.3: framed, consumed, persistent, nothing left over on either side. */
  get isReusable(): boolean {
    if (this.#closed || !this.#decoder.isComplete || this.#decoder.bufferedBytes > 0) return false;
    if (this.#request !== 'sent' || this.#socket.writableLength > 0) return false;
    return this.#exchanges === 0 || this.#decoder.head.persistent;
  }

  /** Writes a request head; the caller has rendered it and declares how its body is framed. */
  begin(
    user: UpstreamUser,
    request: { readonly method: string; readonly head: string; readonly body: BodyFraming },
  ): void {
    this.#user = user;
    this.#exchanges += 1;
    this.#answered = false;
    this.#decoder.begin(request.method);
    if (!hasBody(request.body)) {
      this.#request = 'sent';
      this.#socket.write(request.head, 'latin1');
      return;
    }
    this.#request = request.body.kind;
    // The first bytes of the body are usually at hand already: send them with the head.
    this.#socket.cork();
    this.#socket.write(request.head, 'latin1');
    process.nextTick(uncork, this.#socket);
  }

  /** Takes `bytes` over: they are gone once they have been sent. @returns false when the caller should wait for upstreamDrained(). */
  writeBody(bytes: Buffer): boolean {
    const written = (): void => freeMemory(bytes);
    if (this.#request !== 'chunked') return this.#socket.write(bytes, written);
    this.#socket.cork();
    this.#socket.write(chunkPrefix(bytes.length), 'latin1');
    this.#socket.write(bytes, written);
    const accepted = this.#socket.write(CHUNK_END, 'latin1');
    this.#socket.uncork();
    return accepted;
  }

  endBody(): void {
    if (this.#request === 'chunked') this.#socket.write(LAST_CHUNK, 'latin1');
    this.#request = 'sent';
  }

  /** Stops reading from the upstream: the peer is slower than it. Only from upstreamFlush(), so that none ends while paused. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Ends the connection without a word to the exchange it carries. */
  destroy(): void {
    this.#user = null;
    this.#socket.destroy();
  }

  #onRead(count: number): boolean {
    const user = this.#user;
    if (user === null) {
      // Bytes nobody asked for: a second response, or a 408 on an idle connection.
      this.#fail('upstream-reset');
      return false;
    }
    this.#answered = true;
    const buffer = this.#buffer;
    this.#decoder.push(buffer.bytes.subarray(0, count));
    this.#pump(user);
    if (buffer.isLent) {
      buffer.letGo();
      this.#buffer = this.#buffers.take();
    }
    return !this.#socket.isPaused();
  }

  #onEnd(): void {
    const user = this.#user;
    if (user !== null && !this.#decoder.isComplete) {
      this.#decoder.eof();
      this.#pump(user);
    }
    this.#fail('upstream-reset');
  }

  #onClose(): void {
    this.#fail('upstream-reset');
    this.#buffer.letGo();
  }

  #pump(user: UpstreamUser): void {
    try {
      for (let event = this.#decoder.next(); event !== 'need-more'; event = this.#decoder.next()) {
        if (event === 'head') {
          user.upstreamHead(this.#decoder.head, this.#decoder.lines);
        } else if (event === 'data') {
          user.upstreamData(this.#decoder.data, this.#buffer);
        } else {
          this.#user = null;
          user.upstreamEnd();
          return;
        }
        if (this.#user !== user) return;
      }
      user.upstreamFlush();
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#fail(this.#answered ? 'upstream-invalid-response' : 'upstream-reset');
    }
  }

  #fail(refusal: Refusal): void {
    const user = this.#user;
    this.#user = null;
    if (!this.#closed) {
      this.#closed = true;
      this.#socket.destroy();
      this.#owner.closed(this);
    }
    user?.upstreamFailed(refusal);
  }
}

/** All but what is ours to say, and alternative services: they would lead the peer past the proxy (RFC 7838). */
function isPassedOn(name: string): boolean {
  return name !== 'alt-svc' && !name.startsWith('x-sallyport-');
}

/**
 * Each read of a TLS socket comes in memory of its own, which the collector lets pile up to some 60 MiB before it looks at it.
 * Detaching frees it now. Memory that others have a part in is left to the collector.
 */
function freeMemory(bytes: Buffer): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) buffer.transfer(0);
}

function uncork(socket: Socket): void {
  socket.uncork();
}
