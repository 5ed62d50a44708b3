// All ways from outside of the cluster to its workloads.

import type { Cluster } from '../cluster.ts';
import { findListener, findSallyport } from '../mesh/sallyport.ts';
import { readDirectExposures } from './direct.ts';
import type { Exposure } from './exposure.ts';
import { readGatewayExposures } from './gateway-routes.ts';
import { readInferenceExposures } from './inference-service.ts';
import { readIngressExposures } from './ingress.ts';
import { readIstioExposures } from './istio-gateway.ts';
import { readRouteExposures } from './openshift-route.ts';
import { readRayExposures } from './ray-head.ts';

/**
 * Every entry that objects of the cluster open, private ones too: what each means is told by its `reach`. One for each workload and port
 * behind it; without a workload where nothing that was given stands behind.
 */
export function exposedWorkloads(cluster: Cluster): readonly Exposure[] {
  return cluster.once(readExposures);
}

function readExposures(cluster: Cluster): readonly Exposure[] {
  return [
    ...cluster.once(readDirectExposures),
    ...readIngressExposures(cluster),
    ...readGatewayExposures(cluster),
    ...readIstioExposures(cluster),
    ...readRouteExposures(cluster),
    ...readRayExposures(cluster),
    ...readInferenceExposures(cluster),
  ].map((exposure) => behindSallyport(cluster, exposure));
}

/** Sallyport takes nobody who does not prove who he is; in shadow it does. */
function behindSallyport(cluster: Cluster, exposure: Exposure): Exposure {
  const { workload, port, tls, authentication } = exposure;
  if (workload === null || authentication !== null) return exposure;
  const sallyport = findSallyport(cluster, workload);
  if (sallyport === null || findListener(sallyport, port.number) === null) return exposure;
  if (sallyport.config.kind !== 'read' || sallyport.config.mode !== 'enforce') return exposure;
  return { ...exposure, tls: tls === 'unknown' ? 'passthrough' : tls, authentication: 'Sallyport' };
}
