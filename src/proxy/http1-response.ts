// Writes responses to one HTTP/1.1 peer, framed as its version allows, in as few TLS records as their pieces permit.

import type { Socket } from 'node:net';
import { CHUNK_END, chunkPrefix, encodeResponseHead, LAST_CHUNK } from '../http1/encode.ts';
import { addField, type FieldLines } from '../http1/field-lines.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Loan } from './read-buffers.ts';

type Framing = 'none' | 'length' | 'chunked' | 'until-close';

/** Whatever a head is made of. */
interface EncodedHead {
  readonly status: number;
  readonly reason: string;
  readonly lines: FieldLines;
  readonly framing: Framing;
  readonly length: number | null;
  readonly upgrade: string | null;
  readonly connection: 'keep-alive' | 'close';
}

// Small bodies are copied behind their head into one TLS record; larger ones are lent to the socket as they are.
const COALESCED_BYTES = 16 * 1024;

export class Http1Response {
  readonly #socket: Socket;
  #framing: Framing = 'none';
  /** Not written yet, so that it can share a record with what follows. */
  #pendingHead = '';
  /** The last one, and what it was made of. */
  #known: (EncodedHead & { readonly text: string }) | null = null;

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
    const framing = framingOf(head, request);
    this.#framing = framing;
    const { status, reason, upgrade } = head;
    const length = lengthOf(head, framing);
    const known = this.#known;
    if (
      known !== null &&
      known.lines === passedOn &&
      known.status === status &&
      known.reason === reason &&
      known.framing === framing &&
      known.length === length &&
      known.connection === connection &&
      known.upgrade === upgrade
    ) {
      this.#pendingHead = known.text;
      return;
    }
    let lines = passedOn;
    if (length !== null) lines = addField(lines, 'content-length', String(length));
    if (framing === 'chunked') lines = addField(lines, 'transfer-encoding', 'chunked');
    if (upgrade !== null) lines = addField(addField(lines, 'connection', 'upgrade'), 'upgrade', upgrade);
    else if (connection === 'close') lines = addField(lines, 'connection', 'close');
    const text = encodeResponseHead({ status, reason, lines });
    this.#pendingHead = text;
    this.#known = { status, reason, lines: passedOn, framing, length, upgrade, connection, text };
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

/** The answer to HEAD and a 304 say how long the body would be; a 204 must not (RFC 9110 §8.6). */
function lengthOf({ body, declaredLength, status }: ResponseHead, framing: Framing): number | null {
  switch (framing) {
    case 'length':
      return body.kind === 'length' ? body.bytes : 0;
    case 'none':
      return status === 204 ? null : declaredLength;
    case 'chunked':
    case 'until-close':
      return null;
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
