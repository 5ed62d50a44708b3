// What one stream has yet to send, in order: fields, data, its end.

import type { Lender, RawFields } from './endpoint-ports.ts';
import { MIN_MAX_FRAME_BYTES } from './frame.ts';
import type { FrameWriter } from './frame-writer.ts';

interface QueuedFields {
  readonly kind: 'fields';
  readonly fields: RawFields;
  readonly endsStream: boolean;
}

/** `bytes[start, end)`. */
interface QueuedData {
  readonly kind: 'data';
  readonly bytes: Buffer;
  start: number;
  end: number;
  /** Small data of several calls: there is room for more behind `end`. */
  readonly isGathered: boolean;
  readonly loan: Loan | null;
}

/** Smaller data is copied into the frames around it. */
export const MIN_LENT_BYTES = MIN_MAX_FRAME_BYTES;
// Data in pieces smaller than this would cost more in objects than in octets.
const MIN_OWN_BYTES = 2_048;
const FIRST_GATHERED_BYTES = 1_024;

export class SendQueue {
  readonly streamId: number;
  /** Of the other end: what it takes of this stream's DATA. Below 0 after its SETTINGS took some back (RFC 9113 §6.9.2). */
  window: number;
  /** Of data. */
  bytes = 0;
  readonly #queued: (QueuedFields | QueuedData)[] = [];
  #endsAfterAll = false;

  constructor(streamId: number, window: number) {
    this.streamId = streamId;
    this.window = window;
  }

  get isEmpty(): boolean {
    return this.#queued.length === 0 && !this.#endsAfterAll;
  }

  /** Whether the next frame is one that windows hold back. */
  get beginsWithData(): boolean {
    return this.#queued[0]?.kind === 'data';
  }

  pushFields(fields: RawFields, endsStream: boolean): void {
    this.#queued.push({ kind: 'fields', fields, endsStream });
  }

  pushData(bytes: Buffer, lender: Lender | null): void {
    this.bytes += bytes.length;
    if (bytes.length >= MIN_LENT_BYTES) {
      const loan = lender === null ? null : new Loan(lender.hold());
      this.#queued.push({ kind: 'data', bytes, start: 0, end: bytes.length, isGathered: false, loan });
    } else if (lender !== null || bytes.length < MIN_OWN_BYTES) this.#gather(bytes);
    else this.#queued.push({ kind: 'data', bytes, start: 0, end: bytes.length, isGathered: false, loan: null });
  }

  pushEnd(): void {
    this.#endsAfterAll = true;
  }

  /** One frame, or a head with what continues it. `allowance`: for DATA, above 0. @returns octets of DATA. */
  writeFrame(writer: FrameWriter, allowance: number): number {
    const first = this.#queued[0];
    if (first === undefined) {
      this.#endsAfterAll = false;
      writer.end(this.streamId);
      return 0;
    }
    if (first.kind === 'fields') {
      this.#queued.shift();
      writer.headers(this.streamId, first.fields, first.endsStream || this.#takeEnd());
      return 0;
    }
    const { bytes, start, loan } = first;
    const end = Math.min(first.end, start + Math.min(allowance, MIN_MAX_FRAME_BYTES));
    first.start = end;
    const isLast = end === first.end;
    if (isLast) this.#queued.shift();
    const endsStream = isLast && this.#takeEnd();
    if (bytes.length < MIN_LENT_BYTES || first.isGathered) writer.data(this.streamId, bytes, start, end, endsStream);
    else {
      writer.lentData(this.streamId, bytes.subarray(start, end), endsStream, loan?.lend() ?? null);
      if (isLast) loan?.end();
    }
    this.bytes -= end - start;
    this.window -= end - start;
    return end - start;
  }

  drop(): void {
    for (const each of this.#queued) if (each.kind === 'data') each.loan?.end();
    this.#queued.length = 0;
    this.#endsAfterAll = false;
    this.bytes = 0;
  }

  #takeEnd(): boolean {
    if (this.#queued.length > 0 || !this.#endsAfterAll) return false;
    this.#endsAfterAll = false;
    return true;
  }

  #gather(bytes: Buffer): void {
    let from = 0;
    const last = this.#queued.at(-1);
    let room = FIRST_GATHERED_BYTES;
    if (last?.kind === 'data' && last.isGathered) {
      from = bytes.copy(last.bytes, last.end);
      last.end += from;
      if (from === bytes.length) return;
      room = Math.min(2 * last.bytes.length, MIN_MAX_FRAME_BYTES);
    }
    const gathered = Buffer.allocUnsafe(Math.max(room, bytes.length - from));
    const end = bytes.copy(gathered, 0, from);
    this.#queued.push({ kind: 'data', bytes: gathered, start: 0, end, isGathered: true, loan: null });
  }
}

/** Octets that are sent from where somebody else has them, in several frames. */
class Loan {
  readonly #release: () => void;
  #underway = 0;
  #isOver = false;

  constructor(release: () => void) {
    this.#release = release;
  }

  /** A piece more, until the returned function is called. */
  lend(): () => void {
    this.#underway += 1;
    return this.#returned;
  }

  /** No more will be lent. */
  end(): void {
    this.#isOver = true;
    if (this.#underway === 0) this.#release();
  }

  readonly #returned = (): void => {
    this.#underway -= 1;
    if (this.#isOver && this.#underway === 0) this.#release();
  };
}
