// stunnel as contender in TCP: a thread for each connection, no session resumption.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROXY_CPU } from '../proxy/contender.ts';
import { startProgram } from '../proxy/programs.ts';
import type { ProtocolContender } from './contender.ts';

export const STUNNEL: ProtocolContender = {
  name: 'stunnel',
  needs: { program: 'stunnel', versionArgs: ['-version'], install: 'apt-get install stunnel4' },
  start: async (site, { directory, port }) => {
    const file = join(directory, 'stunnel.conf');
    writeFileSync(
      file,
      `foreground = quiet
pid =
debug = err
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[service]
accept = 127.0.0.1:${port}
connect = 127.0.0.1:${site.upstreamPort}
cert = ${site.directory}/server.pem
key = ${site.directory}/server.key
CAfile = ${site.directory}/bundle.pem
verifyChain = yes
sslVersionMin = TLSv1.2
options = NO_TICKET
sessionCacheSize = 1
TIMEOUTidle = 3600
`,
    );
    return [await startProgram(['stunnel', file], { cpu: PROXY_CPU, port })];
  },
};
