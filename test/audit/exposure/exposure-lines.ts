// What is exposed in a cluster, in one line each.

import { exposedWorkloads } from '../../../src/audit/exposure/exposed-workloads.ts';
import { clusterOf } from '../inventory.ts';

/** `ingress anybody tls=none ml/web[Ingress] > ml/api[Service] > ml/api[Pod] TCP 8080`, with `by=…` where somebody asks. */
export function exposureLines(...documents: readonly string[]): readonly string[] {
  return exposedWorkloads(clusterOf(documents.join('\n---\n'))).map(
    ({ entry, reach, tls, authentication, through, workload, port }) => {
      const asked = authentication === null ? '' : ` by=${authentication}`;
      const path = [...through, workload?.ref ?? 'nothing'].join(' > ');
      return `${entry} ${reach.kind} tls=${tls}${asked} ${path} ${port.protocol} ${port.number ?? '?'}`;
    },
  );
}

export function pod(name: string, more = '', namespace = 'ml'): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec: { containers: [{ name: main, image: "${name}:1", ports: [{ name: http, containerPort: 8080 }] }]${more} }
`;
}

export function service(name: string, spec = '', metadata = ''): string {
  return `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ml${metadata} }
spec: { selector: { app: ${name} }, ports: [{ name: web, port: 80, targetPort: http }]${spec} }
`;
}

export const POD = pod('api');
export const SERVICE = service('api');
