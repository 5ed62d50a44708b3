// Bundles the program into one file for the package's `bin` and the container image.

import { chmod, rm } from 'node:fs/promises';
import { build } from 'esbuild';

const OUTPUT = 'dist/sallyport.js';

await rm('dist', { recursive: true, force: true });
await build({
  entryPoints: ['src/main.ts'],
  outfile: OUTPUT,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: true,
  legalComments: 'linked',
  logLevel: 'info',
  // CommonJS dependencies call require() for Node's own modules; an ES module has to bring its own.
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module';\nconst require = createRequireForBundle(import.meta.url);",
  },
});
await chmod(OUTPUT, 0o755);
