// nginx as contender: gRPC, HTTP/2, and two of them with mTLS in between.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PROXY_CPU } from '../proxy/contender.ts';
import { BODY, formatProxy, formatTls, NGINX_NEEDS, startNginx } from '../proxy/nginx.ts';
import { freePort } from '../proxy/programs.ts';
import type { ProtocolContender } from './contender.ts';

const NGINX = { name: 'nginx', needs: NGINX_NEEDS };

export const NGINX_GRPC: ProtocolContender = {
  ...NGINX,
  start: async (site, at) => [
    await startNginx(
      `upstream service { server 127.0.0.1:${site.upstreamPort}; keepalive 512; keepalive_requests 1000000000; }
server {
  ${formatTls(site, at.port, 'http2')}
  client_max_body_size 0; grpc_set_header X-Forwarded-Client-Cert $ssl_client_fingerprint;
  grpc_set_header X-Forwarded-For $remote_addr;
  location / { grpc_pass grpc://service; }
}`,
      { ...at, cpu: PROXY_CPU },
    ),
  ],
};

export const NGINX_HTTP2: ProtocolContender = {
  ...NGINX,
  start: async (site, at) => [
    await startNginx(formatProxy(site, at.port, { protocol: 'http2' }), { ...at, cpu: PROXY_CPU }),
  ],
};

/** What answers itself, in the proxies' place. */
export const NO_PROXY_HTTP2: ProtocolContender = {
  ...NGINX,
  name: 'no proxy',
  // Without nginx there is no upstream either.
  needs: null,
  start: async (site, at) => [
    await startNginx(
      `server {${formatTls(site, at.port, 'http2')} default_type application/json; location / { return 200 '${BODY}'; } }`,
      { ...at, cpu: PROXY_CPU },
    ),
  ],
};

/** The first one adds mTLS and knows whom it speaks to, the second one takes it off. */
export const NGINX_PAIR: ProtocolContender = {
  ...NGINX,
  start: async (site, at) => {
    const between = await freePort();
    const file = (name: string): string => join(site.directory, name);
    const directoryOf = (name: string): string => {
      const directory = join(at.directory, name);
      mkdirSync(directory);
      return directory;
    };
    const ingress = await startNginx(formatProxy(site, between, {}), {
      port: between,
      directory: directoryOf('ingress'),
      cpu: PROXY_CPU,
    });
    const egress = await startNginx(
      `upstream peer { server 127.0.0.1:${between}; keepalive 512; keepalive_requests 1000000000; }
server {
  listen 127.0.0.1:${at.port} backlog=4096;
  client_max_body_size 0; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_ssl_certificate ${file('client-0.pem')}; proxy_ssl_certificate_key ${file('client-0.key')};
  proxy_ssl_trusted_certificate ${file('bundle.pem')}; proxy_ssl_verify on; proxy_ssl_name localhost;
  proxy_ssl_server_name on; proxy_ssl_session_reuse off; proxy_ssl_protocols TLSv1.2 TLSv1.3;
  location / { proxy_pass https://peer; }
}`,
      { port: at.port, directory: directoryOf('egress'), cpu: PROXY_CPU },
    );
    return [ingress, egress];
  },
};
