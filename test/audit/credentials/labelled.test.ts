import { describe, expect, it } from 'vitest';
import { detectCredentials } from '../../../src/audit/credentials/detect.ts';
import { ADDRESSES_AND_PLAIN_VALUES } from './labelled/addresses-and-plain-values.ts';
import { ISSUED_TOKENS } from './labelled/issued-tokens.ts';
import type { LabelledPair } from './labelled/labelled-pair.ts';
import { NAIVE_FINDINGS } from './labelled/naive-findings.ts';

interface Measure {
  readonly pairs: number;
  readonly precision: number;
  readonly recall: number;
  readonly mistakes: readonly string[];
}

function measure(pairs: readonly LabelledPair[], isFound: (pair: LabelledPair) => boolean): Measure {
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

function isDetected({ name, value }: LabelledPair): boolean {
  return detectCredentials(name, value, { form: 'value' }).length > 0;
}

/** The article's script. */
function isNaivelyFound({ name, value }: LabelledPair): boolean {
  return (
    value !== '' &&
    ['KEY', 'SECRET', 'PASSWORD', 'TOKEN', 'CREDENTIAL'].some((word) => name.toUpperCase().includes(word))
  );
}

function print(what: string, { pairs, precision, recall, mistakes }: Measure): void {
  const share = (value: number): string => `${(value * 100).toFixed(1)} %`;
  process.stdout.write(`${what}: ${pairs} pairs, precision ${share(precision)}, recall ${share(recall)}\n`);
  for (const mistake of mistakes) process.stdout.write(`  ${mistake}\n`);
}

const ALL = [...NAIVE_FINDINGS, ...ISSUED_TOKENS, ...ADDRESSES_AND_PLAIN_VALUES];

describe('the labelled set of credentials', () => {
  it('S22 has the false positives of a search by name in the proportion in which it makes them', () => {
    const count = (group: string): number => NAIVE_FINDINGS.filter((pair) => pair.group === group).length;
    expect(NAIVE_FINDINGS).toHaveLength(179);
    expect(count('the name of a Secret')).toBe(82);
    expect(count('a directory of tokenizers')).toBe(7);
    expect(count('a switch') + count('about a credential')).toBe(32);
    expect(count('a placeholder')).toBe(18);
    expect(NAIVE_FINDINGS.filter(({ isCredential }) => isCredential)).toHaveLength(40);
    expect(ALL.length).toBeGreaterThanOrEqual(250);
  });

  it('S22 finds by value what a search by name is wrong about in four of five cases', () => {
    const naive = measure(NAIVE_FINDINGS, isNaivelyFound);
    expect(naive.precision).toBeLessThan(0.25);
    const ours = measure(NAIVE_FINDINGS, isDetected);
    print('what a search by name finds', ours);
    expect(ours.precision).toBeGreaterThanOrEqual(0.95);
    expect(ours.recall).toBeGreaterThanOrEqual(0.95);
  });

  it('S22 keeps precision and recall over tokens, addresses and plain values', () => {
    const ours = measure(ALL, isDetected);
    print('the whole labelled set', ours);
    expect(ours.precision).toBeGreaterThanOrEqual(0.95);
    expect(ours.recall).toBeGreaterThanOrEqual(0.95);
  });
});
