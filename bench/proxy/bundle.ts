// Sallyport as it is shipped, `npm run build`, and the same with the decision taken out: each started by its first line.

import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { ROOT } from './contender.ts';

export interface Bundles {
  readonly shipped: string;
  readonly passthrough: string;
}

/** @throws {Error} when either cannot be made. */
export async function bundleSallyport(): Promise<Bundles> {
  return { shipped: bundleShipped(), passthrough: await bundlePassthrough() };
}

/** @throws {Error} when it cannot be made. */
export function bundleShipped(): string {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'build.ts')], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm run build failed:\n${stderr}`);
  return join(ROOT, 'dist/sallyport.js');
}

async function bundlePassthrough(): Promise<string> {
  // Below the package, where the program looks for its protocols, and where nothing is kept.
  const directory = join(ROOT, 'node_modules/.cache/sallyport-bench');
  let isReplaced = false;
  await build({
    entryPoints: { sallyport: join(ROOT, 'src/main.ts') },
    outdir: directory,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire as createRequireForBundle } from 'node:module';\nconst require = createRequireForBundle(import.meta.url);",
    },
    plugins: [
      {
        name: 'permit-all',
        setup: (build) => {
          build.onLoad({ filter: /src\/app\/authorizer\.ts$/ }, () => {
            isReplaced = true;
            const file = JSON.stringify(join(import.meta.dirname, 'permit-all.ts'));
            return { contents: `export { createAuthorizer } from ${file};`, loader: 'ts', resolveDir: ROOT };
          });
        },
      },
    ],
  });
  if (!isReplaced)
    throw new Error('src/app/authorizer.ts is gone: the bench cannot take the decision out of the data plane');
  const program = join(directory, 'sallyport.js');
  chmodSync(program, 0o755);
  return program;
}
