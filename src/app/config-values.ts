// The small notations of the configuration file: durations, sizes, addresses to bind, upstreams, hosts and path prefixes.

import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { SallyportError } from '../core/error.ts';

export interface TcpAddress {
  readonly kind: 'tcp';
  /** An IP address in canonical form without brackets; for an upstream also a lower-case host name. */
  readonly host: string;
  /** 0 in a bind: any free port. */
  readonly port: number;
}

export interface UnixAddress {
  readonly kind: 'unix';
  /** Absolute. */
  readonly path: string;
}

export type Upstream = TcpAddress | UnixAddress;
