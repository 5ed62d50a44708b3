// Verdicts about a component stand where the matrix declares it.

import type { CompiledPolicy } from '../../../policy/matrix.ts';
import type { ResourceRef } from '../../finding.ts';

export function refToComponent({ declarations }: CompiledPolicy, name: string): ResourceRef {
  return {
    apiVersion: 'sallyport',
    kind: 'Component',
    namespace: null,
    name,
    container: null,
    ref: `${name}[Component]`,
    object: null,
    locate: () => declarations.get(name)?.position ?? null,
    body: null,
  };
}
