// How much of a node a hostPath gives away.

import type { Field } from '../fields.ts';
import type { Severity } from '../finding.ts';
import type { Workload } from '../workload.ts';

export interface HostPathMount {
  readonly container: string;
  readonly mountPath: string;
  readonly isReadOnly: boolean;
}

// Whoever writes to one of these, or talks to the socket in it, has the node or its other pods.
const OF_THE_NODE_ITSELF = new Set([
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/home',
  '/lib',
  '/lib64',
  '/opt',
  '/proc',
  '/root',
  '/run',
  '/sbin',
  '/srv',
  '/sys',
  '/usr',
  '/var/lib/containerd',
  '/var/lib/crio',
  '/var/lib/docker',
  '/var/lib/etcd',
  '/var/lib/kubelet',
  '/var/log',
  '/var/run',
]);
// These do not grow worse by being read only: a socket takes requests all the same, and credentials are there to be read.
const AS_BAD_TO_READ =
  /^\/$|\.sock$|^\/(?:root|etc|var\/lib\/(?:kubelet|etcd)|var\/run|run)$|\/etc\/kubernetes|\/\.(?:ssh|kube|aws)/;

export function severityOfHostPath(path: string, mounts: readonly HostPathMount[]): Severity {
  if (mounts.length === 0) return 'low';
  const plain = normalise(path);
  const isWritable = mounts.some(({ isReadOnly }) => !isReadOnly);
  if (AS_BAD_TO_READ.test(plain)) return 'high';
  if (isWritable && (plain === '/' || plain === '/var' || OF_THE_NODE_ITSELF.has(plain))) return 'high';
  return isWritable ? 'medium' : 'low';
}

export function mountsOf({ containers }: Pick<Workload, 'containers'>, volume: string): readonly HostPathMount[] {
  return containers.flatMap((container) =>
    listOf(container.field, 'volumeMounts')
      .filter((mount) => mount.get('name').value === volume)
      .map((mount) => ({
        container: container.name,
        mountPath: mount.get('mountPath').asText() ?? '',
        isReadOnly: mount.get('readOnly').value === true,
      })),
  );
}

/** `/var/run/` and `//var/./run` are one; `..` goes up as the kernel goes. */
export function normalise(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/')}`;
}

function listOf(container: Field, key: string): readonly Field[] {
  return container.kind === 'map'
    ? container
        .get(key)
        .asList()
        .filter((item) => item.kind === 'map')
    : [];
}
