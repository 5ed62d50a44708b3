// The pods behind Services, for policies that name Services instead of pods.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import { compileEquality, type Selector } from '../selector.ts';
import { selectPods } from './selector-test.ts';
import type { PodTest } from './traffic-policy.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Null for a Service that selects no pods: its addresses are written elsewhere. */
export function podsBehind(
  service: KubeObject,
  { cluster, vocabulary }: { readonly cluster: Cluster; readonly vocabulary: Vocabulary },
): PodTest | null {
  const selector: Selector = compileEquality(cluster.field(service, 'spec', 'selector'));
  if (selector.isEmpty) return null;
  return selectPods({ namespaces: service.namespace ?? 'default', pods: selector }, vocabulary);
}
