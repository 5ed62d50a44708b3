// The authorization services of a configuration as the program uses them.

import type { SourcePosition } from '../core/source-position.ts';
import { type IdPattern, parseIdPattern } from '../spiffe/id-pattern.ts';
import type { AuthorizationServiceDocument } from './config-authorization-schema.ts';
import { type Origin, placeOf, resolveAddress } from './config-origin.ts';
import type { TcpAddress, UnixAddress } from './config-values.ts';

export interface AuthorizationServiceConfig {
  /** Of no other service or listener. */
  readonly name: string;
  readonly protocol: 'envoy' | 'nginx' | 'forward-auth';
  /** Of TCP without `callers`: loopback. */
  readonly bind: TcpAddress | UnixAddress;
  /** Of the address. */
  readonly position: SourcePosition;
  /** Who may open a Unix socket. */
  readonly openTo: 'owner' | 'group';
  readonly components:
    | { readonly kind: 'one'; readonly component: string }
    | { readonly kind: 'named'; readonly components: readonly string[] };
  /** Where the configuration names them. */
  readonly componentsPosition: SourcePosition;
  /** Null where no caller proves who it is. */
  readonly callers: readonly IdPattern[] | null;
}

export function toAuthorizationConfig(
  services: readonly AuthorizationServiceDocument[],
  origin: Origin,
): readonly AuthorizationServiceConfig[] {
  return services.map((service, at) => {
    const { name, protocol, bind, openTo = 'owner', component, components = [], callers } = service;
    const key = component === undefined ? 'components' : 'component';
    return {
      name,
      protocol,
      bind: resolveAddress(origin, bind),
      position: placeOf(origin, 'authorization', at, 'bind'),
      openTo,
      components: component === undefined ? { kind: 'named', components } : { kind: 'one', component },
      componentsPosition: placeOf(origin, 'authorization', at, key),
      callers: callers?.map((text) => parseIdPattern(text, origin.trustDomain)) ?? null,
    };
  });
}

/** Those that a check may be about. */
export function componentsOf({ components }: AuthorizationServiceConfig): readonly string[] {
  return components.kind === 'one' ? [components.component] : components.components;
}
