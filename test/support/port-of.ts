// The port of an address that is one of TCP.

interface Address {
  readonly kind: 'tcp' | 'unix';
  readonly port?: number;
}

/** 0 of a unix socket, and where there is no address. */
export function portOf(address: Address | undefined): number {
  return address?.port ?? 0;
}
