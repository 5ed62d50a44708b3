// The question a request asks of the access matrix.

import type { RequestHead } from '../http1/request-head.ts';
import type { AuthzRequest } from '../policy/decide.ts';
import type { X509Svid } from '../spiffe/x509-svid.ts';
import type { Route } from './route.ts';

export function toAuthzRequest(svid: X509Svid, head: RequestHead, route: Route): AuthzRequest {
  return { principal: svid.id, target: route.component, method: head.method, path: head.path, query: head.query };
}
