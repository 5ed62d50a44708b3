// One HTTP/1.1 connection from an authenticated peer: reads requests one after another, sends what their exchanges answer.

import type { TLSSocket } from 'node:tls';
import { CHUNK_END, chunkPrefix, encodeResponseHead, LAST_CHUNK } from '../http1/encode.ts';
import { Http1Error } from '../http1/http1-error.ts';
import { RequestDecoder } from '../http1/request-decoder.ts';
import { hasBody, type RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { ListenerContext } from './context.ts';
import { type Downstream, Exchange, type ExchangePeer } from './exchange.ts';
import { type Refusal, refusalOfCodecStatus, type Termination } from './refusal.ts';
import { encodeRefusal } from './respond.ts';
import { refuseUnread } from './unread-request.ts';

/** What a connection asks of its listener. */
export interface ConnectionOwner {
  readonly peer: ExchangePeer;
  /** Continuous verification, before each request: why the peer may ask nothing more, or null. */
  lapse(): Termination | null;
  readonly isDraining: boolean;
}

/**
 * `idle`: between requests. `head`: some bytes of one have come. `exchange`: one is being answered. `lingering`: the last
 * response is sent, what still comes is thrown away so that the peer can read it (RFC 9112 §9.6).
 */
type Phase = 'idle' | 'head' | 'exchange' | 'lingering' | 'closed';

type ResponseBody = 'none' | 'length' | 'chunked' | 'until-close';

const LINGER_MS = 2_000;
const DRAIN_IDLE_MS = 1_000;
// Small bodies are copied behind their head into one TLS record; larger ones are lent to the socket as they are.
const COALESCED_BYTES = 16 * 1024;

export class Http1Connection implements Downstream {
  readonly #socket: TLSSocket;
  readonly #context: ListenerContext;
  readonly #owner: ConnectionOwner;
  readonly #decoder: RequestDecoder;
  readonly #openedMs: number;
  #phase: Phase = 'idle';
  #exchange: Exchange | null = null;
  #head: RequestHead | null = null;
  #responseBody: ResponseBody = 'none';
  #pendingHead = '';
  #closesAfterResponse: Termination | 'as-asked' | null = null;
  #pumping = false;
  #requestsInRead = 0;
  #readMs: number;
  #phaseSinceMs: number;

  constructor(socket: TLSSocket, context: ListenerContext, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#context = context;
    this.#owner = owner;
    this.#decoder = new RequestDecoder(context.limits);
    this.#openedMs = context.clock.monotonicMs();
    this.#readMs = this.#openedMs;
    this.#phaseSinceMs = this.#openedMs;
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    socket.on('drain', () => this.#onDrain());
    // Half-closed is gone: nginx and Envoy take it so too, and nothing else tells an abandoned stream from a patient one.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#onClose());
  }

  get isIdle(): boolean {
    return this.#phase === 'idle' || this.#phase === 'head';
  }

  get isCongested(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Policy has changed: decides what is in flight again. */
  redecide(): void {
    this.#exchange?.redecide();
  }

  /** The peer may not go on, whatever it is doing. */
  terminate(termination: Termination): void {
    if (this.#phase === 'closed') return;
    if (this.#exchange === null) this.cut(termination);
    else this.#exchange.terminate(termination);
  }

  /** Enforces deadlines; called a few times a second. */
  sweep(nowMs: number, elapsedMs: number): void {
    const { limits } = this.#context;
    const inPhaseMs = nowMs - this.#phaseSinceMs;
    switch (this.#phase) {
      case 'idle':
        if (this.#owner.isDraining && inPhaseMs >= DRAIN_IDLE_MS) this.#finish('drain');
        else if (nowMs - this.#openedMs >= limits.maxConnectionAgeMs) this.#finish('maximum-age');
        else if (inPhaseMs >= limits.idleTimeoutMs) this.#finish('idle-timeout');
        return;
      case 'head':
        if (inPhaseMs >= limits.headTimeoutMs) this.#refuseUnread('head-timeout', 'head-timeout');
        return;
      case 'exchange':
        this.#exchange?.sweep(nowMs, elapsedMs);
        return;
      case 'lingering':
        if (inPhaseMs >= LINGER_MS) this.#socket.destroy();
        return;
      case 'closed':
    }
  }

  sendInformational(head: ResponseHead): void {
    if (this.#head?.version !== '1.1') return;
    this.#socket.write(encodeResponseHead(head), 'latin1');
  }

  sendHead(head: ResponseHead): void {
    const request = this.#head;
    if (request === null) return;
    const fields = [...head.fields];
    this.#responseBody = responseBody(head, request);
    switch (this.#responseBody) {
      case 'length':
        fields.push('content-length', String(head.body.kind === 'length' ? head.body.bytes : 0));
        break;
      case 'chunked':
        fields.push('transfer-encoding', 'chunked');
        break;
      case 'until-close':
        this.#closesAfterResponse ??= 'as-asked';
        break;
      case 'none':
        // The answer to HEAD and a 304 say how long the body would be (RFC 9110 §8.6).
        if (head.declaredLength !== null) fields.push('content-length', String(head.declaredLength));
    }
    this.#noteClosing(request);
    if (this.#closesAfterResponse !== null) fields.push('connection', 'close');
    else if (request.version === '1.0') fields.push('connection', 'keep-alive');
    this.#pendingHead = encodeResponseHead({ status: head.status, reason: head.reason, fields });
  }

  sendData(bytes: Buffer): 'consumed' | 'retained' {
    if (this.#responseBody === 'none') return 'consumed';
    const isChunked = this.#responseBody === 'chunked';
    if (bytes.length <= COALESCED_BYTES) {
      const before = isChunked ? this.#pendingHead + chunkPrefix(bytes.length) : this.#pendingHead;
      const after = isChunked ? CHUNK_END : '';
      const joined = Buffer.allocUnsafe(before.length + bytes.length + after.length);
      joined.write(before, 0, 'latin1');
      bytes.copy(joined, before.length);
      if (isChunked) joined.write(CHUNK_END, before.length + bytes.length, 'latin1');
      this.#pendingHead = '';
      this.#socket.write(joined);
      return 'consumed';
    }
    this.flush();
    if (isChunked) this.#socket.write(chunkPrefix(bytes.length), 'latin1');
    this.#socket.write(bytes);
    if (isChunked) this.#socket.write(CHUNK_END, 'latin1');
    return 'retained';
  }

  flush(): void {
    if (this.#pendingHead === '') return;
    this.#socket.write(this.#pendingHead, 'latin1');
    this.#pendingHead = '';
  }

  sendEnd(): void {
    const last = this.#responseBody === 'chunked' ? this.#pendingHead + LAST_CHUNK : this.#pendingHead;
    this.#pendingHead = '';
    if (last !== '') this.#socket.write(last, 'latin1');
  }

  refuse(refusal: Refusal): void {
    const request = this.#head;
    if (request === null) return;
    this.#noteClosing(request);
    // The body of a refused request is not worth reading: say so and close (RFC 9110 §10.1.1 for one that has not been sent yet).
    if (hasBody(request.body)) this.#closesAfterResponse ??= 'refused-with-body';
    this.#writeRefusal(refusal, request.method);
  }

  resumeRequestBody(): void {
    this.#pump();
  }

  exchangeEnded(): void {
    const isComplete = this.#exchange?.isRequestComplete ?? true;
    this.#exchange = null;
    this.#head = null;
    if (!isComplete) this.#closesAfterResponse ??= 'refused-with-body';
    if (this.#closesAfterResponse !== null) {
      this.#finish(this.#closesAfterResponse);
      return;
    }
    this.#enter('idle');
    this.#pump();
  }

  cut(termination: Termination): void {
    this.#exchange = null;
    if (this.#phase === 'closed') return;
    this.#context.recorder.connectionTerminated(termination);
    this.#enter('closed');
    this.#socket.destroy();
  }

  #onData(bytes: Buffer): void {
    if (this.#phase === 'lingering' || this.#phase === 'closed') return;
    this.#readMs = this.#context.clock.monotonicMs();
    this.#requestsInRead = 0;
    this.#decoder.push(bytes);
    this.#pump();
  }

  #onDrain(): void {
    if (this.#exchange === null) this.#pump();
    else this.#exchange.downstreamDrained();
  }

  #onClose(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#phase = 'closed';
    exchange?.peerGone('peer-aborted');
  }

  /** Takes from the decoder what can be dealt with now; stops reading from the peer when something is left over. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#canPull() && this.#pull());
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#onMalformed(refusalOfCodecStatus(error.status));
    } finally {
      this.#pumping = false;
    }
    if (this.#phase === 'lingering' || this.#phase === 'closed') return;
    if (this.#decoder.bufferedBytes > 0 && !this.#canPull()) this.#socket.pause();
    else this.#socket.resume();
  }

  #canPull(): boolean {
    switch (this.#phase) {
      case 'idle':
      case 'head':
        return !this.#socket.writableNeedDrain;
      case 'exchange':
        return this.#exchange?.wantsRequestBody ?? false;
      case 'lingering':
      case 'closed':
        return false;
    }
  }

  /** @returns false when more bytes are needed. */
  #pull(): boolean {
    switch (this.#decoder.next()) {
      case 'need-more':
        if (this.#phase === 'idle' && this.#decoder.receivingHead) this.#enter('head');
        return false;
      case 'head':
        this.#begin(this.#decoder.head);
        return true;
      case 'data':
        this.#exchange?.requestData(this.#decoder.data);
        return true;
      case 'end':
        this.#exchange?.requestEnd();
        return true;
    }
  }

  #begin(head: RequestHead): void {
    // A request without a body ends with its head; take that event before the next request can be mistaken for it.
    if (!hasBody(head.body)) this.#decoder.next();
    this.#head = head;
    this.#requestsInRead += 1;
    this.#enter('exchange');
    const lapse = this.#owner.lapse();
    const exchange = new Exchange(this.#context, this, { peer: this.#owner.peer, head, receivedMs: this.#readMs });
    this.#exchange = exchange;
    if (lapse !== null) {
      this.#closesAfterResponse ??= lapse;
      exchange.refuse('identity-lapsed');
    } else if (this.#requestsInRead > this.#context.limits.maxPipelinedRequests) {
      this.#closesAfterResponse ??= 'limit';
      exchange.refuse('pipeline-limit');
    } else {
      exchange.start();
    }
  }

  #onMalformed(refusal: Refusal): void {
    this.#closesAfterResponse = 'protocol-error';
    if (this.#exchange === null) this.#refuseUnread(refusal, 'protocol-error');
    else this.#exchange.requestFailed(refusal);
  }

  /** Answers a request whose head could not be read, then closes. */
  #refuseUnread(refusal: Refusal, termination: Termination): void {
    this.#closesAfterResponse ??= termination;
    const record = refuseUnread(this.#context, this.#socket, { refusal, principal: this.#owner.peer.svid.id });
    this.#context.recorder.request(record);
    this.#finish(termination);
  }

  #writeRefusal(refusal: Refusal, method: string): void {
    const decisionId = this.#exchange?.decisionId ?? '';
    const keepAlive = this.#closesAfterResponse === null;
    this.#socket.write(encodeRefusal({ refusal, decisionId, method, keepAlive }), 'latin1');
  }

  #noteClosing(request: RequestHead): void {
    if (this.#owner.isDraining) this.#closesAfterResponse ??= 'drain';
    const ageMs = this.#context.clock.monotonicMs() - this.#openedMs;
    if (ageMs >= this.#context.limits.maxConnectionAgeMs) this.#closesAfterResponse ??= 'maximum-age';
    if (!request.persistent) this.#closesAfterResponse ??= 'as-asked';
  }

  /** Ends the connection in good order: what was written is delivered, what still comes is thrown away for a while. */
  #finish(why: Termination | 'as-asked'): void {
    if (this.#phase === 'lingering' || this.#phase === 'closed') return;
    if (why !== 'as-asked') this.#context.recorder.connectionTerminated(why);
    this.#enter('lingering');
    this.#socket.end();
    this.#socket.resume();
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#phaseSinceMs = this.#context.clock.monotonicMs();
  }
}

function responseBody(head: ResponseHead, request: RequestHead): ResponseBody {
  if (request.method === 'HEAD') return 'none';
  switch (head.body.kind) {
    case 'none':
      return 'none';
    case 'length':
      return 'length';
    case 'chunked':
    case 'until-close':
      return request.version === '1.1' ? 'chunked' : 'until-close';
  }
}
