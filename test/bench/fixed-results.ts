// Results with figures that were chosen, for what is made from results.

import type { Results } from '../../bench/report/results.ts';
import type { Figure } from '../../bench/samples.ts';

const exactly = (value: number) => ({ min: value, median: value, max: value });

function figure(
  id: string,
  title: string,
  of: Pick<Figure, 'unit' | 'decimals' | 'better'>,
  values: readonly (readonly [string, number])[],
): Figure {
  const reference = values[0]?.[1] ?? Number.NaN;
  const rows = values.map(([name, value]) => ({ name, value: exactly(value), ratio: exactly(value / reference) }));
  return { id, title, ...of, rows };
}

const micros = { unit: 'µs', decimals: 1, better: 'lower' } as const;
const percentiles = [1_000, 5_000, 10_000].flatMap((rate) =>
  [50, 90, 99, 99.9].map((percent) =>
    figure(`p${percent}-${rate}`, `Latency p${percent} at ${rate}/s`, { ...micros, decimals: 0 }, [
      ['nginx', percent * 2],
      ['Sallyport enforce', percent * 3],
    ]),
  ),
);

export const RESULTS: Results = {
  date: '2026-01-02T03:04:05.000Z',
  commit: 'abcdef012345',
  isQuick: false,
  seconds: 600,
  machine: { cpu: 'Test CPU', cores: 2, memoryGiB: 4, system: 'Linux 6.1 x64' },
  versions: { Node: '24.20.0', nginx: '1.22.1' },
  missing: ['Caddy: not measured, caddy is not installed (apt-get install caddy)'],
  sections: [
    {
      id: 'proxy',
      title: 'Proxies',
      reference: 'nginx',
      figures: [
        figure('cpu-per-request-64', 'CPU per request, 64 connections', micros, [
          ['nginx', 20],
          ['HAProxy', 22],
          ['Sallyport passthrough', 23],
          ['Sallyport enforce', 24.5],
        ]),
        figure('requests-per-second-64', 'Requests per second', { unit: '/s', decimals: 0, better: 'higher' }, [
          ['nginx', 40_000],
          ['HAProxy', 45_000],
          ['Sallyport enforce', 44_000],
        ]),
        ...percentiles,
        figure('stream-cpu', 'CPU per GiB streamed', { unit: 'ms', decimals: 0, better: 'lower' }, [
          ['nginx', 1_800],
          ['Sallyport enforce', 1_200],
        ]),
      ],
    },
    {
      id: 'engines',
      title: 'Decisions beside other engines',
      reference: 'Sallyport, remembered',
      figures: [
        figure('decision-10-1', 'Decision, 10 rules, 1 principal', { unit: 'ns', decimals: 0, better: 'lower' }, [
          ['Sallyport, remembered', 50],
          ['Cedar (wasm), policies parsed before', 1_234_000],
        ]),
      ],
    },
    {
      id: 'codec',
      title: 'HTTP/1.1 codec',
      reference: null,
      figures: [
        {
          id: 'codec',
          title: 'One message',
          ...micros,
          rows: [{ name: 'request', value: { min: 1, median: 1.5, max: 2 }, ratio: null }],
        },
      ],
    },
  ],
};
