// `npm run bench [-- --quick]`: prints what things cost; asserts nothing but that the answers were right.

import { cpus } from 'node:os';
import { measureCodec } from './codec.ts';
import { measureDecide } from './decide.ts';
import { measureProxy } from './proxy.ts';
import { renderColumns, toCells } from './summary.ts';

const isQuick = process.argv.includes('--quick');
const SPREAD = ['min', 'median', 'max'];

process.stdout.write(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}\n\n`);

const { loads, measurements } = measureDecide(
  isQuick ? { rounds: 5, decisionsPerRound: 20_000 } : { rounds: 15, decisionsPerRound: 200_000 },
);
print(
  ['load a policy', 'ms'],
  loads.map(({ name, milliseconds }) => [name, milliseconds.toFixed(0)]),
);
print(
  ['decide, ns per decision', ...SPREAD],
  measurements.map(({ name, nanoseconds }) => [name, ...toCells(nanoseconds, 0)]),
);

const codec = measureCodec(isQuick ? { rounds: 3, messagesPerRound: 20_000 } : { rounds: 9, messagesPerRound: 50_000 });
print(
  ['HTTP/1.1 codec, µs per message', ...SPREAD],
  codec.map(({ name, microsPerMessage }) => [name, ...toCells(microsPerMessage, 2)]),
);

const proxy = await measureProxy(
  isQuick
    ? { rounds: 2, connections: 64, warmupMs: 1_000, measureMs: 2_000 }
    : { rounds: 5, connections: 64, warmupMs: 2_000, measureMs: 5_000 },
  (line) => void process.stderr.write(`${line}\n`),
);
if ('missing' in proxy) {
  process.stdout.write(`whole proxy: not measured, ${proxy.missing}\n`);
} else {
  print(
    ['whole proxy, µs CPU per request', ...SPREAD, 'to nginx', 'requests/s'],
    proxy.figures.map(({ name, cpuMicrosPerRequest, ratio, requestsPerSecond }) => [
      name,
      ...toCells(cpuMicrosPerRequest, 1),
      `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`,
      requestsPerSecond.median.toFixed(0),
    ]),
  );
}

function print(header: readonly string[], rows: readonly (readonly string[])[]): void {
  process.stdout.write(`${renderColumns(header, rows)}\n`);
}
