import { expect, it } from 'vitest';
import { SeriesTable } from '../../src/telemetry/series-table.ts';

it('gives the same counter for the same values', () => {
  const table = new SeriesTable(['a', 'b'], 10);
  table.series('x', 'y').value += 1;
  table.series('x', 'y').value += 2;
  expect([...table.all()]).toEqual([{ labels: { a: 'x', b: 'y' }, value: 3 }]);
});

it('keeps values apart whatever they contain', () => {
  const table = new SeriesTable(['a', 'b'], 10);
  table.series('x","y', 'z').value += 1;
  table.series('x', 'y","z').value += 1;
  table.series('', '').value += 1;
  expect([...table.all()].map(({ value }) => value)).toEqual([1, 1, 1]);
});

it('takes __proto__ and constructor as values like any other', () => {
  const table = new SeriesTable(['a'], 10);
  table.series('__proto__').value += 1;
  table.series('constructor').value += 1;
  expect([...table.all()].map(({ labels }) => labels['a'])).toEqual(['__proto__', 'constructor']);
});

it('counts in one more series, every label `other`, what comes when it is full', () => {
  const table = new SeriesTable(['a', 'b'], 2);
  for (let index = 0; index < 100; index += 1) table.series(`${index}`, 'y').value += 1;
  expect([...table.all()]).toEqual([
    { labels: { a: '0', b: 'y' }, value: 1 },
    { labels: { a: '1', b: 'y' }, value: 1 },
    { labels: { a: 'other', b: 'other' }, value: 98 },
  ]);
});

it('goes on counting what it knows when it is full', () => {
  const table = new SeriesTable(['a'], 1);
  table.series('x');
  table.series('y');
  table.series('x').value += 1;
  expect([...table.all()][0]).toEqual({ labels: { a: 'x' }, value: 1 });
});
