// Input that is broken, or means harm: told with its place, the rest still audited, and the exit code says that it was not all.

import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { deployment, directoryOf, PRIVILEGED, runAudit } from './audit-run.ts';

const GOOD = deployment('trainer', { extra: PRIVILEGED });
const POD = 'apiVersion: v1\nkind: Pod\nmetadata: { name: a, namespace: ml }\n';

interface Told {
  readonly code: number | null;
  /** Of what was not read, or malformed. */
  readonly gaps: readonly string[];
  /** Of those whose container is privileged. */
  readonly privileged: readonly string[];
}

async function audit(path: string): Promise<Told> {
  const { out, errors, exitCode } = await runAudit(['cluster', path, '--format', 'json']);
  expect(errors).toBe('');
  const { findings, coverage } = JSON.parse(out);
  const placed = (at: { file: string; line: number; column: number } | null | undefined, text: string): string =>
    `${at === null || at === undefined ? '' : `${at.file.slice(at.file.lastIndexOf('/') + 1)}:${at.line}:${at.column} `}${text}`;
  return {
    code: exitCode,
    gaps: [
      ...coverage.unreadable.map((gap: { position: null; detail: string }) => placed(gap.position, gap.detail)),
      ...coverage.malformed.map((note: { location: undefined; detail: string }) => placed(note.location, note.detail)),
    ],
    privileged: findings
      .filter(({ rule, verdict }: { rule: string; verdict: string }) => rule === 'pod-privileged' && verdict === 'fail')
      .map(({ resource }: { resource: { name: string } }) => resource.name),
  };
}

const LEVELS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const BOMB = LEVELS.map((key, level) => {
  const item = level === 0 ? 'x' : `*${LEVELS[level - 1] ?? ''}`;
  return `${key}: &${key} [${Array.from({ length: 9 }, () => item).join(', ')}]\n`;
}).join('');

describe('an audit of bad input', () => {
  it.each<[string, string, string | Buffer, RegExp]>([
    ['broken YAML', 'bad.yaml', 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: [x\n', /^bad\.yaml:5:1 /],
    [
      'null for a pod spec',
      'bad.yaml',
      `${deployment('nothing').split('    spec:')[0] ?? ''}    spec: null\n`,
      /^bad\.yaml:\d+:\d+ spec\.template\.spec/,
    ],
    [
      'null for containers',
      'bad.yaml',
      `${POD}spec: { containers: null }\n`,
      /^bad\.yaml:4:21 spec\.containers must be a list with at least one container, and is null/,
    ],
    [
      'a mapping for a list',
      'bad.yaml',
      `${POD}spec: { containers: { name: a } }\n`,
      /^bad\.yaml:4:9 spec\.containers must be a list, and is a mapping/,
    ],
    [
      'JSON that lies about its types',
      'bad.json',
      '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c"}],"hostNetwork":"true"}}',
      /^bad\.json:1:\d+ spec\.hostNetwork must be true or false, and is a string/,
    ],
    ['JSON that is none', 'bad.json', '{"apiVersion": "v1", "kind": "Pod",', /^bad\.json:1:\d+ /],
    ['an alias bomb', 'bad.yaml', BOMB, /^bad\.yaml:\d+:\d+ aliases repeat so much/],
    [
      'bytes that are no UTF-8',
      'bad.yaml',
      Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe, 0x0a]),
      /^bad\.yaml:1:\d not UTF-8/,
    ],
    ['NUL bytes', 'bad.yaml', 'a: b\n\0\0', /^bad\.yaml:2:1 a NUL byte/],
    ['tabs for indentation', 'bad.yaml', 'kind: Pod\nmetadata:\n\tname: a\n', /^bad\.yaml:3:1 tabs are not allowed/],
    ['a key twice', 'bad.yaml', `${POD}spec: {}\nspec: {}\n`, /^bad\.yaml:5:1 key `spec` stands here a second time/],
    [
      'a template that nobody rendered',
      'bad.yaml',
      'kind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n',
      /^bad\.yaml:3:10 .*render it first/,
    ],
    [
      'an object without a name',
      'bad.yaml',
      'apiVersion: v1\nkind: Pod\nmetadata: {}\n',
      /^bad\.yaml:3:1 no `metadata\.name`/,
    ],
    ['a list whose items are none', 'bad.yaml', 'apiVersion: v1\nkind: List\nitems: 7\n', /^bad\.yaml:3:\d+ /],
  ])('tells %s at its place, and audits the rest', async (_name, file, text, told) => {
    await using files = await directoryOf({ 'good.yaml': GOOD });
    await writeFile(files.at(file), text);
    const { code, gaps, privileged } = await audit(files.path);
    expect(
      gaps.some((gap) => told.test(gap)),
      gaps.join('\n'),
    ).toBe(true);
    expect(privileged).toEqual(['trainer']);
    expect(code).toBe(3);
  });

  it.each<[string, string]>([
    ['a byte order mark and carriage returns', `\ufeff${GOOD.replaceAll('\n', '\r\n')}`],
    ['documents that are empty, commented, or ended', `---\n--- # nothing\n...\n---\n${GOOD}...\n---\n`],
    [
      'kinds that nobody knows',
      `${GOOD}---\napiVersion: x.example/v1\nkind: Gizmo\nmetadata: { name: g }\nspec: null\n`,
    ],
  ])('takes %s as they are', async (_name, text) => {
    await using files = await directoryOf({ 'a.yaml': text });
    const { code, gaps, privileged } = await audit(files.path);
    expect(gaps).toEqual([]);
    expect(privileged).toEqual(['trainer']);
    expect(code).toBe(1);
  });

  it('goes on past links that lead round in a circle', async () => {
    await using files = await directoryOf({ 'good.yaml': GOOD });
    await symlink(files.path, files.at('loop'));
    const { code, gaps, privileged } = await audit(files.path);
    expect(gaps).toEqual(['loop:1:1 its symbolic links lead round in a circle']);
    expect([privileged, code]).toEqual([['trainer'], 3]);
  });

  it.skipIf(process.getuid?.() === 0)('goes on past a directory that may not be read (skipped for root)', async () => {
    await using files = await directoryOf({ 'good.yaml': GOOD });
    await mkdir(files.at('closed'), { mode: 0o000 });
    const { code, gaps, privileged } = await audit(files.path);
    expect(gaps).toEqual(['closed:1:1 this process may not read it']);
    expect([privileged, code]).toEqual([['trainer'], 3]);
  });

  it('goes on past a file of gigabytes', async () => {
    await using files = await directoryOf({ 'good.yaml': GOOD, 'big.yaml': '' });
    // Sparse: of that size, and on no disk.
    await truncate(files.at('big.yaml'), 4 * 1024 ** 3);
    const { code, gaps, privileged } = await audit(files.path);
    expect(gaps).toEqual([expect.stringMatching(/^big\.yaml:1:1 /)]);
    expect([privileged, code]).toEqual([['trainer'], 3]);
  });

  it('tells people the place as well', async () => {
    await using files = await directoryOf({ 'bad.yaml': 'kind: [\n', 'lies.yaml': `${POD}spec: { containers: 5 }\n` });
    const { out } = await runAudit(['cluster', files.path]);
    const text = out.replaceAll(/\n {2,}/g, ' ');
    expect(text).toMatch(/^not read: \S+bad\.yaml \(malformed\): .*, at \S+bad\.yaml:2:1$/m);
    expect(text).toMatch(
      /^malformed: ml\/a\[Pod\]: spec\.containers must be a list, and is a number, at \S+lies\.yaml:4:\d+$/m,
    );
  });
});
