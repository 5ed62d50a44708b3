import { describe, expect, it } from 'vitest';
import { ADDRESSES_AND_PLAIN_VALUES } from './labelled/addresses-and-plain-values.ts';
import { ISSUED_TOKENS } from './labelled/issued-tokens.ts';
import { isDetected, isNaivelyFound, measure, type Measure } from './labelled/measure.ts';
import { NAIVE_FINDINGS } from './labelled/naive-findings.ts';
import { WRITTEN_AFTERWARDS } from './labelled/written-afterwards.ts';

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

  it('S22 finds most of what was written when it was done, and nothing that is none', () => {
    const ours = measure(WRITTEN_AFTERWARDS, isDetected);
    print('what was written afterwards', ours);
    expect(ours.mistakes).toEqual([
      'missed (a credential): NEO4J_AUTH=neo4j/letmein-please',
      'missed (a credential): ENCRYPTION_PASSPHRASE=correct horse battery staple',
      expect.stringMatching(/^missed \(a credential\): JUPYTERHUB_CRYPT_KEY=[0-9a-f]{60}$/),
    ]);
    expect(measure(WRITTEN_AFTERWARDS, isNaivelyFound).precision).toBeLessThan(0.5);
  });
});
