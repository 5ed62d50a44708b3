// Adapters that containers request as extended resources.

import type { Field } from '../fields.ts';
import type { Scope } from '../pods/inspection.ts';
import { transportOfResource } from './adapter-names.ts';
import { judgeDeviceClass } from './device-classes.ts';
import { take, type Search, type Sign } from './evidence.ts';
import { findGkeNetwork, GKE_RESOURCE_PREFIX } from './gke-networks.ts';

const QUANTITY = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[numkMGTPE]i?|[eE][+-]?\d+)?$/;

export function searchExtendedResources(search: Search): void {
  for (const scope of search.scopes) {
    const seen = new Set<string>();
    for (const key of ['limits', 'requests']) {
      const list = search.inspection.map({ ...scope, isPartial: null }, 'resources', key);
      if (list.kind !== 'value') continue;
      for (const [resource, amount] of list.value.asMap()) {
        if (seen.has(resource)) continue;
        const sign = signOf(search, scope, { resource, amount });
        if (sign === null || !isRequested(search, scope, amount)) continue;
        seen.add(resource);
        take(search, {
          source: 'extended-resource',
          name: resource,
          detail: `requests \`${resource}\`${sign.by === null ? '' : `, declared by ${sign.by}`}`,
          container: scope.container,
          at: amount,
          ...sign,
        });
      }
    }
  }
}

type NamedSign = Sign & { readonly by: string | null };

function signOf(
  search: Search,
  scope: Scope,
  { resource, amount }: { readonly resource: string; readonly amount: Field },
): NamedSign | null {
  const declared = search.adapters.find(resource);
  if (declared !== null) return { ...declared, partition: null };
  const deviceClass = search.adapters.deviceClassOf(resource);
  if (deviceClass !== null) return fromJudgement(judgeDeviceClass(search, deviceClass), search, { scope, amount });
  if (resource.startsWith(GKE_RESOURCE_PREFIX)) {
    const name = resource.slice(GKE_RESOURCE_PREFIX.length).replace(/\.IP$/, '');
    return fromJudgement(findGkeNetwork(search, name), search, { scope, amount });
  }
  const transport = transportOfResource(resource);
  return transport === null ? null : { transport, partition: null, by: null };
}

function fromJudgement(
  judgement: Sign | 'none' | { readonly unknown: string },
  { inspection }: Search,
  { scope, amount }: { readonly scope: Scope; readonly amount: Field },
): NamedSign | null {
  if (judgement === 'none') return null;
  if ('transport' in judgement) return { ...judgement, by: null };
  if (!isZero(amount)) inspection.doubt(scope, amount, { reason: 'not-given', detail: judgement.unknown });
  return null;
}

/** A request of "0" gets no device. What is no quantity is in doubt. */
function isRequested({ inspection }: Search, scope: Scope, amount: Field): boolean {
  if (!amount.isPresent || isZero(amount)) return false;
  const text = amount.asQuantity();
  if (text !== null && QUANTITY.test(text)) return true;
  inspection.doubt(scope, amount, { reason: 'malformed', detail: 'the amount of an adapter is no quantity' });
  return false;
}

function isZero(amount: Field): boolean {
  return (
    (amount.kind === 'number' && amount.value === 0) ||
    /^[+-]?(?:0+\.?0*|\.0+)(?:[a-zA-Z]\w*)?$/.test(String(amount.value))
  );
}
