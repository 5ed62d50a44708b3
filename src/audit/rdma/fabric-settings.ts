// What a container is told of a fabric: by its environment, and in the command lines that set one.
// https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import type { Path } from '../path.ts';
import type { Scope } from '../pods/inspection.ts';
import { entry, itemsOf, textOf } from './embedded-json.ts';
import type { Search } from './evidence.ts';

interface Variable {
  readonly name: string;
  /** Null when it comes from where nobody can look. */
  readonly value: string | null;
  readonly at: Path;
}

export interface FabricSettings {
  /** Those that make a library use the fabric. */
  readonly signs: readonly Variable[];
  /** Of the container toolkit, which then adds the devices of InfiniBand. */
  readonly injection: Variable | null;
  /** ConfigMaps that were not given. */
  readonly unread: readonly Field[];
}

export function readFabricSettings({ cluster, workload }: Search, { field }: Scope): FabricSettings {
  const unread: Field[] = [];
  const sources = [
    ...itemsOf(entry(field, 'envFrom')).flatMap((source) =>
      fromConfigMap(cluster, workload.namespace, { source, unread }),
    ),
    ...itemsOf(entry(field, 'env')).flatMap((item) => fromEntry(cluster, workload.namespace, item)),
    ...['command', 'args'].flatMap((key) => itemsOf(entry(field, key)).flatMap(fromCommandLine)),
  ];
  // The last of one name holds.
  const variables = [...new Map(sources.map((variable) => [variable.name, variable])).values()];
  const isNcclRefused = variables.some(
    ({ name, value }) =>
      (name === 'NCCL_IB_DISABLE' && value !== null && isTrue(value)) ||
      (name === 'NCCL_NET' && value?.toLowerCase() === 'socket'),
  );
  return {
    signs: variables.filter((variable) => isSign(variable) && !(isNcclRefused && isOfNcclVerbs(variable))),
    injection: variables.find(({ name, value }) => name === 'NVIDIA_MOFED' && value === 'enabled') ?? null,
    unread,
  };
}

const CARRIERS = /^(?:ib|mlx\d|roce|hsn|efa|rdma)/i;
const INTERFACE_LISTS = /^(?:NCCL|GLOO|TP|UCCL|NVSHMEM_BOOTSTRAP_UID_SOCK)_(?:SOCKET_)?IFNAME$|^UCX_NET_DEVICES$/;
const VERBS_TRANSPORTS = /^(?:rc|ud|dc)(?:_\w+)?$|^ib$|^rdmacm$/;

function isSign({ name, value }: Variable): boolean {
  if (name === 'NCCL_IB_DISABLE') return value !== null && !isTrue(value);
  if (/^(?:NCCL_IB|NVSHMEM_IB|OMPI_MCA_btl_openib)_/.test(name) || name === 'NVSHMEM_HCA_LIST') return value !== '';
  if (value === null || value === '') return false;
  if (INTERFACE_LISTS.test(name)) return !value.startsWith('^') && listOf(value).some((item) => CARRIERS.test(item));
  switch (name) {
    case 'NCCL_NET':
      return /^(?:ib|gib|efa|ofi|ucx|spcx|aws libfabric|libfabric)$/i.test(value);
    case 'UCX_TLS':
      return !value.startsWith('^') && listOf(value).some((item) => VERBS_TRANSPORTS.test(item));
    case 'FI_PROVIDER':
      return !value.startsWith('^') && /(?:^|[,;])(?:efa|verbs|cxi|psm2|opx)/.test(value);
    case 'FI_EFA_USE_DEVICE_RDMA':
      return isTrue(value);
    case 'NVSHMEM_REMOTE_TRANSPORT':
      return /^(?:ib|ucx)/.test(value);
    case 'OMPI_MCA_btl':
      return !value.startsWith('^') && listOf(value).includes('openib');
    default:
      return /(?:PROTOCOL|TRANSPORT|BACKEND)$/.test(name) && /^(?:rdma|ibverbs|verbs|roce)$/i.test(value);
  }
}

/** What NCCL does not look at when it is told not to use InfiniBand. */
function isOfNcclVerbs({ name }: Variable): boolean {
  return name.startsWith('NCCL_IB_') || name === 'NCCL_NET';
}

function fromEntry(cluster: Cluster, namespace: string, item: Field): readonly Variable[] {
  const name = textOf(entry(item, 'name'));
  if (name === null) return [];
  const value = entry(item, 'value');
  const reference = entry(item, 'valueFrom', 'configMapKeyRef');
  if (!reference.isPresent) {
    const isElsewhere = entry(item, 'valueFrom').isPresent;
    return [{ name, value: value.isPresent ? String(value.value) : isElsewhere ? null : '', at: item.path }];
  }
  const map = configMap(cluster, namespace, textOf(entry(reference, 'name')));
  const key = textOf(entry(reference, 'key'));
  return [{ name, value: map === null || key === null ? null : textOf(entry(map, key)), at: item.path }];
}

function fromConfigMap(
  cluster: Cluster,
  namespace: string,
  { source, unread }: { readonly source: Field; readonly unread: Field[] },
): readonly Variable[] {
  const reference = entry(source, 'configMapRef');
  if (!reference.isPresent) return [];
  const map = configMap(cluster, namespace, textOf(entry(reference, 'name')));
  if (map === null) {
    if (entry(reference, 'optional').value !== true) unread.push(reference);
    return [];
  }
  const prefix = textOf(entry(source, 'prefix')) ?? '';
  return [...map.asMap()].map(([key, value]) => ({ name: prefix + key, value: textOf(value), at: source.path }));
}

function configMap(cluster: Cluster, namespace: string, name: string | null): Field | null {
  const object = name === null ? null : cluster.find('', 'ConfigMap', { namespace, name });
  return object === null ? null : cluster.field(object, 'data');
}

/** `export NCCL_IB_HCA=mlx5`, `mpirun -x NCCL_IB_HCA=mlx5`. */
function fromCommandLine(place: Field): readonly Variable[] {
  const text = textOf(place) ?? '';
  const assignments = text.matchAll(/(?:^|[\s;&|"'])([A-Z][A-Za-z0-9_]*)=(?:"([^"]*)"|'([^']*)'|([^\s;&|"']*))/g);
  return [...assignments].map(([, name = '', ...values]) => ({
    name,
    value: values.find((value) => value !== undefined) ?? '',
    at: place.path,
  }));
}

function listOf(value: string): readonly string[] {
  return value.split(',').map((item) => item.trim().replace(/^=/, ''));
}

function isTrue(value: string): boolean {
  return /^(?:1|true|yes|on)$/i.test(value.trim());
}
