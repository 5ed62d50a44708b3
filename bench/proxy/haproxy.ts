// HAProxy as contender: one process, one thread.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, PROXY_CPU, SMALL_PATH } from './contender.ts';
import { startProgram } from './programs.ts';

export const HAPROXY: Contender = {
  name: 'HAProxy',
  needs: { program: 'haproxy', versionArgs: ['-v'], install: 'apt-get install haproxy' },
  path: SMALL_PATH,
  start: async (site, { directory, port }) => {
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn 6000
  tune.ssl.cachesize 0
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  option http-keep-alive
  http-reuse always
  maxconn 6000
frontend peers
  bind 127.0.0.1:${port} ssl crt ${site.directory}/server-both.pem ca-file ${site.directory}/bundle.pem verify required alpn http/1.1 backlog 4096
  http-request set-header X-Forwarded-Client-Cert %[ssl_c_sha1,hex]
  option forwardfor
  default_backend service
backend service
  server upstream 127.0.0.1:${site.upstreamPort} pool-max-conn 512
`,
    );
    return startProgram(['haproxy', '-db', '-f', file], { cpu: PROXY_CPU, port });
  },
};
