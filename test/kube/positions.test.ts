import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Path } from '../../src/audit/path.ts';
import { JsonPlaces } from '../../src/kube/json-places.ts';
import { decodeText, SourceText } from '../../src/kube/source-text.ts';
import { ManifestSetting } from './manifest-setting.ts';

let setting: ManifestSetting;
beforeEach(() => {
  setting = new ManifestSetting();
});
afterEach(() => setting.directory.remove());

const DEPLOYMENT = `# The shop.
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop, labels: { app.kubernetes.io/name: shop } }
spec:
  template:
    spec:
      containers:
        - name: "main"
          image: >-
            registry.example/shop:1
          env:
          - {name: A, value: "ä 😀"}
          -   name: B
      hostNetwork: yes
`;

describe('positions', () => {
  it.each<[string, Path, string]>([
    ['the object', [], 'apiVersion: apps/v1'],
    ['a scalar', ['kind'], 'Deployment'],
    ['a label in a flow mapping', ['metadata', 'labels', 'app.kubernetes.io/name'], 'shop } }'],
    ['a mapping', ['spec', 'template', 'spec'], 'spec:'],
    ['an item', ['spec', 'template', 'spec', 'containers', 0], 'name: "main"'],
    ['a block scalar', ['spec', 'template', 'spec', 'containers', 0, 'image'], '>-'],
    [
      'an item of a list in the column of its key',
      ['spec', 'template', 'spec', 'containers', 0, 'env', 1, 'name'],
      'B',
    ],
    [
      'text behind characters of two units',
      ['spec', 'template', 'spec', 'containers', 0, 'env', 0, 'value'],
      '"ä 😀"}',
    ],
    ['a word of YAML 1.1', ['spec', 'template', 'spec', 'hostNetwork'], 'yes'],
    [
      'the nearest parent of what is not there',
      ['spec', 'template', 'spec', 'containers', 0, 'securityContext', 'x'],
      'name: "main"',
    ],
  ])('has %s', async (_name, path, expected) => {
    for (const [file, text] of [
      ['a.yaml', DEPLOYMENT],
      ['windows.yaml', DEPLOYMENT.replaceAll('\n', '\r\n')],
      ['second.yaml', `a: 1\n---\n${DEPLOYMENT}---\nb: 2\n`],
      ['anchor.yaml', `${DEPLOYMENT}x: &anchor y\n`],
    ] as const) {
      setting.directory.write(file, text);
      const { objects } = await setting.read([file]);
      const position = objects[0]?.locate(path);
      expect(position && setting.textAt(position)).toBe(expected);
    }
  });

  it('are in what PowerShell writes', async () => {
    const text = Buffer.concat([
      Buffer.from([0xff, 0xfe]),
      Buffer.from('kind: Pod\r\napiVersion: v1\r\nmetadata:\r\n  name: ä\r\n', 'utf16le'),
    ]);
    expect(decodeText(text, 'x')).toMatchObject({ kind: 'text', text: expect.stringMatching(/^kind: Pod/) });
    expect(decodeText(Buffer.from('\ufeffa: 1'), 'x')).toMatchObject({ text: 'a: 1' });
  });

  it('are counted in UTF-16 code units, from 1, wherever in a long text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'é', '😀', '\n', '\r\n', 'word '), fc.nat(3000)), { maxLength: 60 }),
        fc.nat(),
        (runs, chosen) => {
          const text = runs.map(([part, count]) => part.repeat(count)).join('');
          const offset = text.length === 0 ? 0 : chosen % text.length;
          const lines = text.slice(0, offset).split('\n');
          expect(new SourceText('x', text).positionOf(offset)).toEqual({
            file: 'x',
            line: lines.length,
            column: (lines.at(-1)?.length ?? 0) + 1,
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('has those of the items of a dump', async () => {
    const items = Array.from({ length: 500 }, (_, index) => ({
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name: `pod-${index}`, namespace: 'x', annotations: { 'a/b': '{"name": "\\" } ]"}' } },
      spec: { containers: [{ name: 'main', image: `image-${index}` }] },
    }));
    for (const space of [undefined, 2, '\t']) {
      setting.directory.write('dump.json', JSON.stringify({ apiVersion: 'v1', items, kind: 'List' }, null, space));
      const { objects } = await setting.read(['dump.json']);
      expect(objects).toHaveLength(500);
      for (const [index, object] of objects.entries()) {
        const textAt = (path: Path): string => {
          const position = object.locate(path);
          return position === null ? '' : setting.textAt(position);
        };
        expect(textAt(['spec', 'containers', 0, 'image'])).toMatch(new RegExp(`^"image-${index}"`));
        expect(textAt(['metadata'])).toMatch(/^"metadata"/);
        expect(textAt(['spec', 'none'])).toMatch(/^"spec"/);
        expect(textAt([])).toMatch(/^\{/);
      }
    }
  });

  it('of JSON are where a search finds them', () => {
    const path = fc.array(fc.oneof(fc.string({ maxLength: 4 }), fc.nat(3)), { maxLength: 4 });
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), path, fc.constantFrom(undefined, 1, '\t'), (value, path, space) => {
        // The value at the end of the path goes into the text under a name that is nowhere else.
        const planted = plant(value, path);
        const text = JSON.stringify(planted.value, null, space);
        const offset = new JsonPlaces(`  ${text}`, 0).offsetOf(planted.path) - 2;
        expect(text.indexOf('"planted"')).toBe(offset);
      }),
      { numRuns: 500 },
    );
  });
});

/** `value` with a text where the path leads, as far as it leads anywhere. */
function plant(value: unknown, path: Path): { readonly value: unknown; readonly path: Path } {
  const [step, ...rest] = path;
  if (Array.isArray(value)) {
    const index = typeof step === 'number' && step < value.length ? step : 0;
    const inner = plant(value[index], rest);
    return { value: value.length === 0 ? ['planted'] : value.with(index, inner.value), path: [index, ...inner.path] };
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    const key = String(step ?? 'new');
    const inner = plant(Object.hasOwn(value, key) ? entries.find(([name]) => name === key)?.[1] : null, rest);
    const others = entries.filter(([name]) => name !== key);
    return { value: Object.fromEntries([...others, [key, inner.value]]), path: [key, ...inner.path] };
  }
  return { value: 'planted', path: [] };
}
