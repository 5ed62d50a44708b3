import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PARTS, parseOptions } from '../../bench/options.ts';

const README = readFileSync(new URL('../../bench/README.md', import.meta.url), 'utf8');

describe('the command line of the bench', () => {
  it.each(PARTS)('measures a part alone when it is named: %s', (part) => {
    expect(parseOptions([part])).toMatchObject({ parts: [part], isComplete: false });
  });

  it('measures everything but what is asked for by name, and only then takes a run for complete', () => {
    const byName = new Set<string>(['profile', 'readme']);
    expect(parseOptions([])).toMatchObject({ parts: PARTS.filter((part) => !byName.has(part)), isComplete: true });
    expect(parseOptions(['--quick'])).toMatchObject({ isComplete: false });
  });

  it.each([
    [['proxies']],
    [['--only', 'everything']],
    [['--rounds', '0']],
    [['--processes', 'two']],
    [['profile', '--protocol', 'spdy']],
  ])('refuses %j with the usage', (args) => {
    expect(() => parseOptions(args)).toThrow('npm run bench -- [');
  });

  it('is in the guide with every part', () => {
    const [, told = ''] = /# a part: (.*)\n/.exec(README) ?? [];
    expect(told.split(', ')).toEqual(PARTS.filter((part) => part !== 'readme'));
  });
});
