// A client of the stand-in API server whose clock is fast: what takes a minute with a real server takes a second here.

import { systemClock, systemSchedule } from '../../src/core/clock.ts';
import type { ClusterTarget } from '../../src/kube/cluster-target.ts';
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts';
import { LIVE_LIMITS, type LiveLimits, type LiveTerms } from '../../src/kube/live-terms.ts';
import type { TemporaryDirectory } from '../files/temporary-directory.ts';
import type { KubeconfigParts, StandInApiServer } from './stand-in-api-server.ts';
import type { StandInObject } from './stand-in-store.ts';

const HASTE = 60;

export interface LiveSetting {
  readonly limits?: Partial<LiveLimits>;
  readonly namespaces?: readonly string[];
  readonly config?: KubeconfigParts;
}

function targetOf(server: StandInApiServer, directory: TemporaryDirectory, config?: KubeconfigParts): ClusterTarget {
  const path = directory.write('config', server.kubeconfig(config));
  return loadKubeconfig({ paths: [path], context: null, nowMs: systemClock.wallMs() });
}

export function liveTermsOf(
  server: StandInApiServer,
  directory: TemporaryDirectory,
  { limits = {}, namespaces, config }: LiveSetting = {},
): LiveTerms {
  return {
    target: targetOf(server, directory, config),
    selection: { namespaces: namespaces ?? null },
    limits: { ...LIVE_LIMITS, ...limits },
    ports: {
      clock: systemClock,
      schedule: (delayMs, callback) => systemSchedule(delayMs / HASTE, callback),
      random: () => 0.5,
      environment: process.env,
      isInteractive: false,
    },
  };
}

export function namespace(name: string): StandInObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

export function pod(name: string, namespaceName = 'ml'): StandInObject {
  const metadata = { name, namespace: namespaceName, labels: { app: name } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { containers: [{ name: 'main', image: 'example.com/x:1' }] },
  };
}

export function secret(name: string, value: string): StandInObject {
  const data = { password: Buffer.from(value).toString('base64') };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'ml' }, type: 'Opaque', data };
}
