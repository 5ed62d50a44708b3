// A name and a value of which somebody said whether it is a credential, and why the naive eye would see it otherwise.

export interface LabelledPair {
  readonly name: string;
  readonly value: string;
  readonly isCredential: boolean;
  /** What it is an example of. */
  readonly group: string;
}

export function harmless(group: string, pairs: readonly (readonly [string, string])[]): readonly LabelledPair[] {
  return pairs.map(([name, value]) => ({ name, value, isCredential: false, group }));
}

export function credentials(group: string, pairs: readonly (readonly [string, string])[]): readonly LabelledPair[] {
  return pairs.map(([name, value]) => ({ name, value, isCredential: true, group }));
}
