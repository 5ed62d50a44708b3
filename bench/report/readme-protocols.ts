// What of the performance section is about other protocols than HTTP/1.1 over mTLS.

import { ahead, comparisonTable, OWN } from './comparison-table.ts';
import { findFigure, type Results } from './results.ts';
import { formatValue } from './text.ts';

const PROTOCOLS = {
  names: ['nginx', 'HAProxy', 'Envoy', OWN],
  reference: 'nginx',
  shown: [
    'grpc-cpu',
    'grpc-rate',
    'grpc-saturated-p50',
    'grpc-saturated-p99',
    'grpc-p50',
    'grpc-p99',
    'http2-cpu',
    'http2-p50',
    'http2-p99',
    'pair-cpu',
    'pair-p50',
    'pair-p99',
  ],
};
const TCP = {
  names: ['stunnel', 'HAProxy', OWN],
  reference: 'stunnel',
  shown: ['tcp-down-cpu', 'tcp-up-cpu', 'tcp-echo-p50', 'tcp-echo-p99', 'tcp-echo-cpu'],
};
const PAIRED = ['grpc-paired', 'http2-paired', 'pair-paired'];

/** Nothing where nothing of it was measured. */
export function renderProtocols(results: Results): readonly string[] {
  const tables = [PROTOCOLS, TCP].flatMap(({ names, reference, shown }) => {
    const figures = shown.flatMap((id) => findFigure(results, id) ?? []);
    if (figures.length === 0) return [];
    const others = new Set(names.filter((name) => name !== OWN));
    return [...comparisonTable({ figures, names, reference }, results), ahead(figures, others)];
  });
  const chart = findFigure(results, 'grpc-cpu') === undefined ? '' : '![gRPC: CPU per call](bench/results/grpc.svg)';
  return [chart, ...tables, paired(results), checks(results)];
}

function paired(results: Results): string {
  const said = PAIRED.flatMap((id) => {
    const figure = findFigure(results, id);
    return (figure?.rows ?? []).map(({ value: { min, median, max } }) => {
      const [low, middle, high] = [min, median, max].map((ratio) => ratio.toFixed(2));
      return `${figure?.title.split(':')[0]} ×${middle} (${low}–${high})`;
    });
  });
  return said.length === 0
    ? ''
    : `CPU per request beside nginx in slices that take turns, with 95 % intervals: ${said.join(', ')}.`;
}

function checks(results: Results): string {
  const [cpu, p50, p99] = ['checks-cpu', 'checks-p50', 'checks-p99'].map((id) => {
    const row = findFigure(results, id)?.rows.find(({ name }) => name === OWN);
    return row === undefined ? null : formatValue(row.value.median, 0);
  });
  if (cpu === undefined || cpu === null) return '';
  return `A check of the authorization service, asked by Envoy's protocol over a Unix socket, costs ${cpu} µs of CPU and takes p50 ${p50} µs, p99 ${p99} µs at 1,000/s.`;
}
