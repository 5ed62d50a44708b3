// The cluster that this pod runs in, and the service account that it was given.
// https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api

import { join } from 'node:path';
import type { ClusterTarget } from './cluster-target.ts';
import { ConnectionError } from './connection-error.ts';
import { parseAuthorities } from './key-material.ts';
import { findSmallFile, readSmallFile } from './small-file.ts';

export const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface PodSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the service account is mounted. */
  readonly directory: string;
}

export function isInCluster({ environment }: PodSurroundings): boolean {
  return (environment['KUBERNETES_SERVICE_HOST'] ?? '') !== '' && (environment['KUBERNETES_SERVICE_PORT'] ?? '') !== '';
}

/** @throws {ConnectionError} */
export function loadInCluster(surroundings: PodSurroundings): ClusterTarget {
  const { environment, directory } = surroundings;
  if (!isInCluster(surroundings)) {
    const message = 'this is no pod of a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set';
    throw new ConnectionError('not-configured', message);
  }
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? '';
  const address = host.includes(':') ? `[${host}]` : host;
  const server = URL.parse(`https://${address}:${environment['KUBERNETES_SERVICE_PORT'] ?? ''}`);
  if (server === null)
    throw new ConnectionError('malformed', 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are no address');
  const tokenPath = join(directory, 'token');
  if (findSmallFile(tokenPath, 'service account token') === null) {
    const message =
      'this pod has no service account token; set automountServiceAccountToken: true, or give a kubeconfig';
    throw new ConnectionError('not-configured', message);
  }
  const caPath = join(directory, 'ca.crt');
  const authorities = readSmallFile(caPath, 'certificate of the cluster').toString('utf8');
  parseAuthorities(authorities, (message) => new ConnectionError('bad-certificate', `${caPath}: ${message}`));
  return {
    name: 'the cluster of this pod',
    server,
    serverProof: { kind: 'verified', authorities, serverName: null },
    identity: { kind: 'none' },
    bearer: { kind: 'token-file', path: tokenPath },
    impersonation: null,
    namespace: findSmallFile(join(directory, 'namespace'), 'namespace of this pod')?.toString('utf8').trim() ?? null,
    cautions: [],
  };
}
