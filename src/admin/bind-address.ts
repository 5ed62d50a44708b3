// Where an admin listener listens.

export type BindAddress =
  | {
      readonly kind: 'tcp';
      /** An IP address without brackets. */
      readonly host: string;
      /** 0 is any free port. */
      readonly port: number;
    }
  | {
      readonly kind: 'unix';
      /** Absolute. */
      readonly path: string;
    };

/** `127.0.0.1:9901`, `[::1]:9901` or `unix:/run/sallyport.sock`, as in the configuration file. */
export function formatBindAddress(address: BindAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
