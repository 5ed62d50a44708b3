// Where peers are served: in this process, or in several under it.

import type { BindAddress } from '../admin/bind-address.ts';
import type { ReadinessCheck } from '../admin/readiness.ts';
import type { Clock } from '../core/clock.ts';
import type { DecisionCache } from '../policy/decision-cache.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { createAuthorizer } from './authorizer.ts';
import type { Config, ListenerConfig } from './config.ts';
import { DataPlane } from './data-plane.ts';
import { listenAt } from './listen-at.ts';
import type { Materials } from './materials/materials.ts';

export interface PlaneParts {
  readonly config: Config;
  readonly materials: Materials;
  /** Of this process. */
  readonly cache: DecisionCache;
  readonly telemetry: Telemetry;
  readonly log: Logger;
  readonly clock: Clock;
}

export interface Plane {
  /** What it adds to what a sidecar is ready by. */
  readonly readiness: readonly ReadinessCheck[];
  /** Resolves when every listener accepts, each of which is told. @throws {StartError} */
  listen(onListening: (listener: ListenerConfig, address: BindAddress) => void): Promise<void>;
  /** Of every process. */
  scrape: Telemetry['scrape'];
  /** Asks of every open connection whether it still may be. */
  reverify(): void;
  /** Stops accepting, and resolves when requests have finished or the configured time is over. */
  drain(): Promise<void>;
  /** Ends everything at once, and resolves when whatever was logged elsewhere has come. */
  close(): Promise<void>;
}

export type CreatePlane = (parts: PlaneParts) => Plane;

/** All in this process. */
export const createLocalPlane: CreatePlane = ({ config, materials, cache, telemetry, log, clock }) => {
  const dataPlane = new DataPlane(config, {
    materials,
    authorizer: createAuthorizer(cache, materials.policy, clock),
    recorder: telemetry.recorder,
    log,
    clock,
  });
  return {
    readiness: [],
    listen: async (onListening) => {
      for (const { config: at, listener } of dataPlane.listeners) {
        onListening(at, await listenAt(at, () => listener.listen()));
      }
    },
    scrape: () => telemetry.scrape(),
    reverify: () => dataPlane.reverify(),
    drain: () => dataPlane.drain(),
    close: () => {
      dataPlane.close();
      return Promise.resolve();
    },
  };
};
