// The request that a check is about, by the rules of our own codec: what those would not let through is not decided.

import { findHostEnd } from '../http1/authority.ts';
import { isProxiedMethod } from '../http1/method.ts';
import { isToken } from '../http1/octets.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { MAX_TARGET_OCTETS } from '../http1/request-head-parser.ts';
import { findPathFlaw, findQueryFlaw } from '../http1/request-target.ts';
import { H2C, readProtocol } from '../http1/upgrade.ts';
import type { Refusal } from '../proxy/refusal.ts';

/** As the data plane tells it. */
export interface ToldRequest {
  readonly method: string;
  /** Path and query as in the request line. */
  readonly target: string;
  /** Host, or `:authority`. */
  readonly authority: string;
  /** As told, where it asks to switch to another protocol. */
  readonly upgrade: string | null;
}

export type AskedRequest =
  | ({ readonly kind: 'asked' } & Pick<RequestHead, 'method' | 'authority' | 'path' | 'query' | 'upgrade'>)
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export function readAskedRequest({ method, target, authority, upgrade: told }: ToldRequest): AskedRequest {
  if (!isToken(method)) return { kind: 'refused', refusal: 'ambiguous-request' };
  if (!isProxiedMethod(method)) return { kind: 'refused', refusal: 'method-not-implemented' };
  if (target.length > MAX_TARGET_OCTETS) return { kind: 'refused', refusal: 'target-too-long' };
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? null : target.slice(mark + 1);
  if (
    findPathFlaw(path) !== null ||
    (query !== null && findQueryFlaw(query) !== null) ||
    findHostEnd(authority) === null
  )
    return { kind: 'refused', refusal: 'ambiguous-request' };
  const upgrade = told === null ? null : readProtocol(told);
  if (upgrade === null && told !== null) return { kind: 'refused', refusal: 'ambiguous-request' };
  // A tunnel of unseen requests, and the field cannot be taken out of what the data plane forwards.
  if (upgrade === H2C) return { kind: 'refused', refusal: 'method-not-implemented' };
  return { kind: 'asked', method, authority: authority.toLowerCase(), path, query, upgrade };
}
