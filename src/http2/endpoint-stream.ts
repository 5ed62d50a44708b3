// One stream of an HTTP/2 connection (RFC 9113 §5.1): what came for its user and may have to wait, and what its user sends.

import type { Http2Channel, Lender, RawFields, ReceivedFields, StreamReset, StreamUser } from './endpoint-ports.ts';
import { ERROR_CODE, type ErrorCode } from './frame.ts';
import { KeptData } from './kept-data.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { SendQueue } from './send-queue.ts';
import type { Sender, SendingStream } from './sender.ts';

/** The connection that a stream is on. */
export interface StreamHost {
  readonly sender: Sender;
  /** Frames for it are those of a closed stream from now on. */
  release(stream: EndpointStream): void;
  /** RST_STREAM, and `release`. */
  sendReset(stream: EndpointStream, code: ErrorCode): void;
  increaseWindow(streamId: number, increment: number): void;
}

/** What has come: the final head of a response is still missing, or its END_STREAM, or nothing. */
type Incoming = 'head' | 'body' | 'ended';
/** What has been sent: END_STREAM is neither queued nor written, or it is, or it has been handed to the output. */
type Outgoing = 'open' | 'ending' | 'ended';

const CONGESTED_BYTES = 65_536;
const RELIEVED_BYTES = CONGESTED_BYTES / 2;
const INTERIM_STATUS = /^1\d\d$/;

export class EndpointStream implements Http2Channel, SendingStream {
  readonly queue: SendQueue;
  readonly window: ReceiveWindow;
  readonly #host: StreamHost;
  #user: StreamUser | null;
  readonly #isOfPeer: boolean;
  #incoming: Incoming;
  #outgoing: Outgoing = 'open';
  #isPaused: boolean;
  #isTelling = false;
  #isCongested = false;
  #isKnown: boolean;
  /** Frames of the stream are still its own. */
  #isHeld = true;
  #isClosed = false;
  #kept: KeptData | null = null;
  #trailers: ReceivedFields | null = null;
  /** What is told after all that is kept: END_STREAM, or a reset that means the same. */
  #last: 'ended' | 'reset' | null = null;
  /** What happened to it before it had a user. */
  #early: StreamReset | null = null;

  /** `user` is null for a request of the other end, and known when that has been told of. */
  constructor(host: StreamHost, user: StreamUser | null, windows: { queue: SendQueue; window: ReceiveWindow }) {
    this.#host = host;
    this.#user = user;
    this.queue = windows.queue;
    this.window = windows.window;
    this.#isOfPeer = user === null;
    this.#isKnown = this.#isOfPeer;
    this.#incoming = this.#isOfPeer ? 'body' : 'head';
    this.#isPaused = this.#isOfPeer;
  }

  get id(): number {
    return this.queue.streamId;
  }

  /** Whether HEADERS have been written, without which the other end knows nothing of it. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  get canSend(): boolean {
    return this.#outgoing === 'open' && !this.#isClosed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isCongested(): boolean {
    return this.#isCongested;
  }

  get unsentBytes(): number {
    return this.queue.bytes;
  }

  sendHeaders(fields: RawFields, endsStream: boolean): void {
    if (!this.canSend) return;
    if (endsStream) this.#outgoing = 'ending';
    if (this.queue.isEmpty && this.#host.sender.writeFields(this.id, fields, endsStream)) {
      this.#isKnown = true;
      if (endsStream) this.#host.sender.ends(this);
      return;
    }
    this.queue.pushFields(fields, endsStream);
    this.#host.sender.schedule(this);
  }

  sendData(bytes: Buffer, lender: Lender | null): void {
    if (!this.canSend || bytes.length === 0) return;
    if (this.queue.isEmpty && this.#host.sender.writeData(this.queue, bytes)) return;
    this.queue.pushData(bytes, lender);
    if (this.queue.bytes > CONGESTED_BYTES) this.#isCongested = true;
    this.#host.sender.schedule(this);
  }

  sendEnd(trailers: RawFields): void {
    if (!this.canSend) return;
    if (trailers.length > 0) return this.sendHeaders(trailers, true);
    this.#outgoing = 'ending';
    if (this.queue.isEmpty && this.#host.sender.writeEnd(this.id)) return this.#host.sender.ends(this);
    this.queue.pushEnd();
    this.#host.sender.schedule(this);
  }

  reset(code: ErrorCode): void {
    if (this.#isClosed) return;
    const isOver = this.#incoming === 'ended' && this.#outgoing === 'ended';
    if (this.#isKnown && !isOver) this.#host.sendReset(this, code);
    this.#letGo();
    this.#close(null);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#tell();
  }

  /** Who uses a stream that the other end has opened. */
  attach(user: StreamUser): void {
    this.#user = user;
    if (this.#isClosed) {
      if (this.#early !== null) user.reset(this.#early);
      user.closed();
      return;
    }
    if (this.#outgoing === 'ended') user.sent();
    this.#tell();
  }

  /** HEADERS. @returns what is wrong with them, of the stream. */
  takeFields(fields: ReceivedFields, endsStream: boolean): ErrorCode | null {
    switch (this.#incoming) {
      case 'ended':
        return ERROR_CODE.streamClosed;
      case 'head':
        return this.#takeHead(fields, endsStream);
      case 'body':
        // RFC 9113 §8.1: there are no fields between.
        if (!endsStream) return ERROR_CODE.protocolError;
        this.#trailers = fields;
        this.takeEnd();
        return null;
    }
  }

  /** DATA of that length, padding and all. @returns what is wrong with it, of the stream. */
  admitData(length: number): ErrorCode | null {
    if (this.#incoming === 'ended') return ERROR_CODE.streamClosed;
    if (this.#incoming === 'head') return ERROR_CODE.protocolError;
    return this.window.take(length) ? null : ERROR_CODE.flowControlError;
  }

  takeData(bytes: Buffer): void {
    // Of a frame that its user has not waited to end.
    if (this.#isClosed) return;
    if (this.#kept !== null) this.#kept.push(bytes);
    else if (this.#isPaused || this.#user === null) this.#kept = new KeptData(bytes);
    else {
      // Its user may have freed them.
      const { length } = bytes;
      this.#user.data(bytes);
      this.giveBack(length);
    }
  }

  /** END_STREAM. */
  takeEnd(): void {
    if (this.#isClosed || this.#incoming === 'ended') return;
    this.#incoming = 'ended';
    this.#last = 'ended';
    this.#tell();
  }

  /** What has been told to the user, and padding. */
  giveBack(bytes: number): void {
    if (this.#incoming === 'ended' || this.#isClosed) return;
    const increment = this.window.giveBack(bytes);
    if (increment > 0) this.#host.increaseWindow(this.id, increment);
  }

  /** It is over before its end, and not because its user says so. */
  end(why: StreamReset): void {
    if (this.#isClosed) return;
    const hasResponse = !this.#isOfPeer && this.#incoming === 'ended';
    this.#letGo();
    if (hasResponse) this.#closeIfOver();
    else if (!this.#isOfPeer && why.kind === 'peer' && why.code === ERROR_CODE.noError) {
      this.#incoming = 'ended';
      this.#last = 'reset';
      this.#tell();
    } else this.#close(why);
  }

  frameWritten(): void {
    this.#isKnown = true;
    if (this.#outgoing === 'ending' && this.queue.isEmpty) this.#host.sender.ends(this);
    if (!this.#isCongested || this.queue.bytes > RELIEVED_BYTES) return;
    this.#isCongested = false;
    this.#user?.drained();
  }

  endHandedOver(): void {
    if (this.#isClosed || this.#outgoing !== 'ending') return;
    this.#outgoing = 'ended';
    this.#user?.sent();
    this.#closeIfOver();
  }

  #takeHead(fields: ReceivedFields, endsStream: boolean): ErrorCode | null {
    const isInterim = fields !== 'too-large' && fields[0] === ':status' && INTERIM_STATUS.test(fields[1] ?? '');
    if (isInterim && endsStream) return ERROR_CODE.protocolError;
    if (!isInterim) this.#incoming = 'body';
    this.#user?.headers(fields, endsStream);
    if (endsStream) this.takeEnd();
    return null;
  }

  /** Tells what is kept, and what follows it; whoever is told may pause it again, reset it or end the connection. */
  #tell(): void {
    const user = this.#user;
    if (user === null || this.#isTelling) return;
    this.#isTelling = true;
    while (!this.#isPaused && !this.#isClosed) {
      if (this.#kept !== null) {
        const bytes = this.#kept.take();
        const { length } = bytes;
        this.#kept = null;
        user.data(bytes);
        this.giveBack(length);
      } else if (this.#trailers !== null) {
        const trailers = this.#trailers;
        this.#trailers = null;
        user.trailers(trailers);
      } else {
        this.#tellLast(user);
        break;
      }
    }
    this.#isTelling = false;
    this.#closeIfOver();
  }

  #tellLast(user: StreamUser): void {
    const last = this.#last;
    this.#last = null;
    if (last === 'ended') user.ended();
    else if (last === 'reset') user.reset({ kind: 'peer', code: ERROR_CODE.noError });
  }

  #closeIfOver(): void {
    if (this.#isClosed || this.#user === null || this.#incoming !== 'ended' || this.#outgoing !== 'ended') return;
    if (!this.#isOfPeer) this.#letGo();
    const isAllTold = this.#kept === null && this.#trailers === null && (this.#last === null || this.#isOfPeer);
    if (!isAllTold || this.#isTelling) return;
    this.#letGo();
    this.#close(null);
  }

  #letGo(): void {
    this.#outgoing = 'ended';
    this.queue.drop();
    this.#host.sender.forget(this);
    if (this.#isHeld) this.#host.release(this);
    this.#isHeld = false;
  }

  #close(why: StreamReset | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isCongested = false;
    this.#kept = null;
    this.#trailers = null;
    if (this.#user === null) {
      this.#early = why;
      return;
    }
    if (why !== null) this.#user.reset(why);
    this.#user.closed();
  }
}
