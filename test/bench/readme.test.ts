import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { renderReadmeSection, replaceSection } from '../../bench/report/readme.ts';
import { parseResults } from '../../bench/report/results.ts';
import { RESULTS } from './fixed-results.ts';

const fileOf = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('the performance section of the README', () => {
  it('is the one that latest.json gives', () => {
    const readme = fileOf('README.md');
    expect(replaceSection(readme, parseResults(fileOf('bench/results/latest.json')))).toBe(readme);
  });

  it('has the ratio to nginx beside every figure that is not its own', () => {
    expect(renderReadmeSection(RESULTS)).toContain(
      '| CPU per request, 64 connections, µs | 20.0 | 22.0 (×1.10) | — | — | 24.5 (×1.23) |',
    );
  });

  it('says where a peer is ahead, whichever way is better', () => {
    expect(renderReadmeSection(RESULTS)).toContain(
      'Ahead of Sallyport: CPU per request, 64 connections: nginx, HAProxy; Requests per second: HAProxy; Latency p50 at 5000/s: nginx;',
    );
    const [proxy] = RESULTS.sections;
    const onlyStreaming = proxy?.figures.filter(({ id }) => id === 'stream-cpu') ?? [];
    const winning = { ...RESULTS, sections: proxy === undefined ? [] : [{ ...proxy, figures: onlyStreaming }] };
    expect(renderReadmeSection(winning)).toContain('None of them is ahead of Sallyport');
  });

  it('gives the time of a decision in the unit that fits it', () => {
    expect(renderReadmeSection(RESULTS)).toContain('| Cedar (wasm), policies parsed before | 1.2 ms |');
  });

  it('names what is missing, and a quick run', () => {
    expect(renderReadmeSection(RESULTS)).toContain('Missing: Caddy');
    expect(renderReadmeSection({ ...RESULTS, isQuick: true })).toContain('not for quoting');
  });

  it('stands between its marks and touches nothing else', () => {
    const marks = /<!-- bench: .*-->/g;
    const [begin = '', end = ''] = fileOf('README.md').match(marks) ?? [];
    const replaced = replaceSection(`before\n${begin}\nold\n${end}\nafter\n`, RESULTS);
    expect(replaced.startsWith(`before\n${begin}\n\n`)).toBe(true);
    expect(replaced.endsWith(`\n${end}\nafter\n`)).toBe(true);
    expect(replaced).not.toContain('old');
    expect(replaceSection(replaced, RESULTS)).toBe(replaced);
  });

  it('is not written into a README that has no place for it', () => {
    expect(() => replaceSection('# nothing', RESULTS)).toThrow('the README lacks');
  });
});
