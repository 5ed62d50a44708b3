// YAML to apply against what rules about meshes find.

import type { Workload } from '../../workload.ts';
import { selectorOf } from './scope.ts';

export function strictPeerAuthentication(namespace: string, name: string): string {
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  mtls:
    mode: STRICT
`;
}

export function strictForWorkload(workload: Workload): string {
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: ${toName(workload)}-strict
  namespace: ${workload.namespace}
spec:
  selector:
    matchLabels:
${labelLines(workload, 6)}
  mtls:
    mode: STRICT
`;
}

export function allowCallers(workload: Workload, ports: readonly number[]): string {
  const list = ports.map((port) => `"${port}"`).join(', ');
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${toName(workload)}-callers
  namespace: ${workload.namespace}
spec:
  selector:
    matchLabels:
${labelLines(workload, 6)}
  action: ALLOW
  rules:
    - from:
        - source:
            # The service accounts of those who have something to ask of it.
            principals: [cluster.local/ns/CALLER-NAMESPACE/sa/CALLER-SERVICE-ACCOUNT]
${list === '' ? '' : `      to:\n        - operation:\n            ports: [${list}]\n`}`;
}

export function linkerdServer(workload: Workload, port: number): string {
  const name = `${toName(workload)}-${port}`;
  return `apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata:
  name: ${name}
  namespace: ${workload.namespace}
spec:
  podSelector:
    matchLabels:
${labelLines(workload, 6)}
  port: ${port}
---
apiVersion: policy.linkerd.io/v1alpha1
kind: MeshTLSAuthentication
metadata:
  name: ${name}-callers
  namespace: ${workload.namespace}
spec:
  identityRefs:
    # The service accounts of those who have something to ask of it.
    - { kind: ServiceAccount, namespace: CALLER-NAMESPACE, name: CALLER-SERVICE-ACCOUNT }
---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata:
  name: ${name}
  namespace: ${workload.namespace}
spec:
  targetRef: { group: policy.linkerd.io, kind: Server, name: ${name} }
  requiredAuthenticationRefs:
    - { group: policy.linkerd.io, kind: MeshTLSAuthentication, name: ${name}-callers }
`;
}

/** Names of objects that others make may end where a name may not. */
function toName({ name }: Workload): string {
  return name.replace(/[^a-z0-9]+$/, '') || 'workload';
}

function labelLines(workload: Workload, indent: number): string {
  const labels = selectorOf(workload);
  const lines =
    labels.length === 0 ? ['{}'] : labels.map(([key, value]) => `${quoteKey(key)}: ${JSON.stringify(value)}`);
  return lines.map((line) => `${' '.repeat(indent)}${line}`).join('\n');
}

function quoteKey(key: string): string {
  return /^[A-Za-z][A-Za-z0-9_./-]*$/.test(key) ? key : JSON.stringify(key);
}
