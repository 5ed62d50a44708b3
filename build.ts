// Bundles the program for the package's `bin` and the container image: one entry, and a file for each part that is loaded only when
// asked for. What a configuration does not use is not even read.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { build, type Metafile, type Plugin } from 'esbuild';

/**
 * Importing node:http as an ES module reads all its exports, and reading WebSocket has Node compile its undici: 25 ms and several MB for
 * what nobody here uses. Asked for this way, the module is the same and no export is read that is not used.
 */
const httpWithoutWebSocket: Plugin = {
  name: 'http-without-websocket',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(?:node:)?https?$/ }, ({ path }) => ({
      path: path.replace('node:', ''),
      namespace: 'builtin',
    }));
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('node:${path}');`,
    }));
  },
};

/** zod brings its messages in some fifty languages; ours are in English. */
const onlyEnglish: Plugin = {
  name: 'only-english',
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

// CommonJS dependencies call require() for Node's own modules; an ES module has to bring its own.
const BANNER =
  "import { createRequire as createRequireForBundle } from 'node:module';\nconst require = createRequireForBundle(import.meta.url);";

const LIBRARY_BYTES = 50_000;

const SAMPLE_POLICY = `version: 1
trustDomain: build.example
components: { client: {}, server: {} }
access:
  client: { allow: [{ target: server, verbs: [read], paths: [/a/**] }] }
`;
const SAMPLE_CONFIG = `trustDomain: build.example
identity:
  files: { certificate: sidecar.pem, privateKey: sidecar.key, trustBundles: { build.example: bundle.pem } }
policy: { path: policy.yaml }
listeners:
  - { name: server, bind: "127.0.0.1:0", component: server, upstream: "http://127.0.0.1:1" }
admin: { bind: "127.0.0.1:0" }
`;

await rm('dist', { recursive: true, force: true });
const { metafile } = await build({
  // The thread that reads files starts from a file of its own.
  entryPoints: { sallyport: 'src/main.ts', 'file-worker': 'src/artifact-files/file-worker.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  chunkNames: 'parts/[name]-[hash]',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: true,
  // Read, compiled and kept in memory; names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  plugins: [httpWithoutWebSocket, onlyEnglish],
  legalComments: 'linked',
  logLevel: 'warning',
  metafile: true,
  banner: { js: BANNER },
});
await bundleServing(metafile.outputs);
await chmod('dist/sallyport.js', 0o755);
await keepCompiled();

/**
 * What the sidecar always needs is in some sixty parts, since other commands need some of them too, and finding and linking each takes Node
 * the better part of a millisecond. For the command `run` they are put together in one file, in a folder with whatever it may load besides.
 */
async function bundleServing(outputs: Metafile['outputs']): Promise<void> {
  const run = Object.keys(outputs).find((file) => outputs[file]?.entryPoint?.endsWith('src/cli/run.ts') === true);
  if (run === undefined) throw new Error('src/cli/run.ts is not a part of its own');
  const started = reachable(outputs, 'dist/sallyport.js', ['import-statement']);
  const isStarted = (file: string): boolean => started.has(file);
  // Large libraries stay in files of their own: Node parses a file as a whole, and gives back nothing of what memory that took.
  const isLibrary = (file: string): boolean =>
    (outputs[file]?.bytes ?? 0) > LIBRARY_BYTES &&
    (outputs[file]?.imports ?? []).every(({ path, external }) => external === true || isStarted(path));
  const core = [...reachable(outputs, run, ['import-statement'])].filter(
    (file) => !isStarted(file) && !isLibrary(file),
  );
  const all = [...reachable(outputs, run, ['import-statement', 'dynamic-import'])].filter((file) => !isStarted(file));
  const exported = (file: string): readonly string[] => outputs[file]?.exports ?? [];
  const nameIn = (file: string, name: string): string => `${name}_${core.indexOf(file)}`;
  await mkdir('dist/serving');
  await build({
    stdin: {
      contents: core
        .map((file) => {
          const names = exported(file).map((name) => `${name} as ${nameIn(file, name)}`);
          return `export { ${names.join(', ')} } from './${basename(file)}';`;
        })
        .join('\n'),
      resolveDir: 'dist/parts',
    },
    outfile: 'dist/serving/core.js',
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    sourcemap: true,
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'warning',
    banner: { js: BANNER },
    plugins: [
      {
        name: 'parts',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^\.\// }, ({ path, kind }) => {
            if (kind === 'dynamic-import') return { path, external: true };
            const file = `dist/parts/${basename(path)}`;
            if (isStarted(file)) return { path: `../parts/${basename(path)}`, external: true };
            return isLibrary(file) ? { path, external: true } : undefined;
          });
          // Of the same length in lines, for the source maps.
          onLoad({ filter: /dist\/parts\/.*\.js$/ }, async ({ path }) => ({
            contents: (await readFile(path, 'utf8')).replace(BANNER, '\n'),
          }));
        },
      },
    ],
  });
  for (const file of all) {
    const to = `dist/serving/${basename(file)}`;
    if (core.includes(file)) {
      const names = exported(file).map((name) => `${nameIn(file, name)} as ${name}`);
      await writeFile(to, `export { ${names.join(', ')} } from './core.js';\n`);
    } else {
      const text = await readFile(file, 'utf8');
      const moved = [...started].reduce(
        (all, each) => all.replaceAll(`"./${basename(each)}"`, `"../parts/${basename(each)}"`),
        text,
      );
      await writeFile(to, moved.replace(/(\/\/# sourceMappingURL=)/, '$1../parts/'));
    }
  }
  const program = await readFile('dist/sallyport.js', 'utf8');
  const name = basename(run);
  if (!program.includes(`"./parts/${name}"`)) throw new Error('the program does not load the command `run`');
  await writeFile('dist/sallyport.js', program.replace(`"./parts/${name}"`, `"./serving/${name}"`));
}

/**
 * A sixth of what it takes to start is compiling. Where there is a folder `compiled`, Node keeps there what V8 made of each file that a process
 * has used (src/main.ts), so a sidecar is started once, with an identity and a policy of its own.
 */
async function keepCompiled(): Promise<void> {
  await mkdir('dist/compiled');
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-build-'));
  try {
    const program = 'dist/sallyport.js';
    const call = async (...args: readonly string[]): Promise<unknown> =>
      promisify(execFile)(process.execPath, [program, ...args]);
    await call('dev-ca', 'init', '--trust-domain', 'build.example', '--out', directory);
    const out = join(directory, 'sidecar');
    await call('dev-ca', 'issue', '--ca', directory, '--id', 'spiffe://build.example/sidecar', '--out', out);
    await writeFile(join(directory, 'policy.yaml'), SAMPLE_POLICY);
    await writeFile(join(directory, 'sallyport.yaml'), SAMPLE_CONFIG);
    const sidecar = spawn(process.execPath, [program, 'run', '--config', join(directory, 'sallyport.yaml')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    const ended = once(sidecar, 'exit');
    let isReady = false;
    for await (const line of createInterface(sidecar.stdout)) {
      if (!line.includes('"msg":"ready"')) continue;
      isReady = true;
      sidecar.kill('SIGTERM');
    }
    const [code] = await ended;
    if (!isReady || code !== 0) throw new Error(`the sidecar that was built did not start and end: exit code ${code}`);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** `from` and whatever it imports, directly or by another. */
function reachable(outputs: Metafile['outputs'], from: string, kinds: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (file: string): void => {
    if (found.has(file)) return;
    found.add(file);
    for (const { path, kind, external } of outputs[file]?.imports ?? [])
      if (external !== true && kinds.includes(kind)) visit(path);
  };
  visit(from);
  return found;
}
