// The only place where a Decision turns into the right to forward.

import type { Brand } from '../core/brand.ts';
import type { Decision } from '../policy/decision.ts';

/** Proof that a decision permits the request; forward() takes nothing else. */
export type Permit = Brand<Decision & { readonly effect: 'allow' | 'would-deny' }, 'Permit'>;
export type Denial = Brand<Decision & { readonly effect: 'deny' }, 'Denial'>;

export function enforce(decision: Decision): Permit | Denial {
  switch (decision.effect) {
    case 'allow':
    case 'would-deny':
      return decision as Permit;
    case 'deny':
      return decision as Denial;
  }
}
