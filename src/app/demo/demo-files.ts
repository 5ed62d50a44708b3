// Where the demo's files are: the CA beside whatever a developer made with it, everything else in a folder of the demo's own.

import { join } from 'node:path';
import type { IdentityName } from './identities.ts';

export interface DemoFiles {
  readonly caKey: string;
  readonly caCertificate: string;
  readonly bundle: string;
  /** Emptied at every start: no key outlives the next demo. */
  readonly folder: string;
  readonly config: string;
  /** Of the sidecar on the calling side. */
  readonly egressConfig: string;
  /** A directory: all policies in it are one. */
  readonly policy: string;
  readonly revocations: string;
  /** Of the agent, unless the path is longer than that of a socket may be. */
  readonly socket: string;
  readonly log: string;
  readonly certificateOf: (name: IdentityName) => string;
  readonly privateKeyOf: (name: IdentityName) => string;
}

/** `directory`: of the development CA. */
export function demoFilesIn(directory: string): DemoFiles {
  const folder = join(directory, 'demo');
  return {
    caKey: join(directory, 'ca.key'),
    caCertificate: join(directory, 'ca.pem'),
    bundle: join(directory, 'bundle.pem'),
    folder,
    config: join(folder, 'demo.yaml'),
    egressConfig: join(folder, 'egress.yaml'),
    policy: join(folder, 'policy'),
    revocations: join(folder, 'revocations.yaml'),
    socket: join(folder, 'agent.sock'),
    log: join(folder, 'demo.log'),
    certificateOf: (name) => join(folder, `${name}.pem`),
    privateKeyOf: (name) => join(folder, `${name}.key`),
  };
}
