// What the upstream of a data plane is told of a request that was permitted: as of one that we forward ourselves.

import type { Ruling } from './judge.ts';

export function permittedFields({
  principal,
  component,
  decisionId,
}: Extract<Ruling, { kind: 'permitted' }>): readonly (readonly [name: string, value: string])[] {
  return [
    ['x-spiffe-id', principal],
    ['x-sallyport-component', component],
    ['x-sallyport-decision-id', decisionId],
  ];
}
