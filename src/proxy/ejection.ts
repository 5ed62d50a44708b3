// The pause that an upstream gets which could not be reached several times in a row.

export interface EjectionTerms {
  /** Failures to connect in a row after which nothing is tried for `ejectMs`. */
  readonly failuresToEject: number;
  readonly ejectMs: number;
}

export class Ejection {
  readonly #terms: EjectionTerms;
  #failuresInARow = 0;
  #endsMs = 0;

  constructor(terms: EjectionTerms) {
    this.#terms = terms;
  }

  isOn(nowMs: number): boolean {
    return nowMs < this.#endsMs;
  }

  reached(): void {
    this.#failuresInARow = 0;
  }

  failed(nowMs: number): void {
    const { failuresToEject, ejectMs } = this.#terms;
    this.#failuresInARow += 1;
    if (this.#failuresInARow < failuresToEject) return;
    // One more failure after the pause ejects again: the first request after it is the probe.
    this.#failuresInARow = failuresToEject - 1;
    this.#endsMs = nowMs + ejectMs;
  }
}
