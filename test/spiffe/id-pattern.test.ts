import { describe, expect, it } from 'vitest';
import { matchesIdPattern, parseIdPattern } from '../../src/spiffe/id-pattern.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';

const own = parseTrustDomain('ai.example');

describe('ID patterns', () => {
  it.each<[pattern: string, id: string, matches: boolean]>([
    ['/training/job-1', 'spiffe://ai.example/training/job-1', true],
    ['/training/*', 'spiffe://ai.example/training/job-1', true],
    ['/training/**', 'spiffe://ai.example/training/a/b/c', true],
    ['/ns/*/sa/**', 'spiffe://ai.example/ns/prod/sa/x', true],
    ['spiffe://partner.example/**', 'spiffe://partner.example/x', true],
    ['/training/*', 'spiffe://ai.example/training/job-1/x', false],
    ['/training/*', 'spiffe://ai.example/training', false],
    ['/training/**', 'spiffe://ai.example/training', false],
    ['/training/**', 'spiffe://ai.example/training-evil/x', false],
    ['/training/**', 'spiffe://partner.example/training/x', false],
    ['/training/job-1', 'spiffe://ai.example/training/job-10', false],
    ['/training/job-1', 'spiffe://ai.example/training/JOB-1', false],
    ['/**', 'spiffe://ai.example', false],
  ])('%s and %s: %s', (pattern, id, matches) => {
    expect(matchesIdPattern(parseIdPattern(pattern, own), parseSpiffeId(id))).toBe(matches);
  });
});
