// `npm run bench [-- --quick]`: measures what things cost and prints it; asserts nothing but that the answers were right.

import { cpus } from 'node:os';
import { measureCodec } from './codec.ts';
import { measureDecide } from './decide.ts';
import { parseOptions } from './options.ts';
import { compareProxies } from './proxy/compare.ts';
import { FULL_PROXY, QUICK_PROXY, withRounds } from './proxy/effort.ts';
import { renderColumns, toCells } from './summary.ts';

const { isQuick, parts, proxyParts, contenders, rounds, processes } = parseOptions(process.argv.slice(2));
const SPREAD = ['min', 'median', 'max'];

process.stdout.write(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}\n\n`);

if (parts.includes('decide')) {
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
}

if (parts.includes('codec')) {
  const codec = measureCodec(
    isQuick ? { rounds: 3, messagesPerRound: 20_000 } : { rounds: 9, messagesPerRound: 50_000 },
  );
  print(
    ['HTTP/1.1 codec, µs per message', ...SPREAD],
    codec.map(({ name, microsPerMessage }) => [name, ...toCells(microsPerMessage, 2)]),
  );
}

if (parts.includes('proxy')) {
  const effort = isQuick ? QUICK_PROXY : FULL_PROXY;
  const { figures, missing } = await compareProxies(
    { effort: rounds === null ? effort : withRounds(effort, rounds), parts: proxyParts, contenders, processes },
    (line) => void process.stderr.write(`${line}\n`),
  );
  for (const { title, unit, decimals, rows } of figures) {
    print(
      [`${title}, ${unit}`, ...SPREAD, 'to nginx'],
      rows.map(({ name, value, ratio }) => [
        name,
        ...toCells(value, decimals),
        ratio === null ? '' : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`,
      ]),
    );
  }
  for (const line of missing) process.stdout.write(`${line}\n`);
}

function print(header: readonly string[], rows: readonly (readonly string[])[]): void {
  process.stdout.write(`${renderColumns(header, rows)}\n`);
}
