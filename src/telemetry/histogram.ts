// Durations counted into fixed buckets: an observation costs a few nanoseconds and allocates nothing.

const HIGH_WORD = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;
const OCTAVES = 2048;

/** One, one and a half, two, three, five and seven times each power of ten: no two neighbours further apart than 5 to 3. */
export const FINE_STEPS: readonly number[] = [1, 1.5, 2, 3, 5, 7];
export const COARSE_STEPS: readonly number[] = [1, 2.5, 5];

/** Bucket bounds in seconds, ascending: every step of every decade from `least` to `greatest`, both included. */
export function decadeBounds(steps: readonly number[], least: number, greatest: number): readonly number[] {
  const bounds: number[] = [];
  for (let exponent = Math.floor(Math.log10(least)); 10 ** exponent <= greatest; exponent += 1) {
    for (const step of steps) {
      // From text, so that 5e-8 is the number a reader of `le="5e-8"` means and not the nearest product.
      const bound = Number(`${step}e${exponent}`);
      if (bound >= least && bound <= greatest) bounds.push(bound);
    }
  }
  return bounds;
}

export class Histogram {
  readonly bounds: readonly number[];
  readonly #bounds: Float64Array;
  /** One more than bounds: the last counts what is greater than all of them. */
  readonly #counts: Float64Array;
  /** For each binary exponent of a double the first bound that is not below that octave. */
  readonly #firstBound: Uint8Array;
  readonly #value = new Float64Array(1);
  readonly #valueWords = new Uint32Array(this.#value.buffer);
  #sum = 0;

  /** `bounds` ascending, positive, at most 255. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#bounds = Float64Array.from([...bounds, Infinity]);
    this.#counts = new Float64Array(bounds.length + 1);
    this.#firstBound = Uint8Array.from({ length: OCTAVES }, (_, octave) => {
      const least = 2 ** (octave - 1023);
      return bounds.filter((bound) => bound < least).length;
    });
  }

  /** Counts `seconds`; below zero counts as zero, NaN and infinity are not observations. */
  observe(seconds: number): void {
    if (!Number.isFinite(seconds)) return;
    const value = seconds > 0 ? seconds : 0;
    this.#value[0] = value;
    // Sign bit is clear, so the upper twelve bits are the exponent: at most as many bounds are left to compare as lie in one octave.
    let index = this.#firstBound[(this.#valueWords[HIGH_WORD] ?? 0) >>> 20] ?? 0;
    while (value > (this.#bounds[index] ?? Infinity)) index += 1;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#counts.reduce((total, count) => total + count, 0);
  }

  /** For each bound how many observations were not greater. */
  cumulative(): readonly number[] {
    let total = 0;
    return this.bounds.map((_, index) => (total += this.#counts[index] ?? 0));
  }
}
