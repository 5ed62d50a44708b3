// Lines on their way to be written together, as bytes: kept as strings they would be copied again and again by the garbage collector.

export interface LineBatch {
  readonly bytes: Buffer;
  readonly lines: number;
}

const ROOM_BYTES = 256 * 1024;
const NO_ROOM = Buffer.alloc(0);
/** Up to here a loop copies faster than a call. */
const FEW_BYTES = 32;
const MAX_INT32 = 0x7fff_ffff;
const LF = 0x0a;
const DOT = 0x2e;
const DIGIT_0 = 0x30;

/** Written to line by line and piece by piece, each of ASCII. */
export class LineGatherer {
  #room = NO_ROOM;
  /** Where what is gathered begins and ends in it; before that, others write from it. */
  #start = 0;
  #end = 0;
  #lines = 0;

  get lines(): number {
    return this.#lines;
  }

  /** Makes room for a line of at most `maxBytes`. @returns false when there is none, and what was gathered has to be taken first. */
  begin(maxBytes: number): boolean {
    const neededBytes = maxBytes + 1;
    if (this.#end + neededBytes <= this.#room.length) return true;
    if (this.#lines > 0) return false;
    this.#room = Buffer.allocUnsafeSlow(Math.max(neededBytes, ROOM_BYTES));
    this.#start = 0;
    this.#end = 0;
    return true;
  }

  text(text: string): void {
    this.#end += this.#room.write(text, this.#end, 'latin1');
  }

  bytes(bytes: Buffer): void {
    const { length } = bytes;
    const at = this.#end;
    if (length > FEW_BYTES) this.#room.set(bytes, at);
    else for (let index = 0; index < length; index += 1) this.#room[at + index] = bytes[index] ?? 0;
    this.#end = at + length;
  }

  /** `count` is a whole number and not negative, as are all that follow. */
  whole(count: number): void {
    if (count > MAX_INT32) {
      this.text(String(count));
      return;
    }
    let digits = 1;
    for (let power = 10; count >= power; power *= 10) digits += 1;
    this.#end += digits;
    let rest = count;
    for (let at = this.#end - 1; digits > 0; at -= 1, digits -= 1) {
      // Of integers: a division of these is a multiplication.
      const tens = (rest / 10) | 0;
      this.#room[at] = DIGIT_0 + (rest - 10 * tens);
      rest = tens;
    }
  }

  /** As JSON writes their quotient by a thousand. */
  thousandths(count: number): void {
    const whole = Math.floor(count / 1e3);
    this.whole(whole);
    let rest = count - whole * 1e3;
    if (rest === 0) return;
    this.#octet(DOT);
    for (let unit = 100; rest > 0; unit /= 10) {
      const digit = (rest / unit) | 0;
      this.#octet(DIGIT_0 + digit);
      rest -= digit * unit;
    }
  }

  endLine(): void {
    this.#octet(LF);
    this.#lines += 1;
  }

  take(): LineBatch {
    const bytes = this.#room.subarray(this.#start, this.#end);
    const lines = this.#lines;
    this.#start = this.#end;
    this.#lines = 0;
    return { bytes, lines };
  }

  #octet(octet: number): void {
    this.#room[this.#end] = octet;
    this.#end += 1;
  }
}
