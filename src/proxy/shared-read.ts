// Reads what peers send into one buffer for all of them, below Node's streams where the inside of a socket is as we know it.

import type { Socket } from 'node:net';

/** Of Node's own: where a socket keeps what its option `onread` asked for. Node looks at them at each read. */
interface ReadSlots {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

interface ReadingHandle {
  useUserBuffer(bytes: Buffer): void;
}

/** As much as a TLS record holds. */
const READ_BYTES = 16 * 1024;
/** A message of gRPC: to make memory for it alone, and to free that, costs more than to leave it to the collector. */
const MAX_POOLED_BYTES = 512;
/**
 * What one read brings stands here until it has been dealt with, on whichever connection. Node keeps its address: memory of this kind
 * cannot be detached, whatever becomes of the views of it.
 */
const SHARED: Buffer = Buffer.from(new SharedArrayBuffer(READ_BYTES));

let isBeingRead = false;

/** Left to itself, Node makes memory for each read. Pausing and the end are the socket's, as ever. */
export class SharedRead {
  readonly #socket: Socket;
  readonly #onRead: (bytes: Buffer) => void;
  /** What the next read goes into. */
  #memory = SHARED;
  #view = SHARED;
  /** Whether #memory belongs to somebody else now. */
  #isTaken = false;

  /** `onRead` is told what comes on `socket`, connected and not read from yet; it is overwritten when that has returned. */
  constructor(socket: Socket, onRead: (bytes: Buffer) => void) {
    this.#socket = socket;
    this.#onRead = onRead;
    if (this.#readBelowStream()) socket.resume();
    else socket.on('data', onRead);
  }

  /**
   * `bytes`, of a read or left over from one, to be kept: copied where they would be overwritten. Bodies come in full records, and from the
   * second on those are read into memory that is given away instead.
   */
  lasting(bytes: Buffer): Buffer {
    if (bytes.buffer !== this.#memory.buffer) return bytes;
    this.#isTaken = bytes.length === READ_BYTES;
    if (this.#isTaken && this.#memory !== SHARED) return bytes;
    const copy =
      bytes.length <= MAX_POOLED_BYTES ? Buffer.allocUnsafe(bytes.length) : Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(copy);
    return copy;
  }

  /** As `onread` of net.connect() does; servers have no such option. @returns false when the socket has to be read as a stream. */
  #readBelowStream(): boolean {
    const socket = this.#socket;
    const slots = findSlots(socket);
    const handle: unknown = Reflect.get(socket, '_handle');
    if (slots === null || !isReadingHandle(handle) || socket.readableLength > 0) return false;
    handle.useUserBuffer(SHARED);
    Reflect.set(socket, slots.buffer, SHARED);
    Reflect.set(socket, slots.callback, (count: number) => this.#dealWith(count));
    Reflect.set(socket, slots.generator, () => this.#nextMemory());
    return true;
  }

  #dealWith(count: number): void {
    if (isBeingRead) {
      // Node reads nothing while something is being read, but for one that writes nothing at all; bytes of two peers would mingle.
      this.#socket.destroy(new Error('read within a read'));
      return;
    }
    // Peers repeat themselves, and a view costs as much as reading a small head.
    if (this.#view.length !== count) this.#view = this.#memory.subarray(0, count);
    isBeingRead = true;
    try {
      this.#onRead(this.#view);
    } finally {
      isBeingRead = false;
    }
  }

  /** @returns null for the same again. */
  #nextMemory(): Buffer | null {
    if (!this.#isTaken && this.#memory === SHARED) return null;
    this.#memory = this.#isTaken ? Buffer.allocUnsafeSlow(READ_BYTES) : SHARED;
    this.#view = this.#memory;
    this.#isTaken = false;
    return this.#memory;
  }
}

let knownSlots: ReadSlots | null = null;

function findSlots(socket: Socket): ReadSlots | null {
  if (knownSlots === null) {
    const symbols = Object.getOwnPropertySymbols(socket);
    const named = (name: string): symbol | undefined => symbols.find((symbol) => symbol.description === name);
    const [buffer, callback, generator] = [named('kBuffer'), named('kBufferCb'), named('kBufferGen')];
    if (buffer === undefined || callback === undefined || generator === undefined) return null;
    knownSlots = { buffer, callback, generator };
  }
  const { buffer, callback, generator } = knownSlots;
  return [buffer, callback, generator].every((slot) => Reflect.get(socket, slot) === null) ? knownSlots : null;
}

function isReadingHandle(handle: unknown): handle is ReadingHandle {
  if (typeof handle !== 'object' || handle === null || Reflect.get(handle, 'reading') !== true) return false;
  return typeof Reflect.get(handle, 'useUserBuffer') === 'function';
}
