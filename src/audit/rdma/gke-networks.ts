// Networks of GKE beside the default one, which hand adapters of a node to a pod.
// https://cloud.google.com/kubernetes-engine/docs/how-to/setup-multinetwork-support-for-pods

import type { KubeObject } from '../kube-object.ts';
import { annotationPath } from '../pods/inspection.ts';
import { transportOfName } from './adapter-names.ts';
import { entry, itemsOf, parseEmbedded, textOf } from './embedded-json.ts';
import { take, type Search, type Sign } from './evidence.ts';
import { cloudNetwork } from './partition.ts';
import type { Transport } from './transport.ts';

const INTERFACES = 'networking.gke.io/interfaces';
export const GKE_RESOURCE_PREFIX = 'networking.gke.io.networks/';
const DEVICE_MODES: ReadonlyMap<string, Transport> = new Map([
  ['RDMA', 'roce'],
  ['NetDevice', 'adapter'],
  ['DPDK-VFIO', 'sr-iov'],
]);

export function searchGkeNetworks(search: Search): void {
  const { inspection, workload } = search;
  const text = workload.annotations.get(INTERFACES);
  if (text === undefined) return;
  const at = annotationPath(workload, INTERFACES);
  const interfaces = parseEmbedded(workload.podSpec, text);
  if (interfaces === null || interfaces.kind !== 'list') {
    inspection.doubtAt(at, { reason: 'malformed', detail: `annotation ${INTERFACES} is no JSON list` });
    return;
  }
  const names = itemsOf(interfaces).map((item) => textOf(entry(item, 'network')));
  for (const name of new Set(names.filter((each) => each !== null && each !== 'default'))) {
    if (name === null) continue;
    const sign = findGkeNetwork(search, name);
    if (sign === 'none') continue;
    if ('unknown' in sign) inspection.doubtAt(at, { reason: 'not-given', detail: sign.unknown });
    else take(search, { source: 'network-attachment', name, detail: `is on network \`${name}\``, at, ...sign });
  }
}

export function findGkeNetwork({ cluster }: Search, name: string): Sign | 'none' | { readonly unknown: string } {
  const group = 'networking.gke.io';
  const network = named(cluster.byKind(group, 'Network'), name);
  if (network !== undefined) {
    const type = cluster.field(network, 'spec', 'type').asText();
    if (type !== 'Device') return 'none';
    const parameters = cluster.field(network, 'spec', 'parametersRef', 'name').asText() ?? name;
    const set = named(cluster.byKind(group, 'GKENetworkParamSet'), parameters);
    const mode = set === undefined ? null : cluster.field(set, 'spec', 'deviceMode').asText();
    const vpc = set === undefined ? null : cluster.field(set, 'spec', 'vpc').asText();
    const transport = DEVICE_MODES.get(mode ?? '') ?? transportOfName(name) ?? 'adapter';
    return { transport, partition: vpc === null ? null : cloudNetwork(vpc) };
  }
  const transport = transportOfName(name);
  if (transport === null) return { unknown: `network \`${name}\` is not among the objects given` };
  return { transport: transport === 'rdma' ? 'roce' : transport, partition: null };
}

/** Both kinds are of the cluster. */
function named(objects: readonly KubeObject[], name: string): KubeObject | undefined {
  return objects.find((object) => object.name === name);
}
