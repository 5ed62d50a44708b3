// The data planes that run here: how each is found and started, and its example in deploy/ on the paths and ports of a test.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { findEnvoy } from '../interop/envoy/program.ts';
import { COMPONENTS } from './matrix.ts';

export type Program = 'nginx' | 'caddy' | 'envoy';

/** In `directory`, Sallyport listens at `authz.sock`; where there is no agent, it holds `own.pem`, `own.key` and `bundle.pem`. */
export interface Place {
  readonly directory: string;
  readonly port: number;
  readonly upstreamPort: number;
  /** The path of SPIRE's socket, or null; only Envoy asks it by itself. */
  readonly agentSocket: string | null;
}

export interface DataPlaneProgram {
  /** What the authorization service is told to speak. */
  readonly protocol: 'nginx' | 'forward-auth' | 'envoy';
  /** Null where it is not installed. */
  readonly path: string | null;
  /** Its example, edited so that the Host of a request names the component. */
  readonly configure: (place: Place) => Started;
}

interface Started {
  readonly program: string;
  readonly parameters: readonly string[];
}

const EXAMPLES = resolve(import.meta.dirname, '../../deploy/data-planes');

export const PROGRAMS: Readonly<Record<Program, DataPlaneProgram>> = {
  nginx: { protocol: 'nginx', path: findInstalled('nginx', '-v'), configure: configureNginx },
  caddy: { protocol: 'forward-auth', path: findInstalled('caddy', 'version'), configure: configureCaddy },
  envoy: { protocol: 'envoy', path: findEnvoy(), configure: configureEnvoy },
};

function findInstalled(program: string, argument: string): string | null {
  try {
    execFileSync(program, [argument], { stdio: 'ignore' });
    return program;
  } catch {
    return null;
  }
}

function configureNginx({ directory, port, upstreamPort }: Place): Started {
  const file = join(directory, 'nginx.conf');
  const example = readFileSync(join(EXAMPLES, 'nginx.conf'), 'utf8');
  const edited = replaceAll(example, [
    [
      'http {',
      `error_log stderr crit;\npid ${directory}/nginx.pid;\nhttp {\n  access_log off;\n  keepalive_requests 100000;\n${temporaryPaths(directory)}`,
    ],
    ['unix:/run/sallyport/nginx.sock', `unix:${directory}/authz.sock`],
    ['127.0.0.1:5000', `127.0.0.1:${upstreamPort}`],
    ['listen 8443', `listen 127.0.0.1:${port}`],
    ['/run/svid/tls.crt', `${directory}/own.pem`],
    ['/run/svid/tls.key', `${directory}/own.key`],
    ['/run/svid/bundle.pem', `${directory}/bundle.pem`],
    ['http://sallyport/check;', 'http://sallyport/check/$http_host;'],
  ]);
  writeFileSync(file, edited);
  const parameters = ['-p', directory, '-e', 'stderr', '-c', file, '-g', 'daemon off; master_process off;'];
  return { program: 'nginx', parameters };
}

function temporaryPaths(directory: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${directory}/${kind};\n`)
    .join('');
}

function configureCaddy({ directory, port, upstreamPort }: Place): Started {
  const file = join(directory, 'Caddyfile');
  const example = readFileSync(join(EXAMPLES, 'Caddyfile'), 'utf8');
  const edited = replaceAll(example, [
    ['https://:8443', `https://:${port}`],
    ['unix//run/sallyport/caddy.sock', `unix/${directory}/authz.sock`],
    ['127.0.0.1:5000', `127.0.0.1:${upstreamPort}`],
    ['/run/svid/tls.crt', `${directory}/own.pem`],
    ['/run/svid/tls.key', `${directory}/own.key`],
    ['/run/svid/bundle.pem', `${directory}/bundle.pem`],
    ['uri /check', 'uri /check/{http.request.host}'],
  ]);
  writeFileSync(file, edited);
  return {
    program: 'env',
    parameters: [`HOME=${directory}`, 'caddy', 'run', '--config', file, '--adapter', 'caddyfile'],
  };
}

function configureEnvoy({ directory, port, upstreamPort, agentSocket }: Place): Started {
  const at = (name: string): string => join(directory, name);
  const example = replaceAll(readFileSync(join(EXAMPLES, 'envoy.yaml'), 'utf8'), [
    ['address: 0.0.0.0, port_value: 8443', `address: 127.0.0.1, port_value: ${port}`],
    ['/run/envoy/admin.sock', at('admin.sock')],
    ['/run/sallyport/envoy.sock', at('authz.sock')],
    ['/run/spire/sockets/agent.sock', agentSocket ?? at('no-agent.sock')],
    ['port_value: 5000', `port_value: ${upstreamPort}`],
  ]);
  const bootstrap: unknown = parse(example, { merge: true });
  if (agentSocket === null) readSecretsFromFiles(bootstrap, at);
  for (const configuration of findAll(bootstrap, 'virtual_hosts')) {
    const [host] = findAll(configuration['virtual_hosts'], 'domains');
    configuration['virtual_hosts'] = COMPONENTS.map((component) => {
      const own = structuredClone(host) ?? {};
      for (const settings of findAll(own, 'context_extensions')) {
        settings['context_extensions'] = { 'sallyport-component': component };
      }
      return { ...own, name: component, domains: [component] };
    });
  }
  writeFileSync(at('envoy.json'), JSON.stringify(bootstrap));
  const parameters = ['-c', at('envoy.json'), '--log-level', 'warning', '--concurrency', '1', '--use-dynamic-base-id'];
  return { program: findEnvoy() ?? 'envoy', parameters };
}

/** What SPIRE would say by SDS: `path_config_source` instead of the agent's socket, the rest as it is. */
function readSecretsFromFiles(bootstrap: unknown, at: (name: string) => string): void {
  writeSecret(at('own.json'), {
    name: 'spiffe://ai.example/registry/envoy',
    tls_certificate: { certificate_chain: { filename: at('own.pem') }, private_key: { filename: at('own.key') } },
  });
  writeSecret(at('all.json'), {
    name: 'ALL',
    validation_context: {
      custom_validator_config: {
        name: 'envoy.tls.cert_validator.spiffe',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
          trust_domains: [{ name: 'ai.example', trust_bundle: { filename: at('bundle.pem') } }],
        },
      },
    },
  });
  for (const secrets of findAll(bootstrap, 'sds_config')) {
    const path = at(secrets['name'] === 'ALL' ? 'all.json' : 'own.json');
    secrets['sds_config'] = { resource_api_version: 'V3', path_config_source: { path } };
  }
}

function writeSecret(file: string, secret: object): void {
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
  writeFileSync(file, JSON.stringify({ resources: [{ '@type': type, ...secret }] }));
}

/** Every mapping in `value` that has `key`. */
function findAll(value: unknown, key: string): readonly Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.values(value).flatMap((inner) => findAll(inner, key));
  return key in value ? [value as Record<string, unknown>, ...below] : below;
}

/** Each has to be there, so that a test cannot change nothing. */
function replaceAll(text: string, changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the example does not hold ${from}`);
    return changed.replaceAll(from, () => to);
  }, text);
}
