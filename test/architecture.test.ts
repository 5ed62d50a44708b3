import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

// The house in one table, top floor first. A folder may import from any floor below its own, and from its own floor only
// along SIBLING_EDGES.
const LAYERS: readonly (readonly string[])[] = [
  ['main.ts'],
  ['cli'],
  ['app'],
  ['proxy', 'admin', 'extauthz'],
  ['telemetry', 'files', 'workload-api', 'federation', 'store', 'kube', 'artifact-files'],
  ['spiffe', 'policy', 'revocation', 'devca', 'audit', 'artifact'],
  ['http1', 'http2', 'pki', 'yaml', 'json', 'protobuf'],
  ['core'],
];
const SIBLING_EDGES = new Set([
  'http2>http1',
  'policy>spiffe',
  'extauthz>proxy',
  'extauthz>admin',
  'revocation>spiffe',
  'devca>spiffe',
  'audit>policy',
  'audit>spiffe',
  'artifact>audit',
  'workload-api>files',
  'artifact-files>files',
  'artifact-files>kube',
]);
const PACKAGE_OWNERS = new Map<string, string>([
  ['yaml', 'yaml'],
  ['zod', 'app'],
  ['pino', 'telemetry'],
  ['prom-client', 'telemetry'],
  ['commander', 'cli'],
  ['undici', 'federation'],
  ['@grpc/grpc-js', 'workload-api'],
  ['@bufbuild/protobuf', 'protobuf'],
  ['ioredis', 'store'],
  ['@peculiar/x509', 'devca'],
  ['reflect-metadata', 'devca'],
  ['node-forge', 'devca'],
  ['@sigstore/bundle', 'artifact'],
  ['@sigstore/verify', 'artifact'],
  ['@sigstore/protobuf-specs', 'artifact'],
]);
// Engines and wire formats compute; what they need of the world is an argument.
const PURE_FOLDERS = new Set([
  'spiffe',
  'policy',
  'revocation',
  'devca',
  'audit',
  'artifact',
  'http1',
  'http2',
  'pki',
  'yaml',
  'json',
  'protobuf',
  'core',
]);
const PURE_BUILTINS = new Set(['node:crypto', 'node:buffer', 'node:util', 'node:net']);
const IMPURITIES =
  /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(|\bset(?:Timeout|Interval|Immediate)\(/;
const PROCESS_STATE = /\bprocess\.(?:env|argv|exit\b|exitCode|on\()/;
const CLOCK_FILE = 'core/clock.ts';

interface SourceFile {
  /** Relative to src/. */
  readonly path: string;
  readonly text: string;
}

function findViolations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => [...importViolations(file), ...purityViolations(file)]);
}

function importViolations(file: SourceFile): readonly string[] {
  const folder = topFolder(file.path);
  return importsOf(file.text).flatMap((specifier): readonly string[] => {
    if (specifier.startsWith('.')) {
      const target = topFolder(relative('/src', resolve('/src', dirname(file.path), specifier)));
      return mayImport(folder, target) ? [] : [`${file.path} imports ${target}/: not below ${folder}/`];
    }
    if (specifier.startsWith('node:')) {
      const isPure = !PURE_FOLDERS.has(folder) || PURE_BUILTINS.has(specifier);
      return isPure ? [] : [`${file.path} imports ${specifier}: ${folder}/ is pure`];
    }
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
    return PACKAGE_OWNERS.get(name) === folder ? [] : [`${file.path} imports ${name}: not the owner of that package`];
  });
}

function purityViolations(file: SourceFile): readonly string[] {
  const folder = topFolder(file.path);
  const code = withoutComments(file.text);
  const violations: string[] = [];
  if (PURE_FOLDERS.has(folder) && file.path !== CLOCK_FILE && IMPURITIES.test(code)) {
    violations.push(`${file.path} reads a clock, a timer or randomness`);
  }
  if (!['app', 'cli', 'main.ts'].includes(folder) && PROCESS_STATE.test(code)) {
    violations.push(`${file.path} reads or ends the process: only app/ and cli/ may`);
  }
  return violations;
}

function mayImport(from: string, to: string): boolean {
  if (from === to || SIBLING_EDGES.has(`${from}>${to}`)) return true;
  const floor = (folder: string): number => LAYERS.findIndex((layer) => layer.includes(folder));
  return floor(from) >= 0 && floor(to) > floor(from);
}

function importsOf(text: string): readonly string[] {
  const pattern =
    /(?:^|[\s;])(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]|(?:^|[\s;(=])import\s*\(?\s*['"]([^'"]+)['"]/g;
  return [...withoutComments(text).matchAll(pattern)].map((match) => match[1] ?? match[2] ?? '');
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '$1');
}

function topFolder(path: string): string {
  return path.split('/')[0] ?? path;
}

function readSources(): readonly SourceFile[] {
  const root = fileURLToPath(new URL('../src', import.meta.url));
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

describe('architecture', () => {
  const sources = readSources();

  it('imports only downwards, packages only from their owner, engines nothing of the outside', () => {
    expect(findViolations(sources)).toEqual([]);
  });

  it('knows every folder there is, and no other', () => {
    const folders = new Set(sources.map(({ path }) => topFolder(path)));
    expect([...folders].sort()).toEqual(LAYERS.flat().sort());
    const named = [
      ...PURE_FOLDERS,
      ...PACKAGE_OWNERS.values(),
      ...[...SIBLING_EDGES].flatMap((edge) => edge.split('>')),
    ];
    expect(named.filter((folder) => !folders.has(folder))).toEqual([]);
  });

  it('finds every import of a file that has several kinds', () => {
    const text =
      "import './a.ts';\nimport type { B } from './b.ts';\nexport { c } from './c.ts';\nconst d = await import('./d.ts');\n";
    expect(importsOf(text)).toEqual(['./a.ts', './b.ts', './c.ts', './d.ts']);
  });

  it.each<[string, SourceFile]>([
    ['an engine that imports a socket owner', { path: 'policy/x.ts', text: "import { a } from '../proxy/a.ts';" }],
    ['an unlisted edge between siblings', { path: 'spiffe/x.ts', text: "import { a } from '../policy/a.ts';" }],
    ['a package used outside its owner', { path: 'proxy/x.ts', text: "import pino from 'pino';" }],
    ['a package that nobody owns', { path: 'app/x.ts', text: "import lodash from 'lodash';" }],
    ['an engine that reads files', { path: 'spiffe/x.ts', text: "import { readFileSync } from 'node:fs';" }],
    ['an engine that reads the clock', { path: 'policy/x.ts', text: 'const now = Date.now();' }],
    ['a codec that waits', { path: 'http1/x.ts', text: 'setTimeout(f, 1);' }],
    ['a socket owner that reads the environment', { path: 'proxy/x.ts', text: 'const p = process.env;' }],
  ])('would catch %s', (_name, file) => {
    expect(findViolations([file])).toHaveLength(1);
  });
});
