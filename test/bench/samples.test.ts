import { describe, expect, it } from 'vitest';
import { Samples } from '../../bench/samples.ts';

const KIND = { id: 'cpu', title: 'CPU', unit: 'µs', decimals: 1, better: 'lower' } as const;

describe('samples of rounds', () => {
  it('become medians with min and max, and ratios round by round', () => {
    const samples = new Samples();
    for (const [nginx, sallyport] of [
      [10, 12],
      [20, 40],
      [40, 44],
    ] as const) {
      samples.add(KIND, 'nginx', nginx);
      samples.add(KIND, 'Sallyport', sallyport);
    }
    const [figure] = samples.toFigures('nginx');
    expect(figure?.rows[1]).toEqual({
      name: 'Sallyport',
      value: { min: 12, median: 40, max: 44 },
      ratio: { min: 1.1, median: 1.2, max: 2 },
    });
  });

  it('have no ratio to what was not measured as often', () => {
    const samples = new Samples();
    samples.add(KIND, 'Sallyport', 1);
    expect(samples.toFigures('nginx')[0]?.rows[0]?.ratio).toBeNull();
    samples.add(KIND, 'nginx', 1);
    samples.add(KIND, 'nginx', 2);
    expect(samples.toFigures('nginx')[0]?.rows[0]?.ratio).toBeNull();
  });
});
