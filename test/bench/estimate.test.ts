import { describe, expect, it } from 'vitest';
import { estimateSeconds } from '../../bench/estimate.ts';
import { parseOptions } from '../../bench/options.ts';

const secondsOf = (...args: string[]): number => estimateSeconds(parseOptions(args));

describe('the estimate of a run', () => {
  it('is under 21 minutes for the complete run and under 3 for a quick one', () => {
    expect(secondsOf()).toBeLessThan(21 * 60);
    expect(secondsOf('--quick')).toBeLessThan(3 * 60);
  });

  it('counts what was asked for alone', () => {
    expect(secondsOf('proxy', '--only', 'start')).toBeLessThan(secondsOf('proxy', '--only', 'start,requests'));
    expect(secondsOf('protocols', '--only', 'grpc')).toBeLessThan(secondsOf('protocols', '--only', 'grpc,tcp'));
    expect(secondsOf('proxy')).toBeLessThan(secondsOf());
  });

  it('grows with the rounds', () => {
    expect(secondsOf('proxy', '--rounds', '6')).toBeGreaterThan(secondsOf('proxy', '--rounds', '3'));
  });
});
