// The listeners of the demo: which service stands behind each, and at which port it is asked for.

import { createServer } from 'node:net';
import { type IdentityName, TRUST_DOMAIN } from './identities.ts';

export const HOST = '127.0.0.1';
/** The name that the sidecar's certificate has for those who do not know SPIFFE. */
export const HOST_NAME = 'localhost';
const HOST_IPV6 = '::1';

export const LISTENER_NAMES = ['registry', 'inference', 'inference-grpc', 'feature-store'] as const;

export type ListenerName = (typeof LISTENER_NAMES)[number];

/** What asks there calls by gRPC. */
export const GRPC_LISTENER: ListenerName = 'inference-grpc';

/** Of the policy: what a listener serves. */
export function componentOf(name: ListenerName): string {
  return name === GRPC_LISTENER ? 'inference' : name;
}

/** The listener that takes JWT-SVIDs too, and whom they have to be for. */
export const TOKEN_LISTENER: ListenerName = 'feature-store';
export const TOKEN_AUDIENCE = `spiffe://${TRUST_DOMAIN}/feature-store`;

/** Where programs of inference send what is for the registry, and by which name they ask for it. */
export const EGRESS_LISTENER = 'out';
export const EGRESS_IDENTITY: IdentityName = 'inference';
export const CALLED_HOST = 'registry.ai.example';

type PortName = ListenerName | 'admin';

/** 0 is any free port. */
export type Ports = Readonly<Record<PortName, number>>;

export const PREFERRED_PORTS: Ports = {
  registry: 8443,
  inference: 8444,
  'inference-grpc': 8446,
  'feature-store': 8445,
  admin: 9901,
};
export const ANY_PORTS: Ports = { registry: 0, inference: 0, 'inference-grpc': 0, 'feature-store': 0, admin: 0 };

/** `preferred` with 0 for each port that somebody has. */
export async function replaceTakenPorts(preferred: Ports): Promise<Ports> {
  const freeOf = async (name: PortName): Promise<number> => ((await isFree(preferred[name])) ? preferred[name] : 0);
  return {
    registry: await freeOf('registry'),
    inference: await freeOf('inference'),
    'inference-grpc': await freeOf('inference-grpc'),
    'feature-store': await freeOf('feature-store'),
    admin: await freeOf('admin'),
  };
}

/** Whoever comes between this and the listening is met again there. */
async function isFree(port: number): Promise<boolean> {
  if ((await listeningFailure(port, HOST)) !== null) return false;
  // Where we do not listen, but where clients look for `localhost` first.
  return (await listeningFailure(port, HOST_IPV6)) !== 'EADDRINUSE';
}

function listeningFailure(port: number, host: string): Promise<string | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    probe.listen({ port, host, ipv6Only: true }, () => probe.close(() => resolve(null)));
  });
}
