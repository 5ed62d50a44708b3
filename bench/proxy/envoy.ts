// Envoy as contender: one worker thread, HTTP/1.1 only, no access log, no session resumption.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findEnvoy } from '../../test/interop/envoy/program.ts';
import { type Contender, PROXY_CPU, type Site, SMALL_PATH } from './contender.ts';
import { startProgram } from './programs.ts';

const PROGRAM = findEnvoy() ?? 'envoy';

export const ENVOY: Contender = {
  name: 'Envoy',
  needs: { program: PROGRAM, versionArgs: ['--version'], install: 'test/interop/envoy/fetch' },
  path: SMALL_PATH,
  start: async (site, { directory, port }) => {
    const file = join(directory, 'envoy.json');
    writeFileSync(
      file,
      JSON.stringify({ static_resources: { listeners: [listener(site, port)], clusters: [cluster(site)] } }),
    );
    const options = ['--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'];
    return startProgram([PROGRAM, '-c', file, ...options], { cpu: PROXY_CPU, port });
  },
};

function listener(site: Site, port: number): object {
  const file = (name: string): object => ({ filename: join(site.directory, name) });
  return {
    name: 'peers',
    address: address(port),
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': type('transport_sockets.tls.v3.DownstreamTlsContext'),
            require_client_certificate: true,
            disable_stateless_session_resumption: true,
            disable_stateful_session_resumption: true,
            common_tls_context: {
              tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
              alpn_protocols: ['http/1.1'],
              tls_certificates: [{ certificate_chain: file('server.pem'), private_key: file('server.key') }],
              validation_context: { trusted_ca: file('bundle.pem') },
            },
          },
        },
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
              stat_prefix: 'peers',
              codec_type: 'HTTP1',
              use_remote_address: true,
              forward_client_cert_details: 'SANITIZE_SET',
              set_current_client_cert_details: { uri: true },
              stream_idle_timeout: '3600s',
              common_http_protocol_options: { idle_timeout: '3600s' },
              route_config: {
                virtual_hosts: [
                  {
                    name: 'service',
                    domains: ['*'],
                    routes: [{ match: { prefix: '/' }, route: { cluster: 'service', timeout: '0s' } }],
                  },
                ],
              },
              http_filters: [
                { name: 'envoy.filters.http.router', typed_config: { '@type': type('filters.http.router.v3.Router') } },
              ],
            },
          },
        ],
      },
    ],
  };
}

function cluster({ upstreamPort }: Site): object {
  return {
    name: 'service',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: 'service',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }],
    },
  };
}

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function type(name: string): string {
  return `type.googleapis.com/envoy.extensions.${name}`;
}
