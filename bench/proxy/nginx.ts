// nginx as upstream and as contender.

import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Contender, LOAD_CPU, PROXY_CPU, type Site, SMALL_PATH, STREAM_PATH } from './contender.ts';
import { freePort, type Program, startProgram } from './programs.ts';

export const NGINX_NEEDS = { program: 'nginx', versionArgs: ['-v'], install: 'apt-get install nginx-light' };

export const BODY = '{"model":"bert","version":3,"stage":"production"}\\n';

/** Serves a small JSON body wherever it is asked, and `streamBytes` zeros at STREAM_PATH. */
export async function startUpstream(
  runDirectory: string,
  streamBytes: number,
): Promise<{ readonly port: number; readonly program: Program }> {
  const port = await freePort();
  const directory = join(runDirectory, 'upstream');
  const file = join(directory, STREAM_PATH);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  truncateSync(file, streamBytes);
  const program = await startNginx(
    `server {
  listen 127.0.0.1:${port}; default_type application/json; sendfile on;
  location / { return 200 '${BODY}'; }
  location = ${STREAM_PATH} { root ${directory}; }
}`,
    { directory, port, cpu: LOAD_CPU },
  );
  return { port, program };
}

/** With the buffers it has by default. */
export const NGINX: Contender = {
  name: 'nginx',
  needs: NGINX_NEEDS,
  path: SMALL_PATH,
  start: (site, at) => startNginx(formatProxy(site, at.port, {}), { ...at, cpu: PROXY_CPU }),
};

/** With buffers for streaming, and no file in between. */
export const NGINX_TUNED: Contender = {
  ...NGINX,
  name: 'nginx, tuned buffers',
  start: (site, at) =>
    startNginx(
      formatProxy(site, at.port, {
        buffers:
          'proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 512k; proxy_max_temp_file_size 0;',
      }),
      { ...at, cpu: PROXY_CPU },
    ),
};

/** What answers itself, in the proxies' place and by the same TLS: what it takes to ask, with nothing in between. */
export const NO_PROXY: Contender = {
  ...NGINX,
  name: 'no proxy',
  start: (site, at) =>
    startNginx(
      `server {${formatTls(site, at.port)} default_type application/json; location / { return 200 '${BODY}'; } }`,
      {
        ...at,
        cpu: PROXY_CPU,
      },
    ),
};

/** `protocol`: what is offered beside HTTP/1.1. */
export function formatProxy(
  site: Site,
  port: number,
  { buffers = '', protocol = '' }: { readonly buffers?: string; readonly protocol?: 'http2' | '' },
): string {
  return `upstream service { server 127.0.0.1:${site.upstreamPort}; keepalive 512; keepalive_requests 1000000000; }
server {
  ${formatTls(site, port, protocol)}
  client_max_body_size 0; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_set_header X-Forwarded-Client-Cert $ssl_client_fingerprint; proxy_set_header X-Forwarded-For $remote_addr;
  location / { proxy_pass http://service; ${buffers} }
}`;
}

/** `protocol`: what is offered beside HTTP/1.1. */
export function formatTls({ directory }: Pick<Site, 'directory'>, port: number, protocol: '' | 'http2' = ''): string {
  return `listen 127.0.0.1:${port} ssl ${protocol} backlog=4096;
  ssl_certificate ${directory}/server.pem; ssl_certificate_key ${directory}/server.key;
  ssl_client_certificate ${directory}/bundle.pem; ssl_verify_client on;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off; ssl_session_cache off;`;
}

/** One process without a master, so that its CPU clock is the whole of it. */
export async function startNginx(
  server: string,
  { directory, port, cpu }: { readonly directory: string; readonly port: number; readonly cpu: string },
): Promise<Program> {
  const file = join(directory, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join(' ');
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${directory}/pid; error_log stderr error;
events { worker_connections 16384; }
http {
  access_log off; keepalive_timeout 3600s; keepalive_requests 1000000000; tcp_nodelay on; ${temporary}
  ${server}
}
`,
  );
  return startProgram(['nginx', '-c', file], { cpu, port });
}
