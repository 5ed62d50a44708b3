// Networks that pods are attached to beside the cluster's own, through Multus and what generates for it.
// https://github.com/k8snetworkplumbingwg/multi-net-spec

import type { Field } from '../fields.ts';
import { annotationPath } from '../pods/inspection.ts';
import { transportOfName, transportOfResource } from './adapter-names.ts';
import { judgeCniConfig } from './cni-config.ts';
import type { Judgement } from './device-classes.ts';
import { entry, itemsOf, parseEmbedded, textOf } from './embedded-json.ts';
import { take, type Search } from './evidence.ts';
import { findGeneratedNetwork, type NetworkName } from './generated-networks.ts';

const ANNOTATIONS = [
  'k8s.v1.cni.cncf.io/networks',
  'v1.multus-cni.io/default-network',
  'k8s.volcengine.com/pod-networks',
];
/** Spiderpool's webhook adds networks and resources of a class. */
const INJECTION = 'cni.spidernet.io/rdma-resource-inject';
const RESOURCE_NAME = 'k8s.v1.cni.cncf.io/resourceName';

export function searchAttachments(search: Search): void {
  const { workload, inspection } = search;
  for (const key of ANNOTATIONS) {
    const text = workload.annotations.get(key);
    if (text === undefined || text.trim() === '') continue;
    const at = annotationPath(workload, key);
    const selections = parseSelections(workload.podSpec, text, workload.namespace);
    if (selections === null) {
      inspection.doubtAt(at, { reason: 'malformed', detail: `annotation ${key} names no networks` });
      continue;
    }
    for (const selection of selections) searchSelection(search, selection, at);
  }
  const injected = workload.annotations.get(INJECTION);
  if (injected === undefined) return;
  take(search, {
    source: 'network-attachment',
    transport: 'rdma',
    name: injected,
    detail: `has Spiderpool add the RDMA networks of class \`${injected}\``,
    at: annotationPath(workload, INJECTION),
  });
}

interface Selection extends NetworkName {
  /** An InfiniBand GUID is given for it. */
  readonly hasGuid: boolean;
}

function searchSelection(search: Search, selection: Selection, at: ReturnType<typeof annotationPath>): void {
  const { name } = selection;
  const judged = findAttachment(search, selection);
  const sign = judged !== 'none' && 'transport' in judged ? judged : null;
  if (sign !== null || selection.hasGuid) {
    const detail = `is attached to network \`${name}\``;
    take(search, {
      source: 'network-attachment',
      name,
      detail,
      at,
      transport: selection.hasGuid ? 'infiniband' : (sign?.transport ?? 'rdma'),
      partition: sign?.partition ?? null,
    });
  } else if (judged !== 'none' && 'unknown' in judged) {
    search.inspection.doubtAt(at, { reason: 'not-given', detail: judged.unknown });
  }
}

export function findAttachment(
  { cluster, adapters }: Pick<Search, 'cluster' | 'adapters'>,
  at: NetworkName,
): Judgement {
  const definition = cluster.find('k8s.cni.cncf.io', 'NetworkAttachmentDefinition', at);
  if (definition === null) {
    const generated = findGeneratedNetwork({ cluster, adapters }, at);
    if (generated !== null) return generated;
    const transport = transportOfName(at.name);
    if (transport !== null) return { transport, partition: null };
    return { unknown: `network \`${at.namespace}/${at.name}\` is not among the objects given` };
  }
  const resource = definition.annotations.get(RESOURCE_NAME) ?? null;
  const pool = resource === null ? null : (adapters.find(resource)?.transport ?? transportOfResource(resource));
  const config = cluster.field(definition, 'spec', 'config');
  const text = textOf(config);
  const parsed = text === null ? config : parseEmbedded(config, text);
  if (parsed === null) return { unknown: `the configuration of network \`${at.name}\` is no JSON` };
  if (!parsed.isPresent) {
    if (pool !== null) return { transport: pool, partition: null };
    return { unknown: `the configuration of network \`${at.name}\` stands on the nodes` };
  }
  return judgeCniConfig(parsed, pool);
}

/** A JSON list, or `namespace/name@interface` between commas; null for neither. */
function parseSelections(place: Field, text: string, namespace: string): readonly Selection[] | null {
  if (!/^\s*[[{]/.test(text)) {
    const names = text.split(',').map((part) => /^\s*(?:([\w.-]+)\/)?([\w.-]+)(?:@[\w.-]+)?\s*$/.exec(part));
    return names.some((match) => match === null)
      ? null
      : names.flatMap((match) => [{ namespace: match?.[1] ?? namespace, name: match?.[2] ?? '', hasGuid: false }]);
  }
  const parsed = parseEmbedded(place, text);
  if (parsed === null) return null;
  const items = parsed.kind === 'list' ? itemsOf(parsed) : [parsed];
  const selections = items.map((item): Selection | null => {
    const name = textOf(entry(item, 'name')) ?? textOf(entry(item, 'cniConf', 'name'));
    if (name === null) return null;
    const guids = [entry(item, 'infiniband-guid'), entry(item, 'cni-args', 'guid')];
    return {
      namespace: textOf(entry(item, 'namespace')) ?? namespace,
      name,
      hasGuid: guids.some(({ isPresent }) => isPresent),
    };
  });
  return selections.some((selection) => selection === null)
    ? null
    : selections.filter((selection) => selection !== null);
}
