// How often detection by value, and a search by name, are right about labelled pairs.

import { detectCredentials } from '../../../../src/audit/credentials/detect.ts';
import type { LabelledPair } from './labelled-pair.ts';

export interface Measure {
  readonly pairs: number;
  readonly precision: number;
  readonly recall: number;
  readonly mistakes: readonly string[];
}

export function measure(pairs: readonly LabelledPair[], isFound: (pair: LabelledPair) => boolean): Measure {
  const found = pairs.filter(isFound);
  const right = found.filter(({ isCredential }) => isCredential).length;
  const all = pairs.filter(({ isCredential }) => isCredential).length;
  return {
    pairs: pairs.length,
    precision: right / found.length,
    recall: right / all,
    mistakes: pairs
      .filter((pair) => isFound(pair) !== pair.isCredential)
      .map(
        ({ name, value, group, isCredential }) =>
          `${isCredential ? 'missed' : 'wrong'} (${group}): ${name}=${value.slice(0, 60)}`,
      ),
  };
}

export function isDetected({ name, value }: LabelledPair): boolean {
  return detectCredentials(name, value, { form: 'value' }).length > 0;
}

/** The article's script. */
export function isNaivelyFound({ name, value }: LabelledPair): boolean {
  return (
    value !== '' &&
    ['KEY', 'SECRET', 'PASSWORD', 'TOKEN', 'CREDENTIAL'].some((word) => name.toUpperCase().includes(word))
  );
}
