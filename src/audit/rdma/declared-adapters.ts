// Extended resources that the cluster itself declares to be network adapters, whatever they are called.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import { entry, itemsOf, parseEmbedded, textOf } from './embedded-json.ts';
import type { Transport } from './transport.ts';

export interface DeclaredAdapter {
  readonly transport: Transport;
  /** Of the object that declares it. */
  readonly by: string;
}

export class DeclaredAdapters {
  readonly #byResource = new Map<string, DeclaredAdapter>();
  readonly #byLocalName = new Map<string, DeclaredAdapter>();

  constructor(cluster: Cluster) {
    for (const policy of cluster.byKind('sriovnetwork.openshift.io', 'SriovNetworkNodePolicy')) {
      this.#takeNodePolicy(cluster, policy);
    }
    for (const policy of cluster.byKind('mellanox.com', 'NicClusterPolicy')) {
      for (const plugin of ['rdmaSharedDevicePlugin', 'sriovDevicePlugin']) {
        this.#takeConfig(cluster.field(policy, 'spec', plugin, 'config'), policy);
      }
    }
    for (const map of cluster.byKind('', 'ConfigMap')) {
      for (const text of cluster.field(map, 'data').asMap().values()) this.#takeConfig(text, map);
    }
    for (const deviceClass of cluster.byKind('resource.k8s.io', 'DeviceClass')) {
      const resource = textOf(cluster.field(deviceClass, 'spec', 'extendedResourceName'));
      if (resource !== null) this.#classOfResource.set(resource, deviceClass.name);
    }
  }

  readonly #classOfResource = new Map<string, string>();

  find(resource: string): DeclaredAdapter | null {
    const local = resource.slice(resource.indexOf('/') + 1);
    return this.#byResource.get(resource) ?? this.#byLocalName.get(local) ?? null;
  }

  /** The device class that an extended resource is taken from, if from any. */
  deviceClassOf(resource: string): string | null {
    const prefix = 'deviceclass.resource.kubernetes.io/';
    if (resource.startsWith(prefix)) return resource.slice(prefix.length);
    return this.#classOfResource.get(resource) ?? null;
  }

  /** The operator puts a prefix of its own settings before the name. */
  #takeNodePolicy(cluster: Cluster, policy: KubeObject): void {
    const spec = cluster.field(policy, 'spec');
    const name = spec.get('resourceName').asText();
    if (name === null) return;
    const isInfiniband = spec.get('linkType').asText()?.toLowerCase() === 'ib';
    const isRdma = spec.get('isRdma').asBoolean() ?? false;
    const transport = isInfiniband ? 'infiniband' : isRdma ? 'roce' : 'sr-iov';
    this.#byLocalName.set(name, { transport, by: `SriovNetworkNodePolicy ${policy.name}` });
  }

  /** Of the shared RDMA device plugin (`configList`) and the SR-IOV one (`resourceList`). */
  #takeConfig(place: Field, object: KubeObject): void {
    const text = textOf(place);
    if (text === null || !/"(?:configList|resourceList)"/.test(text)) return;
    const config = parseEmbedded(place, text);
    if (config === null) return;
    const by = `${object.kind} ${object.name}`;
    for (const pool of itemsOf(entry(config, 'configList'))) {
      this.#takePool(pool, { prefix: 'rdma', adapter: { transport: 'rdma', by } });
    }
    for (const pool of itemsOf(entry(config, 'resourceList'))) {
      this.#takePool(pool, { prefix: 'intel.com', adapter: { transport: transportOfPool(pool), by } });
    }
  }

  #takePool(pool: Field, { prefix, adapter }: { readonly prefix: string; readonly adapter: DeclaredAdapter }): void {
    const name = textOf(entry(pool, 'resourceName'));
    if (name !== null) this.#byResource.set(`${textOf(entry(pool, 'resourcePrefix')) ?? prefix}/${name}`, adapter);
  }
}

/** Selectors are one, or a list of alternatives. */
function transportOfPool(pool: Field): Transport {
  const selectors = entry(pool, 'selectors');
  const alternatives = selectors.kind === 'list' ? itemsOf(selectors) : [selectors];
  const links = alternatives.flatMap((selector) => itemsOf(entry(selector, 'linkTypes')).map(textOf));
  if (links.includes('infiniband')) return 'infiniband';
  return alternatives.some((selector) => entry(selector, 'isRdma').value === true) ? 'rdma' : 'sr-iov';
}
