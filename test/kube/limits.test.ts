// Small versions of inputs whose full size was measured: each ends, is told at its place, and takes nothing from the others.

import { appendFileSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeFileTree } from '../../src/kube/file-tree.ts';
import { ManifestSetting, POD } from './manifest-setting.ts';

const settings: ManifestSetting[] = [];

function set(files: Readonly<Record<string, string>>): ManifestSetting {
  const setting = new ManifestSetting().write(files);
  settings.push(setting);
  return setting;
}

function podNamed(name: string, more = ''): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}${more}}\nspec: {containers: [{name: c, image: i}]}\n`;
}

function times(count: number, make: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => make(index)).join('');
}

const OWNED = ', ownerReferences: [{kind: ReplicaSet, name: r, uid: u, controller: true}]';
const CONFIG = (index: number): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c${index}}\ndata: {a: b}\n---\n`;

describe('what one audit takes', () => {
  afterEach(() => {
    for (const { directory } of settings.splice(0)) directory.remove();
  });

  it.each<[string, string, string]>([
    ['flow sequences', 'a: '.concat('['.repeat(100_000), ']'.repeat(100_000), '\n'), 'big.yaml:1:'],
    ['flow sequences that nobody closes', `a: ${'['.repeat(100_000)}\n`, 'big.yaml:1:'],
    ['flow mappings', `a: ${'{a: '.repeat(100_000)}${'}'.repeat(100_000)}\n`, 'big.yaml:1:'],
    ['sequences on one line', `${'- '.repeat(100_000)}x\n`, 'big.yaml:1:'],
    ['explicit keys', `${'? '.repeat(100_000)}x\n`, 'big.yaml:1:'],
    ['anchors', `a: ${'&a ['.repeat(20_000)}\n`, 'big.yaml:1:'],
    ['lines', times(1000, (level) => `${' '.repeat(level)}a:\n`), 'big.yaml:'],
    ['JSON arrays', '['.repeat(100_000) + ']'.repeat(100_000), 'big.yaml:1:201 '],
    ['JSON arrays that nobody closes', '['.repeat(100_000), 'big.yaml:1:201 '],
    ['JSON objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 'big.yaml:1:1001 '],
  ])('does not go down without end into %s', async (_name, text, place) => {
    const told = await set({ 'a.yaml': POD, 'big.yaml': text }).objects();
    expect(told).toEqual(['shop/web[Pod]', expect.stringContaining(`! ${place}`)]);
    expect(told[1]).toContain('nested more than 200 levels deep');
  });

  it('finds places in one long line as fast as in many', async () => {
    const items = times(
      20_000,
      (index) => `${index === 0 ? '' : ','}{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s${index}"}}`,
    );
    const { objects } = await set({ 'a.json': `{"apiVersion":"v1","kind":"List","items":[${items}]}` }).read();
    const last = objects.at(-1)?.locate(['metadata', 'name']);
    expect(last).toMatchObject({ line: 1, column: 43 + items.lastIndexOf('"s19999"') });
  });

  it('leaves a quoted text of millions of escapes to the other reader, and that refuses it', async () => {
    const quoted = (count: number): Promise<readonly string[]> =>
      set({ 'a.yaml': POD, 'b.yaml': `a: "${'x\\n'.repeat(count)}"\n` }).objects();
    expect(await quoted(10_000)).toEqual(['shop/web[Pod]']);
    expect(await quoted(1_500_000)).toEqual([
      'shop/web[Pod]',
      expect.stringContaining('! b.yaml:1:1 malformed: a document'),
    ]);
  });

  it('reads 100,000 documents of one file', async () => {
    const { objects, unreadable } = await set({ 'a.yaml': times(100_000, CONFIG) }).read();
    expect([objects.length, unreadable]).toEqual([100_000, []]);
    expect(objects.at(-1)?.locate(['metadata', 'name'])).toMatchObject({ line: 499_998, column: 18 });
  });

  it.each<[string, string, string]>([
    ['YAML', times(12, CONFIG), 'b.yaml:51:1'],
    ['JSON', times(12, (index) => `{"a":${index}}\n`), 'b.yaml:11:1'],
    ['documents that are broken', times(12, () => 'a: [\n---\n'), 'b.yaml:21:1'],
  ])('stops where a file has more documents than are read: %s', async (_name, text, place) => {
    const limits = { objects: 10 };
    const told = await set({ 'a.yaml': POD, 'b.yaml': text }).objects(['.'], { limits });
    expect(told).toContain('shop/web[Pod]');
    expect(told).toContain(
      `! ${place} malformed: more than the 10 documents that are read of a file; give it in parts`,
    );
  });

  it('stops where there are more objects than one audit takes, and says which is the first of the rest', async () => {
    const items = times(8, (index) => `- {apiVersion: v1, kind: Secret, metadata: {name: s${index}}}\n`);
    const files = {
      'a.yaml': POD,
      'b.yaml': `apiVersion: v1\nkind: List\nitems:\n${items}`,
      'c.yaml': podNamed('late'),
    };
    const told = await set(files).objects(['.'], { limits: { objects: 5 } });
    expect(told).toHaveLength(6);
    expect(told.at(-1)).toMatch(/^! b\.yaml:8:3 too-large: more than the 5 objects, .* the rest is not audited/);
  });

  it('counts objects that are judged for themselves apart from those that something owns', async () => {
    const owned = times(9, (index) => `${podNamed(`o${index}`, OWNED)}---\n`);
    const limits = { roots: 2 };
    expect(
      await set({ 'a.yaml': `${owned}${podNamed('x')}---\n${podNamed('y')}` }).objects(['.'], { limits }),
    ).toHaveLength(11);
    const full = await set({ 'a.yaml': times(3, (index) => `${podNamed(`p${index}`)}---\n`) }).objects(['.'], {
      limits,
    });
    expect(full).toEqual([
      'default/p0[Pod]',
      'default/p1[Pod]',
      expect.stringMatching(/^! a\.yaml:11:1 too-large: more than .* the 2 that have a spec and no owner/),
    ]);
  });

  it('tells of so many keys that are there twice, and not of millions', async () => {
    const twice = (text: string): Promise<readonly string[]> => set({ 'a.yaml': POD, 'b.yaml': text }).objects();
    expect(await twice('a: 1\n'.repeat(10_000))).toHaveLength(33);
    // With an anchor it is the slow reader that counts.
    expect(await twice(`x: &x 1\n${'a: 1\n'.repeat(10_000)}`)).toHaveLength(33);
    expect(await twice(`{${times(10_000, () => '"a":1,')}"b":1}`)).toHaveLength(33);
  });

  it('reads only so much of what takes long to read', async () => {
    const slow = `x: &x ${'y'.repeat(3_900_000)}\n---\n`;
    const { unreadable } = await set({ 'a.yaml': POD, 'b.yaml': slow.repeat(3), 'c.yaml': slow.repeat(2) }).read();
    expect(unreadable).toHaveLength(1);
    expect(unreadable[0]).toMatchObject({ position: { line: 3, column: 1 } });
    expect(unreadable[0]?.detail).toMatch(/^one document too many that is broken, or uses more of YAML than manifests/);
    expect(unreadable[0]?.position?.file).toMatch(/c\.yaml$/);
  });

  it('goes on past a file that is gone when it is read', async () => {
    const setting = set({ 'a.yaml': POD, 'gone.yaml': POD });
    const gone = setting.directory.at('gone.yaml');
    const tree = {
      ...nodeFileTree,
      read: (path: string, maxBytes: number): Buffer => {
        rmSync(gone, { force: true });
        return nodeFileTree.read(path, maxBytes);
      },
    };
    expect(await setting.objects(['.'], { tree })).toEqual([
      'shop/web[Pod]',
      '! gone.yaml:1:1 unreadable-file: no such file or directory',
    ]);
  });

  it('refuses a file that grows beyond the limit between being found and being read', async () => {
    const setting = set({ 'a.yaml': POD, 'grows.yaml': POD });
    const tree = {
      ...nodeFileTree,
      read: (path: string, maxBytes: number): Buffer => {
        if (path.endsWith('grows.yaml')) appendFileSync(path, '#'.repeat(2000));
        return nodeFileTree.read(path, maxBytes);
      },
    };
    const told = await setting.objects(['.'], { tree, limits: { fileBytes: 1000 } });
    expect(told).toEqual([
      'shop/web[Pod]',
      expect.stringMatching(/^! grows\.yaml:1:1 too-large: more than the 1000 bytes/),
    ]);
  });
});
