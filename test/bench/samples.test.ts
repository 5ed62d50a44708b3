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

  it('become a figure of ratios to another than the reference, which has no ratios itself', () => {
    const samples = new Samples();
    for (const [name, value] of [
      ['nginx', 30],
      ['tuned', 20],
      ['Sallyport', 10],
    ] as const)
      samples.add(KIND, name, value);
    samples.addRatios('cpu', 'tuned', { ...KIND, id: 'beside', unit: '×' });
    samples.addRatios('cpu', 'who', { ...KIND, id: 'beside nobody', unit: '×' });
    const [, beside, ...others] = samples.toFigures('nginx');
    expect(beside?.rows.map(({ name, value, ratio }) => [name, value.median, ratio])).toEqual([
      ['nginx', 1.5, null],
      ['tuned', 1, null],
      ['Sallyport', 0.5, null],
    ]);
    expect(others).toEqual([]);
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
