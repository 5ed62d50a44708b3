// The configuration the demo runs on: an ordinary file, written into the folder of the certificates and read like any user's.

import { dirname, relative } from 'node:path';
import { pathOf } from '../../spiffe/spiffe-id.ts';
import type { DemoFiles } from './demo-files.ts';
import { TRUST_DOMAIN, WORKLOADS } from './identities.ts';
import {
  CALLED_HOST,
  componentOf,
  EGRESS_IDENTITY,
  EGRESS_LISTENER,
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

/** Of the sidecar of those who ask: what its program sends to `CALLED_HOST` goes on over mTLS, to the sidecar of the demo and nobody else. */
export function formatEgressConfig({ paths, port }: { readonly paths: DemoFiles; readonly port: number }): string {
  const path = (of: string): string => JSON.stringify(relative(dirname(paths.egressConfig), of));
  return `# Written by the demo at every start.
trustDomain: ${TRUST_DOMAIN}
identity:
  files:
    certificate: ${path(paths.certificateOf(EGRESS_IDENTITY))}
    privateKey: ${path(paths.privateKeyOf(EGRESS_IDENTITY))}
    trustBundles: { ${TRUST_DOMAIN}: ${path(paths.bundle)} }
policy: { path: ${path(paths.policy)}, mode: enforce }
listeners:
  - name: ${EGRESS_LISTENER}
    mode: egress
    bind: ${HOST}:0
    routes:
      - { host: ${CALLED_HOST}, component: registry, upstream: "https://${HOST}:${port}", serverId: ${pathOf(WORKLOADS.sidecar.id)} }
admin: { bind: none }
drain: { timeout: 2s }
`;
}

const TOKENS = `    authenticate: [x509, jwt]
    jwt: { audiences: ["${TOKEN_AUDIENCE}"] }
`;
