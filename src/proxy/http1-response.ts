// Writes responses to one HTTP/1.1 peer, framed as its version allows, in as few TLS records as their pieces permit.

import type { Socket } from 'node:net';
import { CHUNK_END, chunkPrefix, encodeResponseHead, LAST_CHUNK } from '../http1/encode.ts';
import { addField, type FieldLines } from '../http1/field-lines.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Loan } from './read-buffers.ts';

type Framing = 'none' | 'length' | 'chunked' | 'until-close';

// Small bodies are copied behind their head into one TLS record; larger ones are lent to the socket as they are.
const COALESCED_BYTES = 16 * 1024;

export class Http1Response {
  readonly #socket: Socket;
  #framing: Framing = 'none';
  /** Not written yet, so that it can share a record with what follows. */
  #pendingHead = '';

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  informational({ status, reason }: ResponseHead, lines: FieldLines): void {
    this.#socket.write(encodeResponseHead({ status, reason, lines }), 'latin1');
  }

  /** `connection`: what becomes of the connection after this response. */
  head(
    { head, lines: passedOn }: { readonly head: ResponseHead; readonly lines: FieldLines },
    request: RequestHead,
    connection: 'keep-alive' | 'close',
  ): void {
    let lines = passedOn;
    this.#framing = framingOf(head, request);
    switch (this.#framing) {
      case 'length':
        lines = addField(lines, 'content-length', String(head.body.kind === 'length' ? head.body.bytes : 0));
        break;
      case 'chunked':
        lines = addField(lines, 'transfer-encoding', 'chunked');
        break;
      case 'none':
        // The answer to HEAD and a 304 say how long the body would be; a 204 must not (RFC 9110 §8.6).
        if (head.declaredLength !== null && head.status !== 204)
          lines = addField(lines, 'content-length', String(head.declaredLength));
        break;
      case 'until-close':
    }
    if (head.upgrade !== null) lines = addField(addField(lines, 'connection', 'upgrade'), 'upgrade', head.upgrade);
    else if (connection === 'close') lines = addField(lines, 'connection', 'close');
    this.#pendingHead = encodeResponseHead({ status: head.status, reason: head.reason, lines });
  }

  data(bytes: Buffer, loan: Loan): void {
    if (this.#framing === 'none') return;
    const isChunked = this.#framing === 'chunked';
    const before = isChunked ? this.#pendingHead + chunkPrefix(bytes.length) : this.#pendingHead;
    this.#pendingHead = '';
    if (bytes.length <= COALESCED_BYTES) {
      const joined = Buffer.allocUnsafe(before.length + bytes.length + (isChunked ? CHUNK_END.length : 0));
      joined.write(before, 0, 'latin1');
      bytes.copy(joined, before.length);
      if (isChunked) joined.write(CHUNK_END, before.length + bytes.length, 'latin1');
      this.#socket.write(joined);
      return;
    }
    this.#socket.cork();
    if (before !== '') this.#socket.write(before, 'latin1');
    this.#socket.write(bytes, loan.hold());
    if (isChunked) this.#socket.write(CHUNK_END, 'latin1');
    this.#socket.uncork();
  }

  /** Sends the head if nothing has come that it could go with. */
  flush(): void {
    if (this.#pendingHead === '') return;
    this.#socket.write(this.#pendingHead, 'latin1');
    this.#pendingHead = '';
  }

  end(): void {
    if (this.#framing === 'chunked') this.#pendingHead += LAST_CHUNK;
    this.flush();
  }
}

function framingOf(head: ResponseHead, request: RequestHead): Framing {
  if (head.status === 101) return 'until-close';
  if (request.method === 'HEAD') return 'none';
  switch (head.body.kind) {
    case 'none':
      // What ended with its head in HTTP/2 has to say in HTTP/1.1 that nothing follows.
      return head.status === 204 || head.status === 304 ? 'none' : 'length';
    case 'length':
      return 'length';
    case 'chunked':
    case 'until-close':
      return request.version === '1.1' ? 'chunked' : 'until-close';
  }
}
