// What one worker may use of what the configuration gives all of them together.

import type { ListenerLimits } from '../../proxy/context.ts';
import type { Config } from '../config.ts';

/**
 * Bounds are rounded down, so that there is never more than was written; the configuration has proven that each is enough for one.
 * What only limits memory is rounded up. `portOf` is where each listener really is, by name.
 */
export function toWorkerConfig(config: Config, portOf: ReadonlyMap<string, number>): Config {
  const { workers, cache, decisionLog, upstream } = config;
  const bound = (total: number): number => Math.floor(total / workers);
  const part = (total: number): number => Math.ceil(total / workers);
  const shareLimits = (limits: ListenerLimits): ListenerLimits => ({
    ...limits,
    maxConnections: bound(limits.maxConnections),
    maxConnectionsPerPrincipal: bound(limits.maxConnectionsPerPrincipal),
  });
  const maxConnections = bound(upstream.maxConnections);
  return {
    ...config,
    listeners: config.listeners.map((listener) => ({
      ...listener,
      bind:
        listener.bind.kind === 'tcp'
          ? { ...listener.bind, port: portOf.get(listener.name) ?? listener.bind.port }
          : listener.bind,
      limits: shareLimits(listener.limits),
    })),
    limits: shareLimits(config.limits),
    upstream: {
      ...upstream,
      maxConnections,
      maxIdleConnections: Math.min(part(upstream.maxIdleConnections), maxConnections),
      maxPending: bound(upstream.maxPending),
    },
    decisionLog: { ...decisionLog, queueEntries: part(decisionLog.queueEntries) },
    cache: {
      ...cache,
      maxEntries: part(cache.maxEntries),
      maxEntriesPerPrincipal: part(cache.maxEntriesPerPrincipal),
    },
  };
}
