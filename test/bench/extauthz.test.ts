import { describe, expect, it } from 'vitest';
import { measureChecks } from '../../bench/extauthz.ts';

describe('the checks of the bench', () => {
  it('are timed one after the other and many at once, each round by itself', async () => {
    const figures = await measureChecks({ rounds: 3, checksPerRound: 20 });
    expect(figures.map(({ name }) => name)).toEqual(['one after the other', '16 at a time']);
    for (const { p50Micros, p99Micros, perSecond } of figures) {
      expect(p50Micros.min).toBeGreaterThan(0);
      expect(p99Micros.median).toBeGreaterThanOrEqual(p50Micros.median);
      expect(perSecond.max).toBeGreaterThanOrEqual(perSecond.min);
    }
  });
});
