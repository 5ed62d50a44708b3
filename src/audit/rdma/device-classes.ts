// Device classes of dynamic resource allocation that stand for network adapters.
// https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/

import type { Cluster } from '../cluster.ts';
import type { Field } from '../fields.ts';
import { transportOfName } from './adapter-names.ts';
import { entry, itemsOf, textOf } from './embedded-json.ts';
import type { Search, Sign } from './evidence.ts';
import type { Transport } from './transport.ts';

const KNOWN_CLASSES: ReadonlyMap<string, Transport> = new Map([
  ['mrdma.google.com', 'roce'],
  ['netdev.google.com', 'adapter'],
  ['efa.networking.k8s.aws', 'efa'],
  ['rdma.nvidia.com', 'rdma'],
  ['sriovnetwork.k8snetworkplumbingwg.io', 'sr-iov'],
  ['dra.net', 'adapter'],
  ['dranet', 'adapter'],
]);
const OTHER_DEVICES =
  /(?:^|[^a-z])(?:gpus?|mig|tpus?|npus?|neuron\w*|compute|cpus?|memory|vgpu|imex|qat|fpga|sgx)(?:[^a-z]|$)/;

export type Judgement = Sign | 'none' | { readonly unknown: string };

export function judgeDeviceClass({ cluster }: Pick<Search, 'cluster'>, name: string): Judgement {
  const deviceClass = cluster.find('resource.k8s.io', 'DeviceClass', { namespace: null, name });
  if (deviceClass !== null) return judgeExpressions(selectorsOf(cluster.field(deviceClass, 'spec')), name);
  const known = KNOWN_CLASSES.get(name) ?? (OTHER_DEVICES.test(name) ? null : transportOfName(name));
  if (known !== null) return { transport: known, partition: null };
  if (OTHER_DEVICES.test(name)) return 'none';
  return { unknown: `device class \`${name}\` is not among the objects given` };
}

/** The class of the first generation of the API, which names its driver. */
export function judgeResourceClass(cluster: Cluster, name: string): Judgement {
  const resourceClass = cluster.byKind('resource.k8s.io', 'ResourceClass').find((each) => each.name === name);
  const driver = resourceClass === undefined ? null : cluster.field(resourceClass, 'driverName').asText();
  return judgeDriver(driver ?? name) ?? { unknown: `resource class \`${name}\` does not tell what it is` };
}

/** Null when nobody knows it. */
export function judgeDriver(driver: string): Sign | 'none' | null {
  const transport = KNOWN_CLASSES.get(driver) ?? (OTHER_DEVICES.test(driver) ? null : transportOfName(driver));
  if (transport !== null) return { transport, partition: null };
  return OTHER_DEVICES.test(driver) ? 'none' : null;
}

/** CEL expressions of a class or a request. */
export function selectorsOf(spec: Field): readonly string[] {
  return itemsOf(entry(spec, 'selectors')).flatMap((selector) => textOf(entry(selector, 'cel', 'expression')) ?? []);
}

function judgeExpressions(expressions: readonly string[], name: string): Judgement {
  const text = expressions.join(' && ');
  const narrowed = transportOfExpressions(expressions);
  if (narrowed !== null) return { transport: narrowed, partition: null };
  const drivers = [...text.matchAll(/device\.driver\s*==\s*["']([^"']+)["']/g)].flatMap(([, driver]) => driver ?? []);
  for (const driver of drivers) {
    const judged = judgeDriver(driver);
    if (judged !== null) return judged;
  }
  const named = judgeDriver(name);
  return named ?? { unknown: `device class \`${name}\` does not tell whether its devices are adapters` };
}

/** What a selector asks of the adapter; null when it does not ask for RDMA. */
export function transportOfExpressions(expressions: readonly string[]): Transport | null {
  const text = expressions.join(' && ');
  if (/Elastic Fabric Adapter|\befa(?:Capable)?\b\S*\s*==\s*true/.test(text)) return 'efa';
  if (/cxiCapable\b\S*\s*==\s*true/.test(text)) return 'slingshot';
  if (/link_?type\S*\s*==\s*["']infiniband/i.test(text)) return 'infiniband';
  return /rdma(?:Capable|Device)?["'\])]*(?:\.\w+)?\s*(?:==\s*true|!=\s*(?:false|""|''))/i.test(text) ? 'rdma' : null;
}
