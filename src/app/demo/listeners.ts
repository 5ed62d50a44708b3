// The three listeners of the demo: which service stands behind each, and at which port it is asked for.

import { createServer } from 'node:net';

export const HOST = '127.0.0.1';

/** Names of listeners, and of the components in the policy that they serve. */
export const LISTENER_NAMES = ['registry', 'inference', 'feature-store'] as const;

export type ListenerName = (typeof LISTENER_NAMES)[number];

type PortName = ListenerName | 'admin';

/** 0 is any free port. */
export type Ports = Readonly<Record<PortName, number>>;

export const PREFERRED_PORTS: Ports = { registry: 8443, inference: 8444, 'feature-store': 8445, admin: 9901 };
export const ANY_PORTS: Ports = { registry: 0, inference: 0, 'feature-store': 0, admin: 0 };

/** `preferred` with 0 for each port that somebody has. */
export async function replaceTakenPorts(preferred: Ports): Promise<Ports> {
  const freeOf = async (name: PortName): Promise<number> => ((await isFree(preferred[name])) ? preferred[name] : 0);
  return {
    registry: await freeOf('registry'),
    inference: await freeOf('inference'),
    'feature-store': await freeOf('feature-store'),
    admin: await freeOf('admin'),
  };
}

/** Whoever comes between this and the listening is met again there. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, HOST, () => probe.close(() => resolve(true)));
  });
}
