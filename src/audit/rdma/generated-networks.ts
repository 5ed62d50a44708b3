// Networks of which only that is given from which an operator makes their NetworkAttachmentDefinition.

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import { transportOfResource } from './adapter-names.ts';
import type { Judgement } from './device-classes.ts';
import { entry, itemsOf, textOf } from './embedded-json.ts';
import type { Search, Sign } from './evidence.ts';
import type { Transport } from './transport.ts';
import { DEFAULT_PARTITION, integerOf, parsePkey, partitionOfInterface, vlanPartition } from './partition.ts';

export interface NetworkName {
  readonly namespace: string;
  readonly name: string;
}

type Context = Pick<Search, 'cluster' | 'adapters'>;
type Reader = (spec: Field, context: Context) => Judgement;

const SRIOV = 'sriovnetwork.openshift.io';
const NVIDIA = 'mellanox.com';

const READERS: readonly { readonly group: string; readonly kind: string; readonly read: Reader }[] = [
  {
    group: SRIOV,
    kind: 'SriovIBNetwork',
    read: (spec) => ({ transport: 'infiniband', partition: pkeyOf(spec) ?? DEFAULT_PARTITION }),
  },
  { group: SRIOV, kind: 'SriovNetwork', read: (spec, context) => ofVirtualFunctions(spec, context) },
  { group: SRIOV, kind: 'OVSNetwork', read: (spec, context) => ofVirtualFunctions(spec, context) },
  {
    group: NVIDIA,
    kind: 'HostDeviceNetwork',
    read: (spec, context) => ({ transport: poolOf(spec, context) ?? 'adapter', partition: null }),
  },
  {
    group: NVIDIA,
    kind: 'IPoIBNetwork',
    read: (spec) => ({ transport: 'infiniband', partition: partitionOfMaster(spec) }),
  },
  { group: NVIDIA, kind: 'MacvlanNetwork', read: () => 'none' },
];

/** Null when nothing given makes a network of this name. */
export function findGeneratedNetwork(context: Context, at: NetworkName): Judgement | null {
  for (const { group, kind, read } of READERS) {
    const object = context.cluster.byKind(group, kind).find((each) => makes(context.cluster, each, at));
    if (object !== undefined) return read(context.cluster.field(object, 'spec'), context);
  }
  const spider = context.cluster.find('spiderpool.spidernet.io', 'SpiderMultusConfig', at);
  return spider === null ? null : ofSpiderpool(context.cluster.field(spider, 'spec'), context);
}

function makes(cluster: Cluster, object: KubeObject, { namespace, name }: NetworkName): boolean {
  if (object.name !== name) return false;
  const target = cluster.field(object, 'spec', 'networkNamespace').asText();
  // The network operator's own are of the cluster, and go to `default` unless they say otherwise.
  return (target ?? object.namespace ?? 'default') === namespace;
}

function ofVirtualFunctions(spec: Field, context: Context): Sign {
  return { transport: poolOf(spec, context) ?? 'sr-iov', partition: vlanPartition(integerOf(entry(spec, 'vlan'))) };
}

function ofSpiderpool(spec: Field, context: Context): Judgement {
  const type = textOf(entry(spec, 'cniType')) ?? '';
  switch (type) {
    case 'ib-sriov':
      return { transport: 'infiniband', partition: pkeyOf(entry(spec, 'ibsriov')) ?? DEFAULT_PARTITION };
    case 'ipoib':
      return { transport: 'infiniband', partition: partitionOfMaster(entry(spec, 'ipoib')) };
    case 'sriov': {
      const settings = entry(spec, 'sriov');
      const partition = vlanPartition(integerOf(entry(settings, 'vlanID')));
      const isRdma = ['enableRdma', 'rdmaIsolation'].some((key) => entry(settings, key).value === true);
      return { transport: poolOf(settings, context) ?? (isRdma ? 'rdma' : 'sr-iov'), partition };
    }
    default: {
      const settings = entry(spec, type);
      const isRdma = entry(settings, 'enableRdma').value === true || entry(settings, 'rdmaResourceName').isPresent;
      return isRdma ? { transport: 'rdma', partition: vlanPartition(integerOf(entry(settings, 'vlanID'))) } : 'none';
    }
  }
}

function poolOf(spec: Field, { adapters }: Context): Transport | null {
  const name = textOf(entry(spec, 'resourceName'));
  if (name === null) return null;
  return adapters.find(name)?.transport ?? transportOfResource(name.includes('/') ? name : `nvidia.com/${name}`);
}

function pkeyOf(spec: Field): Sign['partition'] {
  const text = textOf(entry(spec, 'pkey')) ?? textOf(entry(spec, 'pKey'));
  return text === null ? null : parsePkey(text);
}

function partitionOfMaster(spec: Field): Sign['partition'] {
  const master = entry(spec, 'master');
  const [first] = master.kind === 'list' ? itemsOf(master) : [master];
  const name = first === undefined ? null : textOf(first);
  return name === null ? null : partitionOfInterface(name);
}
