import { type Arbitrary, assert, constantFrom, dictionary, jsonValue, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/audit/finding.ts';
import { patchToYaml, toYaml } from '../../../src/audit/formats/yaml-text.ts';
import { parseYaml, toPlain } from '../../../src/yaml/located.ts';

function read(text: string): unknown {
  return toPlain(parseYaml(Buffer.from(text), 'text.yaml'));
}

describe('JSON as YAML', () => {
  it('writes a patch as people write it', () => {
    const patch = [
      {
        op: 'add',
        path: '/spec/securityContext',
        value: { runAsNonRoot: true, capabilities: { drop: ['ALL'], add: [] } },
      },
      { op: 'remove', path: '/spec/hostPID' },
    ] as const;
    expect(patchToYaml(patch)).toBe(`- op: add
  path: /spec/securityContext
  value:
    runAsNonRoot: true
    capabilities:
      drop:
        - ALL
      add: []
- op: remove
  path: /spec/hostPID
`);
  });

  it.each([
    'yes',
    'No',
    'null',
    'true',
    '1',
    '1e3',
    '',
    ' a',
    'a: b',
    '- a',
    '#',
    '!t',
    '&a',
    '*a',
    '"',
    'a\nb',
    '0x1',
    '~',
  ])('reads %j back as text', (text) => {
    expect(read(toYaml({ text }))).toEqual({ text });
  });

  it('is read back as the value it was', () => {
    const value: Arbitrary<Json> = jsonValue({ depthSize: 'small', maxDepth: 3 }).map((json) =>
      JSON.parse(JSON.stringify(json)),
    );
    assert(
      property(dictionary(constantFrom('a', 'b', 'c'), value, { noNullPrototype: true }), (map) => {
        expect(read(toYaml(map))).toEqual(map);
      }),
      { numRuns: 200 },
    );
  });
});
