// CNI configurations that hand an adapter to a pod, and the partition they put it in.
// https://www.cni.dev/docs/spec/

import type { Field } from '../fields.ts';
import { transportOfName } from './adapter-names.ts';
import type { Judgement } from './device-classes.ts';
import { entry, itemsOf, textOf } from './embedded-json.ts';
import type { Sign } from './evidence.ts';
import type { Transport } from './transport.ts';
import { DEFAULT_PARTITION, integerOf, parsePkey, partitionOfInterface, vlanPartition } from './partition.ts';

/** `pool`: what the resource that comes with the network is; null when there is none, or nobody knows. */
export function judgeCniConfig(config: Field, pool: Transport | null): Judgement {
  const plugins = pluginsOf(config);
  // A chained rdma plugin moves the RDMA device of the interface before it.
  const hasRdma = plugins.some((plugin) => typeOf(plugin) === 'rdma' || entry(plugin, 'rdmaIsolation').value === true);
  for (const plugin of plugins) {
    const sign = judgePlugin(plugin, pool);
    if (sign !== null) return hasRdma && isVague(sign.transport) ? { ...sign, transport: 'rdma' } : sign;
  }
  const transport = pool ?? (hasRdma ? 'rdma' : null);
  if (transport === null) return 'none';
  // An interface on a shared adapter: the partition of the one is that of the other.
  return { transport, partition: plugins.map(partitionOfPlugin).find((partition) => partition !== null) ?? null };
}

function judgePlugin(plugin: Field, pool: Transport | null): Sign | null {
  const type = typeOf(plugin);
  switch (type) {
    case 'ib-sriov':
    case 'ib-sriov-cni':
      return { transport: 'infiniband', partition: pkeyOf(plugin) ?? DEFAULT_PARTITION };
    case 'ipoib':
      return { transport: 'infiniband', partition: partitionOfPlugin(plugin) };
    case 'sriov':
    case 'accelerated-bridge':
      return { transport: pool ?? 'sr-iov', partition: vlanPartition(integerOf(entry(plugin, 'vlan'))) };
    case 'host-device':
    case 'amd-host-device':
      return { transport: pool ?? (type === 'host-device' ? 'adapter' : 'roce'), partition: null };
    default: {
      const transport = transportOfName(type);
      return transport === null || type === 'rdma' ? null : { transport, partition: null };
    }
  }
}

/** Some wrap the configuration in another `config`. */
function pluginsOf(config: Field): readonly Field[] {
  const nested = entry(config, 'config');
  if (nested.kind === 'map') return pluginsOf(nested);
  const plugins = itemsOf(entry(config, 'plugins'));
  return plugins.length > 0 ? plugins : [config];
}

function typeOf(plugin: Field): string {
  return textOf(entry(plugin, 'type')) ?? '';
}

function isVague(transport: Transport): boolean {
  return transport === 'sr-iov' || transport === 'adapter';
}

function pkeyOf(plugin: Field): Sign['partition'] {
  const pkey = entry(plugin, 'pkey');
  const text = pkey.kind === 'number' ? String(pkey.value) : textOf(pkey);
  return text === null ? null : parsePkey(text);
}

function partitionOfPlugin(plugin: Field): Sign['partition'] {
  const own = pkeyOf(plugin);
  if (own !== null) return own;
  const master = textOf(entry(plugin, 'master'));
  if (master === null) return null;
  const ofInterface = partitionOfInterface(master);
  if (ofInterface !== null) return ofInterface;
  const [, tag] = /\.(\d{1,4})$/.exec(master) ?? [];
  return tag === undefined ? null : vlanPartition(Number(tag));
}
