// Which component and upstream a request is for.

import type { RequestHead } from '../http1/request-head.ts';
import type { Upstream } from './upstream.ts';

export interface Route {
  /** As RequestHead.host; null matches any host. */
  readonly host: string | null;
  /** That of the authority, 80 where it has none; null matches any port. */
  readonly port: number | null;
  /** `/a/b`, matches on segment boundaries; null matches any path. */
  readonly pathPrefix: string | null;
  readonly component: string;
  readonly upstream: Upstream;
}

export class RouteTable {
  readonly #routes: readonly Route[];
  readonly #hasHosts: boolean;
  readonly upstreams: ReadonlySet<Upstream>;

  /** The first route that matches wins. */
  constructor(routes: readonly Route[]) {
    this.#routes = routes;
    this.#hasHosts = routes.some((route) => route.host !== null);
    this.upstreams = new Set(routes.map((route) => route.upstream));
  }

  find(head: Pick<RequestHead, 'host' | 'authority' | 'path'>): Route | null {
    for (const route of this.#routes) {
      if (route.host !== null && route.host !== head.host) continue;
      if (route.port !== null && route.port !== portOf(head)) continue;
      if (coversPath(route.pathPrefix, head.path)) return route;
    }
    return null;
  }

  /**
   * RFC 9110 §15.5.20: where routing is by host, a connection opened for one name must not carry requests for another, or
   * whatever chose the connection by its name has chosen wrongly.
   */
  isMisdirected(serverName: string | null, host: string): boolean {
    return this.#hasHosts && serverName !== null && serverName !== host;
  }
}

const HTTP_PORT = 80;

function portOf({ host, authority }: Pick<RequestHead, 'host' | 'authority'>): number {
  return authority.length === host.length ? HTTP_PORT : Number(authority.slice(host.length + 1));
}

function coversPath(prefix: string | null, path: string): boolean {
  if (prefix === null) return true;
  return path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f);
}
