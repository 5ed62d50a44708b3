import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Path } from '../../src/audit/path.ts';
import { nodeFileTree } from '../../src/kube/file-tree.ts';
import { findJsonFault } from '../../src/kube/json-fault.ts';
import { MANIFEST_LIMITS, type ManifestInventory, readManifests } from '../../src/kube/manifests.ts';
import { POD } from './manifest-setting.ts';

function readBytes(bytes: Uint8Array): Promise<ManifestInventory> {
  return readManifests(['-'], {
    tree: nodeFileTree,
    stdin: once(bytes),
    defaultNamespace: 'default',
    limits: MANIFEST_LIMITS,
  });
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

const PATHS: readonly Path[] = [
  [],
  ['metadata', 'name'],
  ['spec', 'containers', 0, 'image'],
  ['items', 3, 'x'],
  ['__proto__', 'constructor'],
];

async function survives(bytes: Uint8Array): Promise<void> {
  const { objects, unreadable } = await readBytes(bytes);
  expect(objects.length + unreadable.length).toBeGreaterThan(0);
  const positions = [
    ...objects.flatMap((object) => PATHS.map((path) => object.locate(path))),
    ...unreadable.map(({ position }) => position),
  ];
  for (const position of positions) {
    expect(position?.line).toBeGreaterThan(0);
    expect(position?.column).toBeGreaterThan(0);
  }
  for (const { body } of objects) expect(() => JSON.stringify(body)).not.toThrow();
}

const LIST = JSON.stringify({
  apiVersion: 'v1',
  kind: 'List',
  items: [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }],
});
const SEEDS = [
  POD,
  `${POD}---\n${POD}`,
  LIST,
  JSON.stringify(JSON.parse(LIST), null, 2),
  POD.replaceAll('\n', '\r\n'),
].map((text) => Buffer.from(text));

describe('readManifests', () => {
  it('survives random bytes', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), survives), { numRuns: 300 });
  });

  it('survives random JSON, and objects that are not what they say', async () => {
    const metadata = fc.oneof(
      fc.jsonValue(),
      fc.record({ name: fc.oneof(fc.string(), fc.jsonValue()), labels: fc.jsonValue() }),
    );
    const object = fc.record(
      {
        apiVersion: fc.oneof(fc.constantFrom('v1', 'apps/v1'), fc.jsonValue()),
        kind: fc.oneof(fc.constantFrom('Pod', 'List', 'PodList'), fc.jsonValue()),
        metadata,
        items: fc.jsonValue(),
        spec: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const texts = fc.oneof(fc.jsonValue(), object, fc.record({ kind: fc.constant('List'), items: fc.array(object) }));
    await fc.assert(
      fc.asyncProperty(texts, (value) => survives(Buffer.from(JSON.stringify(value)))),
      { numRuns: 500 },
    );
  });

  it('survives manifests with pieces cut out, put in and exchanged', async () => {
    const edit = fc.record({
      at: fc.nat(),
      cut: fc.nat(12),
      put: fc.oneof(
        fc.constantFrom(
          '\n',
          '  ',
          ':',
          '- ',
          '&a ',
          '*a',
          '{',
          '[',
          '"',
          '---\n',
          '\0',
          '\ufeff',
          '!!int ',
          '\t',
          '|\n',
          '<<: ',
        ),
        fc.string({ maxLength: 6 }),
      ),
    });
    const mutated = fc
      .tuple(fc.constantFrom(...SEEDS), fc.array(edit, { minLength: 1, maxLength: 6 }))
      .map(([seed, edits]) =>
        edits.reduce((bytes, { at, cut, put }) => {
          const start = at % (bytes.length + 1);
          return Buffer.concat([bytes.subarray(0, start), Buffer.from(put), bytes.subarray(start + cut)]);
        }, seed),
      );
    await fc.assert(fc.asyncProperty(mutated, survives), { numRuns: 1000 });
  });
});

describe('findJsonFault', () => {
  it('finds the first place that JSON.parse minds', () => {
    const edit = fc.tuple(
      fc.nat(),
      fc.constantFrom('', '"', ',', '{', ']', 'x', '01', '\\', '\u0001', '\n', ':', 'nul'),
    );
    fc.assert(
      fc.property(fc.json(), edit, (json, [at, put]) => {
        const start = at % (json.length + 1);
        const text = `${json.slice(0, start)}${put}${json.slice(start + 1)}`;
        if (isJson(text)) return;
        const fault = findJsonFault(text);
        expect(fault.at).toBeLessThanOrEqual(text.length);
        // What stands before it is at most unfinished.
        const before = text.slice(0, fault.at);
        const earlier = isJson(before) ? null : findJsonFault(before);
        if (earlier !== null) expect(earlier.message).toMatch(/ends too early|does not end/);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['{"a": }', 6, 'a value'],
    ['{"a" 1}', 5, '`:`'],
    ['{"a": 1,}', 8, 'a key in double quotes'],
    ['[1 2]', 3, '`,` or the end of the collection'],
    ['[1}', 2, '`,` or the end of the collection'],
    ['{} x', 3, 'the end of the text'],
    ['[01]', 1, 'a value or `]`'],
    ['["a\nb"]', 3, 'must be escaped'],
    ['["a\\x"]', 3, 'must be escaped'],
    ['["a]', 1, 'a string that does not end'],
    ['[{"a": [', 8, '3 collections are still open'],
  ])('finds in %j at %i: %s', (text, at, words) => {
    expect(findJsonFault(text)).toEqual({ at, message: expect.stringContaining(words) });
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
