// Whom a load balancer lets in: annotations of the clouds, source ranges, and the address that it got.

import type { Cluster } from '../cluster.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Reach } from './exposure.ts';
import { isEverybody, isPrivateAddress, readBlocks } from './source-ranges.ts';

export function reachOfLoadBalancer(cluster: Cluster, service: KubeObject): Reach {
  const spec = cluster.field(service, 'spec');
  const loadBalancerClass = spec.get('loadBalancerClass').asText();
  const internal = internalBy(service.annotations, loadBalancerClass);
  if (internal !== null) return { kind: 'private', why: internal };
  const listed = [
    ...spec.get('loadBalancerSourceRanges').asTexts(),
    ...RANGE_ANNOTATIONS.flatMap((key) => readBlocks(service.annotations.get(key) ?? '')),
  ];
  if (listed.length > 0 && !listed.some(isEverybody)) {
    return { kind: 'listed', sources: listed, why: 'loadBalancerSourceRanges' };
  }
  const addresses = [
    ...cluster
      .field(service, 'status', 'loadBalancer', 'ingress')
      .asList()
      .flatMap((ingress) => ingress.get('ip').asText() ?? []),
    ...[spec.get('loadBalancerIP').asText() ?? ''].filter((address) => address !== ''),
  ];
  if (addresses.length > 0 && addresses.every(isPrivateAddress)) {
    return { kind: 'private', why: `its address ${addresses[0] ?? ''} is a private one` };
  }
  return { kind: 'anybody', isPresumed: false, why: 'a load balancer without source ranges' };
}

/** Why a load balancer with these annotations is not on the internet; null when nothing says so. */
export function internalBy(annotations: ReadonlyMap<string, string>, loadBalancerClass: string | null): string | null {
  for (const [key, pattern] of INTERNAL_ANNOTATIONS) {
    const value = annotations.get(key);
    if (value !== undefined && pattern.test(value)) return `${key}: ${value}`;
  }
  if (loadBalancerClass !== null && INTERNAL_CLASSES.has(loadBalancerClass)) {
    return annotations.get('tailscale.com/funnel') === 'true' ? null : `load balancers of class ${loadBalancerClass}`;
  }
  return isInternalOfAws(annotations, loadBalancerClass)
    ? 'the AWS load balancer controller, which makes them internal unless told otherwise'
    : null;
}

/** Of the controller; the older provider in the control plane makes them face the internet. */
function isInternalOfAws(annotations: ReadonlyMap<string, string>, loadBalancerClass: string | null): boolean {
  if (annotations.has('service.beta.kubernetes.io/aws-load-balancer-scheme')) return false;
  const type = annotations.get('service.beta.kubernetes.io/aws-load-balancer-type');
  return type === 'external' || type === 'nlb-ip' || loadBalancerClass === 'service.k8s.aws/nlb';
}

const YES = /^true$/i;

const INTERNAL_ANNOTATIONS: readonly (readonly [string, RegExp])[] = [
  ['service.beta.kubernetes.io/aws-load-balancer-scheme', /^internal$/i],
  ['service.beta.kubernetes.io/aws-load-balancer-internal', /^(?!false$).+$/i],
  ['networking.gke.io/load-balancer-type', /^internal$/i],
  ['cloud.google.com/load-balancer-type', /^internal$/i],
  ['service.beta.kubernetes.io/azure-load-balancer-internal', YES],
  ['service.beta.kubernetes.io/openstack-internal-load-balancer', YES],
  ['service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type', /^intranet$/i],
  ['service.beta.kubernetes.io/oci-load-balancer-internal', YES],
  ['oci-network-load-balancer.oraclecloud.com/internal', YES],
  ['service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type', /^private$/i],
  ['service.kubernetes.io/qcloud-loadbalancer-internal-subnetid', /./],
  ['yandex.cloud/load-balancer-type', /^internal$/i],
  ['service.beta.kubernetes.io/do-loadbalancer-network', /^internal$/i],
  ['load-balancer.hetzner.cloud/disable-public-network', YES],
  ['service.beta.kubernetes.io/scw-loadbalancer-private', YES],
];

const INTERNAL_CLASSES = new Set(['networking.gke.io/l4-regional-internal', 'tailscale']);

const RANGE_ANNOTATIONS = [
  'service.beta.kubernetes.io/load-balancer-source-ranges',
  'service.beta.kubernetes.io/azure-allowed-ip-ranges',
];
