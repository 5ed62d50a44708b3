// Small clusters for tests of the network, written as objects.

import { buildCluster, type Cluster } from '../../../src/audit/cluster.ts';
import type { Inventory } from '../../../src/audit/inventory.ts';
import { formatBounds } from '../../../src/audit/network/bounds.ts';
import type { CniName } from '../../../src/audit/network/cni.ts';
import { connectivity, type Connectivity, type Place } from '../../../src/audit/network/connectivity.ts';
import { inventoryOf, objectOf, workloadNamed } from '../inventory.ts';

export interface Body {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

export type Labels = Readonly<Record<string, string>>;

export interface PodTerms {
  readonly labels?: Labels;
  /** Name, number, protocol. */
  readonly ports?: readonly (readonly [name: string, number: number, protocol?: string])[];
  readonly hostNetwork?: boolean;
  readonly serviceAccount?: string;
}

export function namespace(name: string, labels: Labels = {}): Body {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

/** `place` is `namespace/name`. */
export function pod(place: string, { labels = {}, ports = [], hostNetwork, serviceAccount }: PodTerms = {}): Body {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...placed(place), labels },
    spec: {
      ...(hostNetwork === undefined ? {} : { hostNetwork }),
      ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
      containers: [
        {
          name: 'main',
          image: 'main:1',
          ports: ports.map(([name, containerPort, protocol = 'TCP']) => ({ name, containerPort, protocol })),
        },
      ],
    },
  };
}

export function networkPolicy(place: string, spec: unknown): Body {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: placed(place), spec };
}

export function ciliumPolicy(place: string, spec: unknown): Body {
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: placed(place), spec };
}

export function ciliumClusterwide(name: string, spec: unknown): Body {
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata: { name }, spec };
}

export function calicoPolicy(place: string, spec: unknown): Body {
  return { apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy', metadata: placed(place), spec };
}

export function calicoGlobal(name: string, spec: unknown): Body {
  return { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkPolicy', metadata: { name }, spec };
}

export function calicoTier(name: string, spec: unknown): Body {
  return { apiVersion: 'projectcalico.org/v3', kind: 'Tier', metadata: { name }, spec };
}

export function adminPolicy(name: string, spec: unknown): Body {
  return { apiVersion: 'policy.networking.k8s.io/v1alpha1', kind: 'AdminNetworkPolicy', metadata: { name }, spec };
}

export function baselinePolicy(spec: unknown): Body {
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha1',
    kind: 'BaselineAdminNetworkPolicy',
    metadata: { name: 'default' },
    spec,
  };
}

export function clusterPolicy(name: string, spec: unknown): Body {
  return { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', metadata: { name }, spec };
}

/** An agent by which a CNI shows. */
export function agent(name: string, image: string, container: Readonly<Record<string, unknown>> = {}): Body {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace: 'kube-system' },
    spec: {
      template: {
        metadata: { labels: { app: name } },
        spec: { hostNetwork: true, containers: [{ name: 'agent', image, ...container }] },
      },
    },
  };
}

export function clusterFrom(bodies: readonly Body[], terms: Partial<Inventory> = {}): Cluster {
  return buildCluster(
    inventoryOf(
      bodies.map((body) => objectOf(body)),
      terms,
    ),
  );
}

export interface Scene {
  readonly cluster: Cluster;
  readonly found: Connectivity;
  /** `namespace/name`, an address, or `namespace/name[Kind]`. */
  place(name: string): Place;
  connections(from: string, to: string): string;
}

/** With a CNI named, so that what policies say is what holds. */
export function sceneOf(bodies: readonly Body[], cni: CniName | null = 'standard'): Scene {
  const cluster = clusterFrom(bodies);
  const found = connectivity(cluster, { cni, undetected: 'unknown' });
  const place = (name: string): Place => {
    const outside = found.outsideAt(name);
    return outside ?? workloadNamed(cluster, name.includes('[') ? name : `${name}[Pod]`);
  };
  return {
    cluster,
    found,
    place,
    connections: (from, to) => formatBounds(found.between(place(from), place(to)).bounds),
  };
}

function placed(place: string): { readonly namespace: string; readonly name: string } {
  const slash = place.indexOf('/');
  return { namespace: place.slice(0, slash), name: place.slice(slash + 1) };
}
