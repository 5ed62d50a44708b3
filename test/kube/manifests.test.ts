import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileTree, nodeFileTree } from '../../src/kube/file-tree.ts';
import { ManifestSetting, POD } from './manifest-setting.ts';

let setting: ManifestSetting;
beforeEach(() => {
  setting = new ManifestSetting();
});
afterEach(() => setting.directory.remove());

function podNamed(name: string): string {
  return POD.replace('name: web', `name: ${name}`);
}

function refusing(path: string, code: string): FileTree {
  const refuse = (asked: string): void => {
    if (!asked.endsWith(path)) return;
    throw Object.assign(new Error(`${code}: refused`), { code, syscall: 'open' });
  };
  return {
    look: (asked) => nodeFileTree.look(asked),
    list: (asked) => {
      refuse(asked);
      return nodeFileTree.list(asked);
    },
    read: (asked, maxBytes) => {
      refuse(asked);
      return nodeFileTree.read(asked, maxBytes);
    },
  };
}

describe('readManifests', () => {
  it('reads directories to their end, and neither packages nor the insides of git', async () => {
    setting.write({
      'a.yaml': podNamed('a'),
      'deep/er/b.yml': podNamed('b'),
      'c.json': JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'c' } }),
      'node_modules/d.yaml': podNamed('d'),
      '.git/e.yaml': podNamed('e'),
      'readme.md': podNamed('f'),
      '.hidden/g.yaml': podNamed('g'),
    });
    expect(await setting.objects()).toEqual(['shop/g[Pod]', 'shop/a[Pod]', 'default/c[Pod]', 'shop/b[Pod]']);
  });

  it('takes a file that is named for what it is, whatever its name', async () => {
    setting.write({
      'pod.txt': POD,
      'pod.json': POD,
      'pod.yaml': JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' } }),
    });
    expect(await setting.objects(['pod.txt', 'pod.json', 'pod.yaml'])).toEqual([
      'shop/web[Pod]',
      'shop/web[Pod]',
      'default/x[Pod]',
    ]);
  });

  it('reads each file once, however many paths lead to it', async () => {
    setting.write({ 'a/x.yaml': POD });
    symlinkSync('x.yaml', setting.directory.at('a/y.yaml'));
    symlinkSync('a', setting.directory.at('b'));
    expect(await setting.objects(['a', '.', 'a/x.yaml', 'a/*.yaml'])).toEqual(['shop/web[Pod]']);
  });

  it('reads what the kubelet mounts under its visible names', async () => {
    setting.directory.publish({ 'x.yaml': POD }, 'keep-old');
    const { objects } = await setting.read();
    expect(objects.map((object) => setting.nameOf(object.locate([])?.file ?? ''))).toEqual(['x.yaml']);
  });

  it.each([
    ['*.yaml', ['a', 'b']],
    ['./[a].yaml', ['a']],
    ['**/*.yaml', ['a', 'b', 'c', 'd']],
    ['deep/**/*.yaml', ['c', 'd']],
    ['d*/*.yaml', ['c']],
    ['{a,b}.yaml', ['a', 'b']],
    ['deep/{c.yaml,er/d.yaml}', ['c', 'd']],
  ])('reads what the pattern %s matches', async (pattern, names) => {
    setting.write({
      'a.yaml': podNamed('a'),
      'b.yaml': podNamed('b'),
      'deep/c.yaml': podNamed('c'),
      'deep/er/d.yaml': podNamed('d'),
    });
    const { objects, unreadable } = await setting.read([pattern]);
    expect(objects.map(({ name }) => name).toSorted()).toEqual(names);
    expect(unreadable).toEqual([]);
  });

  it('takes a file whose name looks like a pattern', async () => {
    setting.write({ '[a].yaml': POD });
    expect(await setting.objects(['[a].yaml'])).toEqual(['shop/web[Pod]']);
  });

  it('reads standard input, in pieces, beside files', async () => {
    setting.write({ 'a.yaml': podNamed('a') });
    const { objects } = await setting.read(['a.yaml', '-'], {
      stdin: [POD.slice(0, 30), POD.slice(30), '---\n', podNamed('z')],
    });
    expect(objects.map(({ name }) => name)).toEqual(['a', 'web', 'z']);
    expect(objects[2]?.locate(['metadata', 'name'])).toEqual({ file: 'stdin', line: 14, column: 9 });
  });

  it('reads a pipe, as a shell makes one of the output of a program', async () => {
    execFileSync('mkfifo', [setting.directory.at('pipe')]);
    const writer = spawn('sh', ['-c', `printf '%s' "$1" > "$2"`, 'sh', POD, setting.directory.at('pipe')], {
      stdio: 'ignore',
    });
    await once(writer, 'spawn');
    expect(await setting.objects(['pipe'])).toEqual(['shop/web[Pod]']);
  });

  it.each<[string, string, readonly string[]]>([
    ['several documents', `${POD}---\n---\n# nothing\n---\n${podNamed('b')}`, ['shop/web[Pod]', 'shop/b[Pod]']],
    [
      'a list',
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [pod('a'), pod('b')] }),
      ['ns/a[Pod]', 'ns/b[Pod]'],
    ],
    ['a list of lists', JSON.stringify({ kind: 'List', items: [{ kind: 'List', items: [pod('a')] }] }), ['ns/a[Pod]']],
    ['a list without items', 'apiVersion: v1\nkind: List\nitems:\n', ['! ']],
    [
      'an answer of the API',
      JSON.stringify({ apiVersion: 'v1', kind: 'PodList', items: [{ metadata: { name: 'a' } }] }),
      ['default/a[Pod]'],
    ],
    [
      'answers one behind the other',
      `${JSON.stringify(pod('a'))}\n${JSON.stringify(pod('b'), null, 2)}`,
      ['ns/a[Pod]', 'ns/b[Pod]'],
    ],
    ['an array', JSON.stringify([pod('a'), pod('b')]), ['ns/a[Pod]', 'ns/b[Pod]']],
    ['JSON and YAML in one file', `${JSON.stringify(pod('a'))}\n---\n${POD}`, ['ns/a[Pod]', 'shop/web[Pod]']],
    ['JSON that only YAML takes', '{apiVersion: v1, kind: Pod, "metadata": {"name": "a",},}', ['default/a[Pod]']],
    [
      'JSON that YAML would not take',
      '{"apiVersion": "v1", "kind": "Pod",\n\t"metadata": {"name": "a\\ud83d\\ude00"}}',
      ['default/a😀[Pod]'],
    ],
    ['objects of the cluster', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n', ['a[Namespace]']],
    ['kinds that nobody knows', 'apiVersion: x.example/v1\nkind: Thing\nmetadata: {name: a}\n', ['default/a[Thing]']],
    [
      'a kind that ends like a list',
      'apiVersion: x.example/v1\nkind: AllowList\nmetadata: {name: a}\n',
      ['default/a[AllowList]'],
    ],
    [
      'an object named by its API server',
      'apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n',
      ['default/a-[Pod]'],
    ],
  ])('reads %s', async (_name, text, expected) => {
    setting.write({ 'x.yaml': text });
    const objects = await setting.objects();
    expect(objects.map((object) => (object.startsWith('! ') ? '! ' : object))).toEqual(expected);
  });

  it('passes over what is no object, and counts it', async () => {
    setting.write({
      'values.yaml': 'replicas: 3\nimage: x\n',
      'config.yaml': 'apiVersion: v1\nkind: Config\nclusters: []\n',
      'chart.yaml': 'apiVersion: v2\nname: x\n',
      'list.yaml': '- a\n- b\n',
      'text.yaml': 'some words\n',
      'x.yaml': `null\n---\n${POD}`,
    });
    const { objects, unreadable, ignoredDocuments, files } = await setting.read();
    expect([objects.length, ignoredDocuments, files]).toEqual([1, 5, 6]);
    expect(unreadable.map((entry) => setting.describe(entry))).toEqual([]);
  });

  it.each<[string, string, string]>([
    ['no name', 'apiVersion: v1\nkind: Pod\nmetadata: {}\n', '3:1 malformed: no `metadata.name`'],
    ['no metadata', '# x\napiVersion: v1\nkind: Pod\n', '2:1 malformed: no `metadata.name`'],
    ['metadata of another type', 'apiVersion: v1\nkind: Pod\nmetadata: 5\n', '3:1 malformed: no `metadata.name`'],
    ['a kind of another type', 'apiVersion: v1\nkind: 5\nmetadata: {name: x}\n', '2:7 malformed: no `kind`'],
    ['no version', 'kind: Pod\nmetadata: {name: x}\n', '1:1 malformed: no `apiVersion`'],
    [
      'a list whose items are none',
      'apiVersion: v1\nkind: List\nitems: text\n',
      '3:8 malformed: the items of a list must be a list',
    ],
    [
      'a list with nothing in it',
      '{"apiVersion":"v1","kind":"List","items":[null]}',
      '1:43 malformed: an item of a list that is no object',
    ],
    ['broken YAML', 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: [x\n', '5:1 malformed: '],
    [
      'broken JSON',
      '{"apiVersion": "v1",\n "kind": Pod, "x"; 1}',
      '2:10 malformed: JSON that has something else here than a value',
    ],
    [
      'JSON that ends too early',
      '{"apiVersion": "v1",\n "kind": "Pod"',
      '2:15 malformed: JSON that ends too early: 1 collections are still open',
    ],
    ['a template', 'kind: Pod\nmetadata:\n  name: {{ .Values.name }}\n', '3:10 malformed: '],
    [
      'a binary file',
      'abc\ndef\0\u0001',
      '2:4 malformed: a NUL byte: this is no text, or was cut while it was written',
    ],
    ['bytes that are no text', 'a: 1\nb: \u00ff\n', '2:4 malformed: not UTF-8'],
    ['a key that is there twice', `${POD}kind: Pod\n`, '10:1 malformed: key `kind` stands here a second time'],
    [
      'a JSON key that is there twice',
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","name":"b"}}',
      '1:56 malformed: key `name` stands here a second time',
    ],
    [
      'nesting without end',
      `{"apiVersion":"v1","kind":"X","x":${'['.repeat(5000)}${']'.repeat(5000)}}`,
      '1:234 malformed: nested more than 200 levels deep',
    ],
    [
      'a Kustomization under another name',
      'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n',
      '1:1 malformed: a Kustomization',
    ],
  ])('tells of %s where it stands', async (_name, text, expected) => {
    writeFileSync(setting.directory.at('x.yaml'), Buffer.from(text, 'latin1'));
    setting.write({ 'y.yaml': podNamed('other') });
    const { objects, unreadable } = await setting.read();
    expect(objects.map(({ name }) => name)).toContain('other');
    expect(unreadable.map((entry) => setting.describe(entry))).toEqual([expect.stringContaining(`x.yaml:${expected}`)]);
  });

  it('says of what kind a broken document would have been, so that only this kind is unknown', async () => {
    setting.write({
      'x.yaml': 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nspec: [\n---\nkind: Pod\nkind: Pod\nx: [\n',
    });
    const { unreadable } = await setting.read();
    expect(unreadable.map(({ kind }) => kind)).toEqual(['NetworkPolicy.networking.k8s.io', null]);
  });

  it('says of what kind an object with a key twice is', async () => {
    setting.write({ 'x.yaml': `${POD}status: {}\nstatus: {}\n` });
    const { unreadable } = await setting.read();
    expect(unreadable).toMatchObject([{ kind: 'Pod', namespace: 'shop' }]);
  });

  it.each<[string, string, string]>([
    ['a file that may not be read', 'EACCES', 'b/x.yaml:1:1 unreadable-file: this process may not read it'],
    ['a file that fails', 'EIO', 'b/x.yaml:1:1 unreadable-file: it could not be read (EIO)'],
  ])('goes on past %s', async (_name, code, expected) => {
    setting.write({ 'a.yaml': podNamed('a'), 'b/x.yaml': podNamed('b') });
    expect(await setting.objects(['.'], { tree: refusing('x.yaml', code) })).toEqual(['shop/a[Pod]', `! ${expected}`]);
  });

  it('goes on past a directory that may not be read', async () => {
    setting.write({ 'a.yaml': podNamed('a'), 'b/x.yaml': podNamed('b') });
    const objects = await setting.objects(['.'], { tree: refusing('/b', 'EACCES') });
    expect(objects).toEqual(['shop/a[Pod]', '! b:1:1 unreadable-file: this process may not read it']);
  });

  it.skipIf(process.getuid?.() === 0)('goes on past a directory without permissions', async () => {
    setting.write({ 'a.yaml': podNamed('a'), 'b/x.yaml': podNamed('b') });
    chmodSync(setting.directory.at('b'), 0);
    expect(await setting.objects()).toEqual(['shop/a[Pod]', '! b:1:1 unreadable-file: this process may not read it']);
    chmodSync(setting.directory.at('b'), 0o700);
  });

  it('tells of links that lead round in a circle, and follows the others', async () => {
    setting.write({ 'a/x.yaml': POD, 'elsewhere/y.yaml': podNamed('other') });
    symlinkSync('..', setting.directory.at('a/up'));
    symlinkSync('loop.yaml', setting.directory.at('a/loop.yaml'));
    symlinkSync('../elsewhere', setting.directory.at('a/over'));
    symlinkSync('nowhere.yaml', setting.directory.at('a/gone.yaml'));
    symlinkSync('nowhere', setting.directory.at('a/gone'));
    expect(await setting.objects(['a'])).toEqual([
      'shop/other[Pod]',
      'shop/web[Pod]',
      '! a/gone.yaml:1:1 unreadable-file: no such file or directory',
      '! a/loop.yaml:1:1 unreadable-file: its symbolic links lead round in a circle',
      '! a/up:1:1 unreadable-file: its symbolic links lead round in a circle',
    ]);
  });

  it('is not led out of a directory to what it lies in', async () => {
    setting.write({ 'a/b/x.yaml': POD, 'secret.yaml': podNamed('outside') });
    symlinkSync('../..', setting.directory.at('a/b/top'));
    expect(await setting.objects(['a/b'])).toEqual([
      'shop/web[Pod]',
      '! a/b/top:1:1 unreadable-file: its symbolic links lead round in a circle',
    ]);
  });

  it('bounds the bytes of a file, of all files, and their number', async () => {
    setting.write({ 'a.yaml': POD, 'b.yaml': podNamed('b'), 'c.yaml': podNamed('c') });
    const [bytes, more] = [POD.length, POD.length + 100];
    expect(await setting.objects(['.'], { limits: { fileBytes: bytes - 1 } })).toEqual([
      'shop/b[Pod]',
      'shop/c[Pod]',
      expect.stringMatching(/^! a\.yaml:1:1 too-large/),
    ]);
    const all = await setting.objects(['.'], { limits: { totalBytes: more } });
    expect(all).toEqual([
      'shop/web[Pod]',
      expect.stringMatching(/^! b\.yaml:1:1 too-large/),
      expect.stringMatching(/^! c/),
    ]);
    expect(await setting.objects(['.'], { limits: { files: 2 } })).toEqual([
      'shop/web[Pod]',
      'shop/b[Pod]',
      expect.stringMatching(/^! c\.yaml:1:1 too-large: more than the 2 files/),
    ]);
    const endless = await setting.objects(['-'], { limits: { fileBytes: 50 }, stdin: [POD, POD, POD] });
    expect(endless).toEqual([expect.stringMatching(/^! stdin:1:1 too-large/)]);
  });

  it.each([
    ['a path that is not there', ['nope'], 'nope:1:1 unreadable-file: no such file or directory'],
    ['a pattern that nothing matches', ['*.yaml'], '*.yaml:1:1 unreadable-file: no file matches'],
    [
      'a pattern in a directory that is not there',
      ['nope/*.yaml'],
      'nope:1:1 unreadable-file: no such file or directory',
    ],
    [
      'a directory without manifests',
      ['empty'],
      'empty:1:1 unreadable-file: there is no manifest in it (*.yaml, *.yml, *.json)',
    ],
    ['manifests without objects', ['values'], 'values:1:1 unreadable-file: there is no Kubernetes object in it'],
    ['an empty standard input', ['-'], 'stdin:1:1 unreadable-file: there is no Kubernetes object in it'],
  ])('does not take %s for a clean cluster', async (_name, paths, expected) => {
    setting.write({ 'values/x.yaml': 'a: 1\n' });
    mkdirSync(setting.directory.at('empty'));
    const { objects, unreadable } = await setting.read(paths);
    expect(objects).toEqual([]);
    expect(unreadable.map((entry) => setting.describe(entry))).toEqual([expected]);
  });
});

describe('what must be rendered first', () => {
  it('knows a chart by its templates, and reads none of them', async () => {
    setting.write({
      'charts/web/Chart.yaml': 'apiVersion: v2\nname: web\n',
      'charts/web/templates/pod.yaml': POD,
      'charts/web/values.yaml': 'a: 1\n',
      'plain/pod.yaml': podNamed('plain'),
    });
    expect(await setting.objects()).toEqual([
      'shop/plain[Pod]',
      '! charts/web:1:1 malformed: a Helm chart; render it first: helm template /charts/web | sallyport audit cluster -',
    ]);
  });

  it.each<[string, string, readonly string[]]>([
    ['only names what lies there', 'resources: [pod.yaml, base]\nimages: [{name: x, newTag: "2"}]\n', []],
    ['changes the namespace', 'resources: [pod.yaml]\nnamespace: prod\n', ['namespace']],
    ['names what lies elsewhere', 'resources: [pod.yaml, "https://x.example/y"]\n', ['resources']],
    ['takes images from another registry', 'images: [{name: x, newName: elsewhere}]\n', ['images']],
    ['patches', 'resources: [pod.yaml]\npatches:\n- path: patch.yaml\n- patch: |-\n    kind: Pod\n', ['patches']],
    ['generates', 'configMapGenerator: [{name: x}]\nlabels: []\n', ['configMapGenerator']],
  ])('reads what lies beside a Kustomization that %s', async (_name, text, changes) => {
    setting.write({
      'kustomization.yaml': `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n${text}`,
      'pod.yaml': POD,
      'base/kustomization.yaml': 'resources: [pod.yaml]\n',
      'base/pod.yaml': podNamed('base'),
    });
    const unrendered =
      `! kustomization.yaml:1:1 malformed: its ${changes.join(', ')} change what lies here; ` +
      'render it first: kubectl kustomize  | sallyport audit cluster -';
    expect(await setting.objects()).toEqual([
      'shop/base[Pod]',
      'shop/web[Pod]',
      ...(changes.length > 0 ? [unrendered] : []),
    ]);
  });

  it('does not take patches for objects', async () => {
    setting.write({
      'kustomization.yaml':
        'resources: [pod.yaml]\npatches: [{path: ./patches/a.yaml}]\npatchesStrategicMerge: [b.yaml]\n',
      'pod.yaml': POD,
      'patches/a.yaml': podNamed('a'),
      'b.yaml': podNamed('b'),
    });
    const { objects } = await setting.read();
    expect(objects.map(({ name }) => name)).toEqual(['web']);
  });
});

function pod(name: string): unknown {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'ns' } };
}
