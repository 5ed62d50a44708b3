// NetworkPolicies to apply as a remedy, as YAML.

import { METADATA_ADDRESSES } from './metadata-address.ts';
import type { Direction } from './traffic-policy.ts';

const DNS = `  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
    ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
`;

/** Isolates every pod of a namespace, those to come included. Names still resolve. */
export function defaultDenyManifest(namespace: string, direction: Direction): string {
  const type = direction === 'ingress' ? 'Ingress' : 'Egress';
  const head = policyHead(`default-deny-${direction}`, namespace);
  const rules = direction === 'ingress' ? '' : `  egress:\n${DNS}`;
  return `${head}spec:\n  podSelector: {}\n  policyTypes: [${type}]\n${rules}`;
}

/** Everything but the instance metadata, for namespaces that cannot be closed at once. */
export function withoutMetadataManifest(namespace: string): string {
  const [ipv4, ipv6] = METADATA_ADDRESSES;
  return `${policyHead('no-instance-metadata', namespace)}spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
${DNS}  - to:
    - namespaceSelector: {}
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [${ipv4}/32]
    - ipBlock:
        cidr: ::/0
        except: ["${ipv6}/128"]
`;
}

function policyHead(name: string, namespace: string): string {
  return `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: ${name}
  namespace: ${JSON.stringify(namespace)}
`;
}
