// Of one HTTP/2 connection: that what it brings at once does not hold up all others.

import type { Socket } from 'node:net';

/** libuv reads a socket up to 32 times before it looks at another, and frames may be nine octets short. What one read brings is dealt with. */
const FRAMES_PER_TURN = 2_000;

export class FrameTurns {
  readonly #socket: Socket;
  #frames = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** `frames` have been dealt with; if they were many, nothing more is read until whatever else there is has had its turn. */
  count(frames: number): void {
    this.#frames += frames;
    if (this.#frames < FRAMES_PER_TURN) return;
    this.#frames = 0;
    this.#socket.pause();
    setImmediate(resume, this.#socket);
  }
}

function resume(socket: Socket): void {
  socket.resume();
}
