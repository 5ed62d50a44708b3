// The reference for operators, deploy/CONFIGURATION.md, held against what the parser takes.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseYaml, toPlain } from '../../src/yaml/located.ts';
import { parseText, problemsOf } from './config-example.ts';

const REFERENCE = readFileSync(new URL('../../deploy/CONFIGURATION.md', import.meta.url), 'utf8');
const [SHORTEST = '', DEFAULTS = '', ...SECTIONS] = Array.from(
  REFERENCE.matchAll(/^```yaml\n([^]*?)^```$/gm),
  (match) => match[1] ?? '',
);

/** The shortest file with its sections replaced by, or joined by, these. */
function withSections(text: string): string {
  const plain = toPlain(parseYaml(Buffer.from(SHORTEST), 'shortest.yaml'));
  const sections = toPlain(parseYaml(Buffer.from(text), 'section.yaml'));
  return stringify(Object.assign({}, plain, sections));
}

describe('the reference of the configuration', () => {
  it('shows a file, its defaults and each section', () => {
    expect(SECTIONS.map((text) => /^\w+/.exec(text)?.[0])).toEqual([
      'identity',
      'trust',
      'revocation',
      'listeners',
      'authorization',
    ]);
  });

  it('begins with a file that works', () => {
    expect(problemsOf(SHORTEST)).toEqual([]);
  });

  it('gives every default as it is', () => {
    const { positions: _, admin, ...byDefault } = parseText(SHORTEST);
    const { positions: __, admin: writtenAdmin, ...written } = parseText(`${SHORTEST}${DEFAULTS}`);
    expect(written).toEqual(byDefault);
    expect(writtenAdmin?.bind).toEqual(admin?.bind);
  });

  it.each(SECTIONS.map((text) => [/^\w+/.exec(text)?.[0], text]))('shows a section `%s` that works', (_, text) => {
    expect(problemsOf(withSections(text ?? ''))).toEqual([]);
  });

  it('names every key', () => {
    const everything = withSections(`${DEFAULTS}${SECTIONS.join('')}`);
    const keys = new Set(keysIn(JSON.parse(JSON.stringify(toPlain(parseYaml(Buffer.from(everything), 'all.yaml'))))));
    expect(keys.size).toBeGreaterThan(80);
    for (const key of keys) expect(REFERENCE, key).toMatch(new RegExp(`(?:\\b${key}:[ \\n]|\`(?:\\w+\\.)*${key}\`)`));
  });
});

const UNKNOWN = 'zzzzzzzzzzzz';

/** What the parser says that it knows when it meets a key that it does not, in each mapping of the document. */
function keysIn(document: Readonly<Record<string, unknown>>): readonly string[] {
  return mappingsIn(document).flatMap((mapping) => {
    mapping[UNKNOWN] = null;
    const problem = problemsOf(stringify(document)).find(
      (line) => line.includes('unknown-key') && line.includes(UNKNOWN),
    );
    delete mapping[UNKNOWN];
    return Array.from(problem?.split('expected one of', 2)[1]?.matchAll(/`(\w+)`/g) ?? [], ([, key = '']) => key);
  });
}

function mappingsIn(value: unknown): readonly Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.values(value).flatMap(mappingsIn);
  // What JSON.parse makes of an object.
  return Array.isArray(value) ? below : [value as Record<string, unknown>, ...below];
}
