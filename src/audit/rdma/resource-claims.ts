// Adapters that pods claim by dynamic resource allocation.
// https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/

import type { Field } from '../fields.ts';
import type { KubeObject } from '../kube-object.ts';
import { findAttachment } from './attachments.ts';
import {
  judgeDeviceClass,
  judgeDriver,
  judgeResourceClass,
  selectorsOf,
  transportOfExpressions,
  type Judgement,
} from './device-classes.ts';
import { entry, itemsOf, textOf } from './embedded-json.ts';
import { take, type Search, type Sign } from './evidence.ts';

const GROUP = 'resource.k8s.io';

export function searchResourceClaims(search: Search): void {
  const { inspection } = search;
  for (const claim of inspection.list(inspection.pod, 'resourceClaims')) {
    if (inspection.itemOf(inspection.pod, claim) !== null) searchClaim(search, claim);
  }
}

function searchClaim(search: Search, claim: Field): void {
  const reference = referenceOf(claim);
  if (reference === null) return;
  const { kind, name } = reference;
  const { cluster, workload, inspection } = search;
  const object = cluster.find(GROUP, kind, { namespace: workload.namespace, name });
  if (object === null) {
    inspection.doubt(inspection.pod, claim, {
      reason: 'not-given',
      detail: `${kind} \`${name}\` is not among the objects given`,
    });
    return;
  }
  const spec = kind === 'ResourceClaim' ? cluster.field(object, 'spec') : cluster.field(object, 'spec', 'spec');
  const partition = partitionOfConfig(search, spec);
  for (const { title, judgement } of [...judgeRequests(search, spec), ...judgeAllocation(search, object)]) {
    if (judgement === 'none') continue;
    if ('unknown' in judgement) {
      inspection.doubt(inspection.pod, claim, { reason: 'not-given', detail: judgement.unknown });
      continue;
    }
    take(search, {
      source: 'resource-claim',
      name: title,
      detail: `claims a device of \`${title}\` through ${kind} \`${name}\``,
      at: claim,
      transport: judgement.transport,
      partition: judgement.partition ?? partition,
    });
  }
}

/** Before 1.31 the reference stood in `source`. */
function referenceOf(claim: Field): { readonly kind: string; readonly name: string } | null {
  for (const place of [claim, entry(claim, 'source')]) {
    const template = textOf(entry(place, 'resourceClaimTemplateName'));
    if (template !== null) return { kind: 'ResourceClaimTemplate', name: template };
    const name = textOf(entry(place, 'resourceClaimName'));
    if (name !== null) return { kind: 'ResourceClaim', name };
  }
  return null;
}

interface Judged {
  readonly title: string;
  readonly judgement: Judgement;
}

function judgeRequests(search: Search, spec: Field): readonly Judged[] {
  const old = textOf(entry(spec, 'resourceClassName'));
  if (old !== null) return [{ title: old, judgement: judgeResourceClass(search.cluster, old) }];
  return itemsOf(entry(spec, 'devices', 'requests'))
    .flatMap((request) => [request, entry(request, 'exactly'), ...itemsOf(entry(request, 'firstAvailable'))])
    .flatMap((request): readonly Judged[] => {
      const title = textOf(entry(request, 'deviceClassName'));
      if (title === null) return [];
      const judgement = judgeDeviceClass(search, title);
      const narrowed = transportOfExpressions(selectorsOf(request));
      if (narrowed !== null && judgement !== 'none')
        return [{ title, judgement: { transport: narrowed, partition: null } }];
      return [{ title, judgement }];
    });
}

/** What a claim has been given already tells more than what it asks for. */
function judgeAllocation({ cluster }: Search, object: KubeObject): readonly Judged[] {
  return itemsOf(cluster.field(object, 'status', 'allocation', 'devices', 'results')).flatMap((result) => {
    const driver = textOf(entry(result, 'driver'));
    const judgement = driver === null ? null : judgeDriver(driver);
    return driver === null || judgement === null || judgement === 'none' ? [] : [{ title: driver, judgement }];
  });
}

/** A driver may attach the adapter to a network of Multus. */
function partitionOfConfig(search: Search, spec: Field): Sign['partition'] {
  for (const config of itemsOf(entry(spec, 'devices', 'config'))) {
    const parameters = entry(config, 'opaque', 'parameters');
    const name = textOf(entry(parameters, 'netAttachDefName'));
    if (name === null) continue;
    const namespace = textOf(entry(parameters, 'netAttachDefNamespace')) ?? search.workload.namespace;
    const attachment = findAttachment(search, { namespace, name });
    if (attachment !== 'none' && 'transport' in attachment) return attachment.partition;
  }
  return null;
}
