// Adapters of the node that containers reach without having been given them.

import type { Field } from '../fields.ts';
import { mountsOf, normalise } from '../pods/host-path.ts';
import { annotationPath, type Scope } from '../pods/inspection.ts';
import { entry, itemsOf, textOf } from './embedded-json.ts';
import { take, type Search } from './evidence.ts';
import type { Transport } from './transport.ts';
import { readFabricSettings, type FabricSettings } from './fabric-settings.ts';

const DEVICES: readonly (readonly [RegExp, Transport])[] = [
  [/^\/dev\/infiniband(?:\/|$)/, 'rdma'],
  [/^\/dev\/hfi1/, 'omni-path'],
  [/^\/dev\/cxi\d*/, 'slingshot'],
];
const RDMA_NODES =
  /^(?:feature\.node\.kubernetes\.io\/(?:rdma|pci-(?:\w+_)?15b3|network-sriov)|network\.nvidia\.com\/operator\.mofed)|infiniband|(?:^|[./-])rdma(?:$|[./-])/;
const GPUDIRECT_IMAGE = /tcpgpudmarxd|gpudirect-tcpx/;
const GPUDIRECT_ANNOTATION = /^devices\.gke\.io\/container\.tcpx/;

export function searchHostAccess(search: Search): void {
  searchDevices(search);
  searchGpuDirect(search);
  const isPlaced = isPlacedOnRdmaNodes(search.workload.podSpec);
  for (const scope of search.scopes) searchContainer(search, scope, isPlaced);
}

/** What no container mounts is no device of any. */
function searchDevices(search: Search): void {
  const { inspection, workload } = search;
  for (const volume of itemsOf(entry(workload.podSpec, 'volumes'))) {
    const place = entry(volume, 'hostPath', 'path');
    const path = normalise(textOf(place) ?? '');
    const [, transport = null] = DEVICES.find(([pattern]) => pattern.test(path)) ?? [];
    const name = textOf(entry(volume, 'name'));
    if (transport === null || name === null) continue;
    for (const mount of mountsOf(workload, name)) {
      const container = workload.containers.find((each) => each.name === mount.container) ?? null;
      // umad and issm send management packets to the whole fabric; one uverbs device is one adapter.
      const isHostWide = !/^\/dev\/infiniband\/uverbs\d+$/.test(path);
      take(search, {
        source: 'host-device',
        transport,
        name: path,
        detail: `mounts \`${path}\` of the node`,
        container,
        at: place,
        isHostWide,
      });
    }
  }
  inspection.list(inspection.pod, 'volumes');
}

function searchGpuDirect(search: Search): void {
  const { workload } = search;
  const annotation = [...workload.annotations.keys()].find((key) => GPUDIRECT_ANNOTATION.test(key));
  const container = workload.containers.find(({ image }) => GPUDIRECT_IMAGE.test(image ?? '')) ?? null;
  if (annotation === undefined && container === null) return;
  const at = container === null ? annotationPath(workload, annotation ?? '') : container.field.get('image');
  take(search, {
    source: 'gpudirect',
    transport: 'gpudirect-tcpx',
    name: container?.image ?? annotation ?? '',
    detail: 'receives into the memory of GPUs through GPUDirect-TCPX',
    container,
    at,
  });
}

function searchContainer(search: Search, scope: Scope, isPlaced: boolean): void {
  const { inspection, workload } = search;
  const { container } = scope;
  const settings = readFabricSettings(search, scope);
  const { signs, injection } = settings;
  const [sign] = signs;
  if (injection !== null) {
    take(search, {
      source: 'device-injection',
      transport: 'rdma',
      name: injection.name,
      detail: `has the container toolkit add the InfiniBand devices of the node (${injection.name})`,
      container,
      at: injection.at,
      isHostWide: true,
    });
  }
  const privileged = inspection.boolean(scope, 'securityContext', 'privileged');
  const isPrivileged = privileged.kind === 'value' && privileged.value;
  if (isPrivileged && (sign !== undefined || isPlaced)) {
    take(search, {
      source: 'privileged',
      transport: 'rdma',
      name: sign?.name ?? 'node',
      detail: `is privileged, and ${sign === undefined ? 'placed on nodes with RDMA' : `set up for a fabric by ${sign.name}`}`,
      container,
      at: privileged.field,
      isHostWide: true,
    });
  }
  if (sign !== undefined && workload.isHostNetwork) {
    take(search, {
      source: 'host-network',
      transport: 'rdma',
      name: sign.name,
      detail: `is on the network of the node, and set up for a fabric by ${sign.name}`,
      container,
      at: sign.at,
      isHostWide: true,
    });
  }
  if (locksMemory(scope)) searchMemoryLock(search, scope, settings);
  if (sign === undefined && (workload.isHostNetwork || isPrivileged)) doubtUnread(search, scope, settings);
}

/** Only RDMA, and few others, pin memory; whoever also sets up a fabric means RDMA. */
function searchMemoryLock(search: Search, scope: Scope, { signs }: FabricSettings): void {
  const { inspection } = search;
  const { container, field } = scope;
  const [sign] = signs;
  const at = entry(field, 'securityContext', 'capabilities', 'add');
  if (sign !== undefined) {
    take(search, {
      source: 'memory-lock',
      transport: 'rdma',
      name: sign.name,
      detail: `may pin memory, and is set up for a fabric by ${sign.name}`,
      container,
      at,
    });
  } else if (requestsGpu(field)) {
    inspection.doubt(scope, at, {
      reason: 'device-not-shown',
      detail:
        'it has GPUs and may pin memory, as RDMA needs it, and nothing shows an adapter: a webhook or the node may add one',
    });
  }
}

function doubtUnread({ inspection }: Search, scope: Scope, { unread }: FabricSettings): void {
  for (const reference of unread) {
    inspection.doubt(scope, reference, {
      reason: 'not-given',
      detail: `it has the node's adapters in reach, and its environment from ConfigMap \`${textOf(entry(reference, 'name')) ?? ''}\`, which is not among the objects given`,
    });
  }
}

function locksMemory({ field }: Scope): boolean {
  return itemsOf(entry(field, 'securityContext', 'capabilities', 'add')).some((item) =>
    /^(?:CAP_)?IPC_LOCK$/i.test(textOf(item) ?? ''),
  );
}

function requestsGpu(container: Field): boolean {
  const limits = entry(container, 'resources', 'limits');
  return (
    limits.kind === 'map' &&
    [...limits.asMap().keys()].some((key) => /\/(?:.*[.-])?(?:v?gpus?|gaudi\d*)$|\/mig-/.test(key))
  );
}

function isPlacedOnRdmaNodes(podSpec: Field): boolean {
  const selector = entry(podSpec, 'nodeSelector');
  const selected = selector.kind === 'map' ? [...selector.asMap()] : [];
  if (selected.some(([key, value]) => RDMA_NODES.test(key) && (value.value !== 'false' || key.includes('mofed'))))
    return true;
  const terms = entry(
    podSpec,
    'affinity',
    'nodeAffinity',
    'requiredDuringSchedulingIgnoredDuringExecution',
    'nodeSelectorTerms',
  );
  return itemsOf(terms)
    .flatMap((term) => itemsOf(entry(term, 'matchExpressions')))
    .some((expression) => {
      const values = itemsOf(entry(expression, 'values'));
      if (!RDMA_NODES.test(textOf(entry(expression, 'key')) ?? '')) return false;
      const operator = textOf(entry(expression, 'operator'));
      return operator === 'Exists' || (operator === 'In' && values.some(({ value }) => value !== 'false'));
    });
}
