// How a connection to an upstream comes about, whatever is spoken on it: over plain TCP or a Unix socket, or over mTLS (upstream-tls.ts).

import { connect, type OnReadOpts, type Socket } from 'node:net';
import type { Lease } from './lease.ts';
import type { Refusal } from './refusal.ts';

export type UpstreamAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** What a connection rests on whose server has proven who it is. Nothing may begin on it, or go on, without asking. */
export interface ServerLease extends Lease {
  /** Whether the end is so near that nothing had better begin. */
  readonly endsSoon: boolean;
}

/** One of the two is called, at most once, unless the socket fails or is destroyed before. */
export interface DialUser {
  /** From now on the socket may be written to. `lease` is null where whoever answers at the address is the server. */
  dialled(lease: ServerLease | null): void;
  /** The socket is destroyed after this. */
  dialRefused(refusal: Refusal): void;
}

/** @returns at once, with a socket on which nothing may be written before `user` is told. How long that takes is for the caller to limit. */
export type Dial = (user: DialUser, onread: OnReadOpts | null) => Socket;

export function plainDial(address: UpstreamAddress): Dial {
  return (user, onread) => {
    const socket = connect({ ...endpointOf(address), ...(onread === null ? {} : { onread }) });
    socket.on('connect', () => user.dialled(null));
    return socket;
  };
}

/** As options of node:net and node:tls have it. */
export function endpointOf(
  address: UpstreamAddress,
): { readonly host: string; readonly port: number; readonly noDelay: true } | { readonly path: string } {
  return address.kind === 'tcp' ? { host: address.host, port: address.port, noDelay: true } : { path: address.path };
}
