// Bundles the program for the package's `bin` and the container image: one entry, and a file for each part that is loaded only when
// asked for. What a configuration does not use is not even read.

import { chmod, rm } from 'node:fs/promises';
import { build } from 'esbuild';

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
  legalComments: 'linked',
  logLevel: 'warning',
  // CommonJS dependencies call require() for Node's own modules; an ES module has to bring its own.
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module';\nconst require = createRequireForBundle(import.meta.url);",
  },
});
await chmod('dist/sallyport.js', 0o755);
