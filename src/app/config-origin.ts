// Where a configuration file is and where its parts stand: what turns a checked document into a configuration.

import { resolve } from 'node:path';
import type { SourcePosition } from '../core/source-position.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { positionAt, type YamlNode } from '../yaml/located.ts';
import type { TcpAddress, UnixAddress } from './config-values.ts';

export interface Origin {
  /** Relative paths begin here. */
  readonly directory: string;
  readonly root: YamlNode;
  readonly trustDomain: TrustDomain;
}

export function placeOf({ root }: Origin, ...path: readonly PropertyKey[]): SourcePosition {
  return positionAt(root, path);
}

/** Null stays null, and what is not there becomes it. */
export function resolveFile({ directory }: Origin, path: string | undefined): string | null {
  return path === undefined ? null : resolve(directory, path);
}

export function resolveFiles({ directory }: Origin, paths: ReadonlyMap<TrustDomain, string>): Map<TrustDomain, string> {
  return new Map(Array.from(paths, ([name, path]) => [name, resolve(directory, path)] as const));
}

export function resolveAddress<Address extends TcpAddress | UnixAddress>(
  { directory }: Origin,
  address: Address,
): Address {
  return address.kind === 'unix' ? { ...address, path: resolve(directory, address.path) } : address;
}
