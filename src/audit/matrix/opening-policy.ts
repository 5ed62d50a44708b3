// NetworkPolicies that let through what the access matrix grants, beside those that isolate its ends.

import type { Json } from '../finding.ts';
import { toYaml } from '../formats/yaml-text.ts';
import type { Direction } from '../network/traffic-policy.ts';
import type { Workload } from '../workload.ts';
import { peerOf, selectOnly, toObjectName } from './selection.ts';
import type { Witness } from './witness.ts';

/** Null where more than isolation stands in the way, or where labels cannot name the ends. */
export function openingPolicies(witnesses: readonly Witness[]): string | null {
  const documents = new Set<string>();
  for (const witness of witnesses) {
    const closing = witness.reasons.filter(({ effect }) => effect === 'denies' || effect === 'isolates');
    if (closing.some(({ effect }) => effect === 'denies')) return null;
    const isolating = new Set(closing.flatMap(({ direction }) => direction ?? []));
    for (const direction of isolating) {
      const policy = openingPolicy(witness, direction);
      if (policy === null) return null;
      documents.add(toYaml(policy));
    }
  }
  return documents.size === 0 ? null : [...documents].join('---\n');
}

function openingPolicy({ from, to, verdict: { port } }: Witness, direction: Direction): Json | null {
  const [own, peer]: readonly [Workload, Workload] = direction === 'ingress' ? [to, from] : [from, to];
  const podSelector = selectOnly(own, []);
  const peerSelector = selectOnly(peer, []);
  if (podSelector === null || peerSelector === null || peer.isHostNetwork) return null;
  const ports = port.number === null ? {} : { ports: [{ protocol: port.protocol, port: port.number }] };
  const isIngress = direction === 'ingress';
  const rule = { [isIngress ? 'from' : 'to']: [peerOf(peer.namespace, peerSelector)], ...ports };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: toObjectName(
        `matrix-${own.name}-${isIngress ? 'from' : 'to'}-${peer.namespace}-${peer.name}-${port.number ?? 'any'}`,
      ),
      namespace: own.namespace,
    },
    spec: { podSelector, policyTypes: [isIngress ? 'Ingress' : 'Egress'], [direction]: [rule] },
  };
}
