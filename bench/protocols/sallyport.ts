// Sallyport as contender in every protocol, with one policy that grants what is measured and nothing else.

import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, PROXY_CPU, type Site } from '../proxy/contender.ts';
import { freePort, type Program, startProgram } from '../proxy/programs.ts';
import { formatRegistry, formatSallyportConfig } from '../proxy/sallyport-config.ts';
import { OWN } from '../report/comparison-table.ts';
import type { Place, ProtocolContender } from './contender.ts';

export const POLICY = `version: 1
trustDomain: ai.example
components:
  training: {}
  inference: { protocol: kserve-v2 }
  registry: { protocol: mlflow }
  data-store: {}
access:
  training:
    allow:
      - inference: [infer]
      - registry: [read]
      - data-store: [connect]
`;
const OURSELVES: Pick<Contender, 'name' | 'needs'> = { name: OWN, needs: null };

export interface SallyportContenders {
  readonly grpc: ProtocolContender;
  readonly http2: ProtocolContender;
  readonly pair: ProtocolContender;
  readonly tcp: ProtocolContender;
  readonly checks: ProtocolContender;
}

export function sallyportContenders(bundle: string): SallyportContenders {
  const one = (format: (site: Site, at: Place) => string): ProtocolContender => ({
    ...OURSELVES,
    start: async (site, at) => [
      await start(bundle, site, { ...at, name: 'sallyport', svid: 'server', serving: format(site, at) }),
    ],
  });
  return {
    grpc: one(({ upstreamPort }, { port }) => formatInference(port, upstreamPort)),
    http2: one(({ upstreamPort }, { port }) => formatRegistry(port, upstreamPort)),
    pair: {
      ...OURSELVES,
      start: async (site, at) => {
        const between = await freePort();
        const ingress = formatRegistry(between, site.upstreamPort);
        const egress = `listeners:
  - name: out
    mode: egress
    bind: "127.0.0.1:${at.port}"
    routes:
      - { host: localhost, component: registry, upstream: "https://127.0.0.1:${between}", serverId: /registry/* }`;
        return [
          await start(bundle, site, { ...at, port: between, name: 'ingress', svid: 'server', serving: ingress }),
          await start(bundle, site, { ...at, name: 'egress', svid: 'client-0', serving: egress }),
        ];
      },
    },
    tcp: one(
      ({ upstreamPort }, { port }) => `listeners:
  - { name: bytes, mode: tcp, bind: "127.0.0.1:${port}", component: data-store, upstream: "tcp://127.0.0.1:${upstreamPort}" }`,
    ),
    checks: {
      ...OURSELVES,
      start: async (site, at) => {
        const serving = `listeners: []
authorization:
  - { name: envoy, protocol: envoy, bind: ${JSON.stringify(`unix:${socketOf(site)}`)}, component: registry }`;
        return [await start(bundle, site, { ...at, port: socketOf(site), name: 'sallyport', svid: 'server', serving })];
      },
    },
  };
}

/** In front of an upstream that speaks gRPC. */
export function formatInference(port: number, upstreamPort: number): string {
  return `listeners:
  - { name: grpc, bind: "127.0.0.1:${port}", component: inference, upstream: "h2c://127.0.0.1:${upstreamPort}" }`;
}

/** Where checks are asked. */
export function socketOf({ directory }: Pick<Site, 'directory'>): string {
  return join(directory, 'checks.sock');
}

async function start(
  bundle: string,
  site: Site,
  of: Omit<Place, 'port'> & {
    readonly port: number | string;
    readonly name: string;
    readonly svid: string;
    readonly serving: string;
  },
): Promise<Program> {
  const { name, port, svid, serving } = of;
  const path = (ending: string): string => join(of.directory, `${name}${ending}`);
  const policyPath = path('-policy.yaml');
  writeFileSync(policyPath, POLICY);
  const facts = { directory: site.directory, svid, serving, policyPath, logsAll: false };
  writeFileSync(path('.yaml'), formatSallyportConfig(facts));
  return startProgram([bundle, 'run', '--config', path('.yaml')], {
    cpu: PROXY_CPU,
    port,
    stdout: openSync(path('.log'), 'a'),
  });
}
