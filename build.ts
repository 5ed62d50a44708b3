// Bundles the program for the package's `bin` and the container image: one entry, and a file for each part that is loaded only when
// asked for. What a configuration does not use is not even read.

import { chmod, rm } from 'node:fs/promises';
import { build, type Plugin } from 'esbuild';

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

await rm('dist', { recursive: true, force: true });
await build({
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
  // CommonJS dependencies call require() for Node's own modules; an ES module has to bring its own.
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module';\nconst require = createRequireForBundle(import.meta.url);",
  },
});
await chmod('dist/sallyport.js', 0o755);
