// One end of an HTTP/2 connection, server or client: octets in, events and octets out (RFC 9113).

import type {
  Endpoint,
  EndpointLimits,
  EndpointOutput,
  EndpointOwner,
  Http2Channel,
  RawFields,
  StreamUser,
  Violation,
} from './endpoint-ports.ts';
import { EndpointStream, type StreamHost } from './endpoint-stream.ts';
import { ERROR_CODE, type ErrorCode, INITIAL_WINDOW_BYTES, MAX_STREAM_ID, MAX_WINDOW_BYTES, SETTING } from './frame.ts';
import { type FieldSection, FrameDispatch, type FrameOwner } from './frame-dispatch.ts';
import { ReceivedSettings } from './peer-settings.ts';
import { ReceiveWindow } from './receive-window.ts';
import { SendQueue } from './send-queue.ts';
import { Sender } from './sender.ts';
import { StreamTable } from './stream-table.ts';

export interface EndpointTerms {
  readonly role: 'server' | 'client';
  readonly limits: EndpointLimits;
  readonly owner: EndpointOwner;
}

/** `failed`: only the GOAWAY is left to be written. `disconnected`: nothing is. */
type Phase = 'open' | 'failed' | 'disconnected';

const TABLE_BYTES = 4_096;
// Moving the windows of so many takes as long as dealing with any other frame that is told as idle.
const STREAMS_PER_IDLE_FRAME = 256;
const PING = Buffer.from('sallypor', 'latin1');

/**
 * What a connection can have us hold: of each of `maxConcurrentStreams` what its window lets in while it is paused, in at most twice its size,
 * one section of fields, and what its user queues beyond `isCongested`; of the connection one frame, or one block of fields of twice
 * `maxFieldSectionBytes` and 64 KiB, two tables of HPACK with what is remembered beside them (some 160 KiB at worst), the numbers of 256 streams,
 * 64 KiB of answers that are not taken, and one turn of frames.
 */
export class Http2Endpoint implements Endpoint, FrameOwner, StreamHost {
  readonly streams = new StreamTable();
  readonly sender: Sender;
  readonly window: ReceiveWindow;
  readonly #role: 'server' | 'client';
  readonly #limits: EndpointLimits;
  readonly #owner: EndpointOwner;
  readonly #frames: FrameDispatch;
  readonly #peer: ReceivedSettings;
  #phase: Phase = 'open';
  #settingsAcked = false;
  #settingsSeen = false;
  #pingsUnderway = 0;
  /** Our GOAWAY has named the last stream. */
  #isClosing = false;
  /** The other end has sent a GOAWAY. */
  #isPeerClosing = false;

  constructor({ role, limits, owner }: EndpointTerms) {
    this.#role = role;
    this.#limits = limits;
    this.#owner = owner;
    this.#peer = new ReceivedSettings(role === 'server' ? 'client' : 'server');
    this.sender = new Sender(() => owner.outputWaits());
    const { maxFieldSectionBytes, maxFieldCount } = limits;
    this.#frames = new FrameDispatch(this, owner, {
      role,
      hpack: { maxTableBytes: TABLE_BYTES, maxFieldSectionBytes, maxFieldCount },
    });
    const windowBytes = Math.max(limits.connectionWindowBytes, INITIAL_WINDOW_BYTES);
    this.window = new ReceiveWindow(windowBytes, windowBytes);
    this.#greet(windowBytes);
  }

  get streamCount(): number {
    return this.streams.size;
  }

  get unfinished(): number | null {
    return this.#frames.unfinished;
  }

  receive(bytes: Buffer): number {
    return this.#frames.read(bytes);
  }

  open(fields: RawFields, endsStream: boolean, user: StreamUser): Http2Channel | null {
    if (this.#role === 'server' || this.#isOver || this.#isClosing || this.#isPeerClosing) return null;
    const streamId = this.streams.next();
    if (streamId === null) return null;
    this.streams.use(streamId);
    const stream = this.#createStream(streamId, user);
    stream.sendHeaders(fields, endsStream);
    return stream;
  }

  flush(output: EndpointOutput): void {
    this.sender.flush(output);
  }

  drained(): void {
    this.sender.drained();
  }

  ping(): void {
    if (this.#isOver) return;
    this.#pingsUnderway += 1;
    this.sender.writer.ping(0, PING, 0);
    this.sender.wake();
  }

  notice(): void {
    if (!this.#isOver && !this.#isClosing) this.#writeGoaway(MAX_STREAM_ID, ERROR_CODE.noError);
  }

  close(): void {
    if (this.#isOver || this.#isClosing) return;
    this.#isClosing = true;
    this.#writeLastGoaway(ERROR_CODE.noError);
  }

  fail(code: ErrorCode): void {
    if (this.#isOver) return;
    this.#end('failed');
    this.#writeLastGoaway(code);
    this.#endStreams();
  }

  disconnected(): void {
    if (this.#phase === 'disconnected') return;
    this.#end('disconnected');
    this.#endStreams();
    this.sender.drop();
  }

  violate(code: ErrorCode): void {
    this.#failWith({ kind: 'protocol', code });
  }

  overflow(): void {
    this.#failWith({ kind: 'flood', code: ERROR_CODE.enhanceYourCalm });
  }

  breakStream(stream: EndpointStream, code: ErrorCode): void {
    this.sendReset(stream, code);
    stream.end({ kind: 'violation', code });
  }

  begin({ streamId, fields, endsStream, dependsOnItself }: FieldSection): void {
    // RFC 9113 §5.1.1: a client opens streams of odd numbers, a server none, since nothing may be pushed.
    if (this.#role === 'client' || streamId % 2 === 0) return this.violate(ERROR_CODE.protocolError);
    this.streams.use(streamId);
    if (!this.streams.isTaken(streamId)) return this.#owner.idleFrame();
    const isTooMany = this.streams.size >= this.#limits.maxConcurrentStreams;
    if (isTooMany || dependsOnItself) {
      this.#resetId(streamId, dependsOnItself ? ERROR_CODE.protocolError : ERROR_CODE.refusedStream);
      this.#owner.streamBroken();
      return;
    }
    const stream = this.#createStream(streamId, null);
    if (endsStream) stream.takeEnd();
    const user = this.#owner.streamOpened(stream, fields, endsStream);
    if (user === null) stream.reset(ERROR_CODE.refusedStream);
    else stream.attach(user);
  }

  settings(bytes: Buffer, start: number, end: number): void {
    const peer = this.#peer;
    const windowBefore = peer.initialWindowBytes;
    const error = peer.read(bytes, start, end);
    if (error !== null) return this.violate(error);
    const { encoder } = this.sender.writer;
    encoder.setMaxTableBytes(peer.leastTableBytes);
    encoder.setMaxTableBytes(peer.tableBytes);
    const windowMove = peer.initialWindowBytes - windowBefore;
    if (!this.#moveWindows(windowMove)) return this.violate(ERROR_CODE.flowControlError);
    this.sender.writer.settingsAck();
    this.sender.wake();
    // There is a window of each stream to be moved.
    const idleFrames = this.#settingsSeen ? 1 + (windowMove === 0 ? 0 : this.streams.size / STREAMS_PER_IDLE_FRAME) : 0;
    this.#settingsSeen = true;
    for (let told = 1; told <= idleFrames && !this.#isOver; told += 1) this.#owner.idleFrame();
    if (!this.#isOver) this.#owner.settings(peer);
  }

  settingsAck(): void {
    // There is one SETTINGS of ours to be acknowledged.
    if (this.#settingsAcked) return this.violate(ERROR_CODE.protocolError);
    this.#settingsAcked = true;
    const excess = INITIAL_WINDOW_BYTES - this.#limits.streamWindowBytes;
    if (excess > 0) for (const stream of this.streams.all()) stream.window.shrink(excess);
  }

  pingAck(): void {
    if (this.#pingsUnderway === 0) return this.#owner.idleFrame();
    this.#pingsUnderway -= 1;
    this.#owner.pong();
  }

  goaway(code: number, lastStreamId: number): void {
    if (this.#isPeerClosing) this.#owner.idleFrame();
    if (this.#isOver) return;
    this.#isPeerClosing = true;
    this.#owner.goaway(code, lastStreamId);
    if (this.#role === 'server') return;
    for (const stream of this.streams.all()) if (stream.id > lastStreamId) stream.end({ kind: 'disowned' });
  }

  release(stream: EndpointStream): void {
    this.streams.delete(stream.id);
  }

  sendReset(stream: EndpointStream, code: ErrorCode): void {
    if (!this.#isOver) this.#resetId(stream.id, code);
  }

  increaseWindow(streamId: number, increment: number): void {
    if (this.#isOver) return;
    this.sender.writer.windowUpdate(streamId, increment);
    this.sender.wake();
  }

  get #isOver(): boolean {
    return this.#phase !== 'open';
  }

  #greet(windowBytes: number): void {
    const { writer } = this.sender;
    const { maxConcurrentStreams, maxFieldSectionBytes, streamWindowBytes, enableConnectProtocol } = this.#limits;
    const settings: [number, number][] = [
      [SETTING.maxConcurrentStreams, maxConcurrentStreams],
      [SETTING.initialWindowSize, streamWindowBytes],
      [SETTING.maxHeaderListSize, maxFieldSectionBytes],
    ];
    if (this.#role === 'client') {
      writer.preface();
      settings.push([SETTING.enablePush, 0]);
    } else if (enableConnectProtocol) settings.push([SETTING.enableConnectProtocol, 1]);
    writer.settings(settings);
    if (windowBytes > INITIAL_WINDOW_BYTES) writer.windowUpdate(0, windowBytes - INITIAL_WINDOW_BYTES);
  }

  #createStream(streamId: number, user: StreamUser | null): EndpointStream {
    const { streamWindowBytes } = this.#limits;
    // RFC 9113 §6.5.3: until it has acknowledged ours, the other end may go by what holds without.
    const availableBytes = this.#settingsAcked ? streamWindowBytes : Math.max(streamWindowBytes, INITIAL_WINDOW_BYTES);
    const stream = new EndpointStream(this, user, {
      queue: new SendQueue(streamId, this.#peer.initialWindowBytes),
      window: new ReceiveWindow(availableBytes, streamWindowBytes),
    });
    this.streams.add(stream);
    return stream;
  }

  /** RFC 9113 §6.9.2. @returns false when one of them would be too large. */
  #moveWindows(by: number): boolean {
    if (by === 0) return true;
    for (const stream of this.streams.all()) {
      stream.queue.window += by;
      if (stream.queue.window > MAX_WINDOW_BYTES) return false;
      if (by > 0) this.sender.schedule(stream);
    }
    return true;
  }

  #failWith(violation: Violation): void {
    if (this.#isOver) return;
    this.fail(violation.code);
    this.#owner.failed(violation);
  }

  #end(phase: Phase): void {
    this.#phase = phase;
    this.#frames.stop();
  }

  #endStreams(): void {
    for (const stream of this.streams.all()) stream.end({ kind: 'connection' });
  }

  /** Names the last stream that is looked at. */
  #writeLastGoaway(code: ErrorCode): void {
    this.#writeGoaway(this.#role === 'client' ? 0 : this.streams.close(), code);
  }

  #writeGoaway(lastStreamId: number, code: ErrorCode): void {
    this.sender.writer.goaway(lastStreamId, code);
    this.sender.wake();
  }

  #resetId(streamId: number, code: ErrorCode): void {
    this.streams.rememberReset(streamId);
    this.sender.writer.reset(streamId, code);
    this.sender.wake();
  }
}
