// The served end of TCP listeners: a connection of its own for each that a peer opens, never used again, and bounded in number.

import type { Socket } from 'node:net';
import { ReadBuffers } from './read-buffers.ts';
import type { Refusal } from './refusal.ts';
import type { Dial, ServerLease } from './upstream-dial.ts';

/** What a tunnel hears from the connection that it asked for. */
export interface TcpUpstreamUser {
  /** From now on it may be written to. */
  dialled(server: ServerLease | null): void;
  dialRefused(refusal: Refusal): void;
  /** The bytes are overwritten once `letGo` has been called, which is to be done once. @returns false when nothing more is to be read. */
  upstreamData(bytes: Buffer, letGo: () => void): boolean;
  /** More may be written. */
  upstreamDrained(): void;
  /** It will send nothing more, and may still be written to. */
  upstreamEnd(): void;
  upstreamClosed(): void;
}

export interface TcpUpstreamOptions {
  readonly connectTimeoutMs: number;
  readonly maxConnections: number;
}

/** How long an upstream may take over the last bytes of a connection that is over for its peer. */
const LINGER_MS = 2_000;

export class TcpUpstream {
  readonly #dial: Dial;
  readonly #options: TcpUpstreamOptions;
  readonly #buffers = new ReadBuffers();
  readonly #open = new Set<Socket>();

  constructor(dial: Dial, options: TcpUpstreamOptions) {
    this.#dial = dial;
    this.#options = options;
  }

  /** Null when there are as many connections as there may be. */
  dial(user: TcpUpstreamUser): Socket | null {
    if (this.#open.size >= this.#options.maxConnections) return null;
    let buffer = this.#buffers.take();
    const onRead = (count: number): boolean => {
      const lent = buffer;
      if (!user.upstreamData(lent.bytes.subarray(0, count), lent.hold())) socket.pause();
      if (lent.isLent) {
        lent.letGo();
        buffer = this.#buffers.take();
      }
      return !socket.isPaused();
    };
    const socket = this.#dial(user, { buffer: () => buffer.bytes, callback: onRead });
    this.#open.add(socket);
    socket.on('drain', () => user.upstreamDrained());
    socket.on('end', () => user.upstreamEnd());
    // What matters about an error is that 'close' follows it.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#open.delete(socket);
      buffer.letGo();
      user.upstreamClosed();
    });
    socket.resume();
    return socket;
  }

  isLate(waitedMs: number): boolean {
    return waitedMs >= this.#options.connectTimeoutMs;
  }

  /** Ends it where it stands. A reset tells the upstream that it is no end in good order. */
  abandon(socket: Socket): void {
    // Of a socket that is being connected, or is none of TCP's own, there is nothing to reset.
    if (socket.connecting || 'encrypted' in socket || socket.remoteAddress === undefined) socket.destroy();
    else socket.resetAndDestroy();
  }

  /** Both sides have ended: it is closed when it has taken what it was sent, or before long. */
  leave(socket: Socket): void {
    if (socket.destroyed) return;
    const linger = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.on('close', () => clearTimeout(linger));
  }

  close(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
