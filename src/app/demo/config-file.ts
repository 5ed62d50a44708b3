// The configuration the demo runs on: an ordinary file, written into the folder of the certificates and read like any user's.

import { dirname, relative } from 'node:path';
import { pathOf } from '../../spiffe/spiffe-id.ts';
import type { DemoFiles } from './demo-files.ts';
import { TRUST_DOMAIN, WORKLOADS } from './identities.ts';
import {
  componentOf,
  GRPC_LISTENER,
  HOST,
  LISTENER_NAMES,
  type ListenerName,
  type Ports,
  TOKEN_AUDIENCE,
  TOKEN_LISTENER,
} from './listeners.ts';

export interface ConfigFacts {
  readonly paths: DemoFiles;
  /** As `SPIFFE_ENDPOINT_SOCKET` would say it. */
  readonly agentEndpoint: string;
  readonly ports: Ports;
  readonly upstreamPorts: Readonly<Record<ListenerName, number>>;
}

/** What it names begins at its own directory, as in any configuration. */
export function formatConfig({ paths, agentEndpoint, ports, upstreamPorts }: ConfigFacts): string {
  const path = (of: string): string => JSON.stringify(relative(dirname(paths.config), of));
  const listeners = LISTENER_NAMES.map(
    (name) => `  - name: ${name}
    bind: ${HOST}:${ports[name]}
    component: ${componentOf(name)}
    upstream: ${name === GRPC_LISTENER ? 'h2c' : 'http'}://${HOST}:${upstreamPorts[name]}
${name === TOKEN_LISTENER ? TOKENS : ''}`,
  );
  return `# Written by the demo at every start.
trustDomain: ${TRUST_DOMAIN}
identity:
  workloadApi:
    socket: ${JSON.stringify(agentEndpoint)}
    spiffeId: ${pathOf(WORKLOADS.sidecar.id)}
revocation: { file: ${path(paths.revocations)} }
policy: { path: ${path(paths.policy)}, mode: enforce }
listeners:
${listeners.join('')}admin: { bind: "${HOST}:${ports.admin}" }
drain: { timeout: 2s }
`;
}

const TOKENS = `    authenticate: [x509, jwt]
    jwt: { audiences: ["${TOKEN_AUDIENCE}"] }
`;
