// Sallyport as contender, in five ways that differ in the decision alone.

import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bundles } from './bundle.ts';
import { type Contender, PROXY_CPU, ROOT, SMALL_PATH, UNIQUE_PATH } from './contender.ts';
import { startProgram } from './programs.ts';
import { formatManyRules, formatRegistry, formatSallyportConfig } from './sallyport-config.ts';

interface Variant {
  readonly bundle: string;
  readonly path: string;
  readonly logsAll: boolean;
  readonly hasManyRules: boolean;
}

export function sallyportContenders({ shipped, passthrough }: Bundles): readonly Contender[] {
  const enforce: Variant = { bundle: shipped, path: SMALL_PATH, logsAll: false, hasManyRules: false };
  return [
    contender('passthrough', { ...enforce, bundle: passthrough }),
    contender('enforce', enforce),
    contender('enforce-cold', { ...enforce, path: UNIQUE_PATH }),
    contender('enforce-log-all', { ...enforce, logsAll: true }),
    contender('enforce-10k-rules', { ...enforce, hasManyRules: true }),
  ];
}

function contender(mode: string, { bundle, path, logsAll, hasManyRules }: Variant): Contender {
  return {
    name: `Sallyport ${mode}`,
    needs: null,
    path,
    start: async (site, { directory, port }) => {
      let policyPath = join(ROOT, 'policies');
      if (hasManyRules) {
        policyPath = join(directory, 'policy');
        mkdirSync(policyPath);
        writeFileSync(join(policyPath, 'policy.yaml'), formatManyRules());
      }
      const config = join(directory, 'sallyport.yaml');
      const serving = formatRegistry(port, site.upstreamPort);
      writeFileSync(
        config,
        formatSallyportConfig({ directory: site.directory, svid: 'server', serving, policyPath, logsAll }),
      );
      return startProgram([bundle, 'run', '--config', config], {
        cpu: PROXY_CPU,
        port,
        // Of a file, so that writing it costs what it costs.
        stdout: openSync(join(directory, 'log'), 'a'),
      });
    },
  };
}
