// What Cilium's agent is configured to do with policies.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import { type Answer, doubt } from './answer.ts';
import type { AddressMatching } from './peer-test.ts';

export interface CiliumSettings {
  /** `always` isolates every pod, `never` none. */
  readonly enforcement: 'default' | 'always' | 'never' | 'unknown';
  readonly clusterName: string;
  readonly addresses: AddressMatching;
  readonly enforcesKubernetes: Answer;
  readonly enforcesNamespaced: Answer;
  readonly enforcesClusterwide: Answer;
  /** Null where it is not among what was read, and the defaults are taken. */
  readonly object: KubeObject | null;
}

const MALFORMED = doubt('malformed', 'the setting in cilium-config cannot be read');

export function readCiliumSettings(cluster: Cluster): CiliumSettings {
  const object = cluster.byKind('', 'ConfigMap').find(({ name }) => name === 'cilium-config') ?? null;
  const setting = (key: string): string | null =>
    object === null ? null : cluster.field(object, 'data', key).asText();
  return {
    enforcement: toEnforcement(setting('enable-policy')),
    clusterName: setting('cluster-name') ?? 'default',
    addresses: {
      pods: 'never',
      nodes: (setting('policy-cidr-match-mode') ?? '').split(/[\s,]+/).includes('nodes') ? 'compared' : 'never',
    },
    enforcesKubernetes: toSwitch(setting('enable-k8s-networkpolicy')),
    enforcesNamespaced: toSwitch(setting('enable-cilium-network-policy')),
    enforcesClusterwide: toSwitch(setting('enable-cilium-clusterwide-network-policy')),
    object,
  };
}

function toEnforcement(text: string | null): CiliumSettings['enforcement'] {
  if (text === null || text === '') return 'default';
  return text === 'default' || text === 'always' || text === 'never' ? text : 'unknown';
}

/** On unless it is turned off. */
function toSwitch(text: string | null): Answer {
  if (text === null || text === '' || text === 'true') return true;
  return text === 'false' ? false : MALFORMED;
}
