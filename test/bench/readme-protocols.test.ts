import { describe, expect, it } from 'vitest';
import { renderCharts } from '../../bench/report/charts.ts';
import { renderProtocols } from '../../bench/report/readme-protocols.ts';
import type { Results } from '../../bench/report/results.ts';
import type { Figure } from '../../bench/samples.ts';
import { RESULTS } from './fixed-results.ts';

const exactly = (value: number) => ({ min: value, median: value, max: value });

function figure(id: string, title: string, values: readonly (readonly [name: string, value: number])[]): Figure {
  const reference = values[0]?.[1] ?? Number.NaN;
  const rows = values.map(([name, value]) => ({ name, value: exactly(value), ratio: exactly(value / reference) }));
  return { id, title, unit: 'µs', decimals: 0, better: 'lower', rows };
}

const OWN = 'Sallyport enforce';
const MEASURED: Results = {
  ...RESULTS,
  sections: [
    {
      id: 'protocols',
      title: 'Protocols',
      reference: 'nginx',
      figures: [
        figure('grpc-cpu', 'gRPC: CPU per call', [
          ['nginx', 40],
          ['HAProxy', 16],
          [OWN, 60],
        ]),
        figure('grpc-p99', 'gRPC: latency p99 at 2,000/s', [
          ['nginx', 400],
          [OWN, 300],
        ]),
        figure('lateness-grpc-p99', 'gRPC: lateness', [
          ['nginx', 250],
          [OWN, 10],
        ]),
      ],
    },
    {
      id: 'protocols-paired',
      title: 'In slices',
      reference: null,
      figures: [
        {
          ...figure('grpc-paired', 'gRPC: CPU per request', []),
          rows: [{ name: `${OWN} / nginx`, value: { min: 1.4, median: 1.5, max: 1.6 }, ratio: null }],
        },
      ],
    },
    {
      id: 'tcp',
      title: 'TCP',
      reference: 'stunnel',
      figures: [
        figure('tcp-down-cpu', 'CPU per GiB from the upstream', [
          ['stunnel', 1_800],
          ['HAProxy', 1_400],
          [OWN, 1_500],
        ]),
      ],
    },
    {
      id: 'checks',
      title: 'Checks',
      reference: null,
      figures: [
        figure('checks-cpu', 'CPU', [[OWN, 123]]),
        figure('checks-p50', 'p50', [[OWN, 456]]),
        figure('checks-p99', 'p99', [[OWN, 789]]),
      ],
    },
  ],
};

describe('protocols in the performance section of the README', () => {
  const text = renderProtocols(MEASURED).join('\n\n');

  it('are nothing where nothing was measured', () => {
    expect(renderProtocols(RESULTS).join('')).toBe('');
  });

  it('stand beside nginx, and TCP beside stunnel', () => {
    expect(text).toContain('| gRPC: CPU per call, µs | 40 | 16 (×0.40) | — | 60 (×1.50) |');
    expect(text).toContain('| CPU per GiB from the upstream, µs | 1,800 | 1,400 (×0.78) | 1,500 (×0.83) |');
  });

  it('say who is ahead, each table for itself', () => {
    expect(text).toContain('Ahead of Sallyport: gRPC: CPU per call: nginx, HAProxy.');
    expect(text).toContain('Ahead of Sallyport: CPU per GiB from the upstream: HAProxy.');
  });

  it('mark what the generator decided', () => {
    expect(text).toContain('| gRPC: latency p99 at 2,000/s, µs | 400 † | — | — | 300 (×0.75) † |');
  });

  it('give ratios of slices with their intervals, and what a check costs', () => {
    expect(text).toContain('with 95 % intervals: gRPC ×1.50 (1.40–1.60).');
    expect(text).toContain('costs 123 µs of CPU and takes p50 456 µs, p99 789 µs');
  });

  it('have a chart where there is something to draw', () => {
    expect(renderCharts(MEASURED).get('grpc.svg')).toContain('60 µs  ×1.50');
    expect(text).toContain('bench/results/grpc.svg');
    expect(renderCharts(RESULTS).has('grpc.svg')).toBe(false);
  });
});
