// The question a request asks of the access matrix.

import type { RequestHead } from '../http1/request-head.ts';
import type { AuthzRequest } from '../policy/decide.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { Route } from './route.ts';

export function toAuthzRequest(
  principal: SpiffeId,
  head: Pick<RequestHead, 'method' | 'path' | 'query' | 'upgrade'>,
  route: Pick<Route, 'component'>,
): AuthzRequest {
  const { method, path, query, upgrade } = head;
  return { principal, target: route.component, method, path, query, upgrade };
}
