// Caddy as contender: one CPU for its scheduler, HTTP/1.1 only, no admin endpoint.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, PROXY_CPU, SMALL_PATH } from './contender.ts';
import { startProgram } from './programs.ts';

export const CADDY: Contender = {
  name: 'Caddy',
  needs: { program: 'caddy', versionArgs: ['version'], install: 'apt-get install caddy' },
  path: SMALL_PATH,
  start: async (site, { directory, port }) => {
    const file = join(directory, 'Caddyfile');
    writeFileSync(
      file,
      `{
  admin off
  auto_https off
  log {
    output discard
  }
  servers {
    protocols h1
    timeouts {
      idle 1h
    }
  }
}
https://localhost:${port} {
  bind 127.0.0.1
  tls ${site.directory}/server.pem ${site.directory}/server.key {
    protocols tls1.2 tls1.3
    client_auth {
      mode require_and_verify
      trusted_ca_cert_file ${site.directory}/bundle.pem
    }
  }
  reverse_proxy 127.0.0.1:${site.upstreamPort} {
    header_up X-Forwarded-Client-Cert {http.request.tls.client.fingerprint}
    transport http {
      compression off
      keepalive 1h
      keepalive_idle_conns 512
      keepalive_idle_conns_per_host 512
      read_buffer 256KiB
    }
  }
}
`,
    );
    return startProgram(['caddy', 'run', '--adapter', 'caddyfile', '--config', file], {
      cpu: PROXY_CPU,
      port,
      env: { GOMAXPROCS: '1', HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
    });
  },
};
