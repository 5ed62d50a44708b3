// The configuration the demo runs on: an ordinary file, written into the folder of the certificates and read like any user's.

import { dirname, relative } from 'node:path';
import type { DemoFiles } from './demo-files.ts';
import { HOST, LISTENER_NAMES, type ListenerName, type Ports } from './listeners.ts';
import { TRUST_DOMAIN } from './identities.ts';

export interface ConfigFacts {
  readonly paths: DemoFiles;
  readonly policyFile: string;
  readonly ports: Ports;
  readonly upstreamPorts: Readonly<Record<ListenerName, number>>;
}

/** What it names begins at its own directory, as in any configuration. */
export function formatConfig({ paths, policyFile, ports, upstreamPorts }: ConfigFacts): string {
  const path = (of: string): string => JSON.stringify(relative(dirname(paths.config), of));
  const listeners = LISTENER_NAMES.map(
    (name) => `  - name: ${name}
    bind: ${HOST}:${ports[name]}
    component: ${name}
    upstream: http://${HOST}:${upstreamPorts[name]}
`,
  );
  return `# Written by the demo at every start.
trustDomain: ${TRUST_DOMAIN}
identity:
  files:
    certificate: ${path(paths.certificateOf('sidecar'))}
    privateKey: ${path(paths.privateKeyOf('sidecar'))}
    trustBundles: { ${TRUST_DOMAIN}: ${path(paths.bundle)} }
policy: { path: ${path(policyFile)}, mode: enforce }
listeners:
${listeners.join('')}admin: { bind: "${HOST}:${ports.admin}" }
drain: { timeout: 2s }
`;
}
