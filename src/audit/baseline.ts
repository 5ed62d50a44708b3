// An earlier report, against which only what is new counts.

export interface Baseline {
  /** Verdict by fingerprint, of what did not pass. */
  readonly verdicts: ReadonlyMap<string, 'fail' | 'unknown'>;
}

/** @throws {BaselineError} when it is no report of ours. */
export declare function parseBaseline(source: Uint8Array, file: string): Baseline;
