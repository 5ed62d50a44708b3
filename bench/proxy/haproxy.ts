// HAProxy as contender: one process, one thread.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, PROXY_CPU, type Site, SMALL_PATH } from './contender.ts';
import { type Program, startProgram } from './programs.ts';

interface HaproxyKind {
  readonly mode: 'http' | 'tcp';
  /** What is offered by ALPN, and what is spoken to the upstream. */
  readonly bind: string;
  readonly server: string;
}

export const HAPROXY: Contender = {
  name: 'HAProxy',
  needs: { program: 'haproxy', versionArgs: ['-v'], install: 'apt-get install haproxy' },
  path: SMALL_PATH,
  start: (site, at) => startHaproxy(site, at, { mode: 'http', bind: 'alpn http/1.1', server: 'pool-max-conn 512' }),
};

export async function startHaproxy(
  site: Site,
  { directory, port }: { readonly directory: string; readonly port: number },
  { mode, bind, server }: HaproxyKind,
): Promise<Program> {
  const file = join(directory, 'haproxy.cfg');
  const ofHttp = `  timeout http-keep-alive 1h
  option http-keep-alive
  http-reuse always
`;
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 6000
  tune.ssl.cachesize 0
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${mode === 'http' ? ofHttp : ''}  maxconn 6000
frontend peers
  bind 127.0.0.1:${port} ssl crt ${site.directory}/server-both.pem ca-file ${site.directory}/bundle.pem verify required ${bind} backlog 4096
${mode === 'http' ? '  http-request set-header X-Forwarded-Client-Cert %[ssl_c_sha1,hex]\n  option forwardfor\n' : ''}  default_backend service
backend service
  server upstream 127.0.0.1:${site.upstreamPort} ${server}
`,
  );
  return startProgram(['haproxy', '-db', '-f', file], { cpu: PROXY_CPU, port });
}
