// Envoy as contender: one worker thread, one protocol on each side, no access log, no session resumption.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findEnvoy } from '../../test/interop/envoy/program.ts';
import { type Contender, PROXY_CPU, type Site, SMALL_PATH } from './contender.ts';
import { type Program, startProgram } from './programs.ts';

type Codec = 'HTTP1' | 'HTTP2';

const PROGRAM = findEnvoy() ?? 'envoy';

export const ENVOY: Contender = {
  name: 'Envoy',
  needs: { program: PROGRAM, versionArgs: ['--version'], install: 'test/interop/envoy/fetch' },
  path: SMALL_PATH,
  start: (site, at) => startEnvoy(site, at, { downstream: 'HTTP1', upstream: 'HTTP1' }),
};

export async function startEnvoy(
  site: Site,
  { directory, port }: { readonly directory: string; readonly port: number },
  protocols: { readonly downstream: Codec; readonly upstream: Codec },
): Promise<Program> {
  const file = join(directory, 'envoy.json');
  const listeners = [listener(site, port, protocols.downstream)];
  const clusters = [cluster(site, protocols.upstream)];
  writeFileSync(file, JSON.stringify({ static_resources: { listeners, clusters } }));
  const options = ['--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'];
  return startProgram([PROGRAM, '-c', file, ...options], { cpu: PROXY_CPU, port });
}

function listener(site: Site, port: number, codec: Codec): object {
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
              alpn_protocols: [codec === 'HTTP1' ? 'http/1.1' : 'h2'],
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
              codec_type: codec,
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

function cluster({ upstreamPort }: Site, codec: Codec): object {
  return {
    name: 'service',
    connect_timeout: '5s',
    ...(codec === 'HTTP1'
      ? {}
      : {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': type('upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }),
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
