// The sidecar put together: materials, decision cache, telemetry, listeners, admin; and taken down in order.

import { randomFillSync } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type BindAddress, formatBindAddress } from '../admin/bind-address.ts';
import { createAdminServer, createProbeServer } from '../admin/admin-server.ts';
import type { PageServer } from '../admin/page-server.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { EveryNth } from '../core/every-nth.ts';
import { isLoopbackHost } from '../core/loopback.ts';
import { systemWatchPort } from '../files/watch-file-group.ts';
import { DecisionCache } from '../policy/decision-cache.ts';
import type { Authorizer } from '../proxy/context.ts';
import { IdentityFieldFilter } from '../proxy/identity-fields.ts';
import { Listener } from '../proxy/listener.ts';
import { RouteTable } from '../proxy/route.ts';
import { DecisionIds } from '../proxy/trace-context.ts';
import { UpstreamPool } from '../proxy/upstream-pool.ts';
import { VerifiedSvids } from '../spiffe/verified-svids.ts';
import type { LineSink } from '../telemetry/log-destination.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Recorder, RequestRecord } from '../telemetry/recorder.ts';
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import { DocumentError } from '../yaml/located.ts';
import type { Config, ListenerConfig } from './config.ts';
import { formatAddress, type Upstream } from './config-values.ts';
import { toConfigView } from './config-view.ts';
import { type Materials, openMaterials } from './materials.ts';
import { reportPolicy } from './policy-report.ts';
import { readinessChecks } from './readiness.ts';
import { findPackageRoot, readVersion } from './version.ts';

export interface SidecarOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Where decision log lines go. */
  readonly decisionLog: LineSink;
  readonly logWriteFailures: () => number;
  /** Told of every request after it is over; null when nobody asks. */
  readonly onRequest: ((record: RequestRecord) => void) | null;
}

export interface Sidecar {
  /** By listener name. */
  readonly listeners: ReadonlyMap<string, AddressInfo>;
  readonly admin: BindAddress | null;
  readonly probes: BindAddress | null;
  /** Stops accepting, lets requests finish within the configured time, then closes. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

const TIMED_DECISIONS = 16;
const VERIFIED_SVIDS = 10_000;
const MAX_DECISION_RECORDS_PER_SECOND = 10_000;

/** Returns when every listener accepts. @throws what is missing or wrong: nothing is left running then. */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { config, log } = options;
  const materials = await openMaterials(config, {
    builtinProtocols: join(findPackageRoot(), 'policies', 'protocols'),
    port: systemWatchPort,
    events: {
      warned: (what, { code, message }) => log.warn({ what, code, detail: message }, 'file permissions are too open'),
      reloaded: (what) => {
        telemetry.recorder.reload(what, 'success');
        log.info({ what }, 'reloaded');
      },
      failed: (what, error) => {
        telemetry.recorder.reload(what, 'failure');
        log.error({ what, err: error }, 'reload failed, the last good state stays in force');
      },
    },
  });
  const { cell: policy } = materials.policy;
  const cache = new DecisionCache({
    ...config.cache,
    onDisagreement: (cached, fresh, request) => {
      telemetry.recorder.cacheDisagreement();
      log.error({ cached, fresh, request }, 'cached decision differs from the matrix');
    },
  });
  const telemetry = createTelemetry({
    sources: {
      version: readVersion(),
      policyEpoch: () => policy.current.epoch,
      svidNotAfterMs: () => materials.identity.cell.current.value.svid.notAfterMs,
      trustBundleAuthorities: () =>
        [...materials.trust.cell.current.value].map(([name, { authorities }]) => [name, authorities.length] as const),
      decisionCache: () => ({ ...cache.counts, entries: cache.entries }),
      logWriteFailures: options.logWriteFailures,
    },
    decisionLog: {
      ...config.decisionLog,
      maxRecordsPerSecond: MAX_DECISION_RECORDS_PER_SECOND,
      destination: options.decisionLog,
      clock: systemClock,
      random: Math.random,
    },
  });
  const sidecar = new RunningSidecar(options, {
    materials,
    telemetry,
    authorizer: createAuthorizer(cache, materials, systemClock),
  });
  try {
    await sidecar.listen();
  } catch (error) {
    await sidecar.close();
    throw error;
  }
  return sidecar;
}

/** The one decide, through the cache. Its time never goes back: a clock that is set must not revive what has ended. */
function createAuthorizer(cache: DecisionCache, { policy }: Materials, clock: Clock): Authorizer {
  const startMs = clock.wallMs() - clock.monotonicMs();
  return {
    admit: (svid, trustEpoch) => cache.admit(svid, trustEpoch),
    decide: (partition, request) =>
      cache.decide(partition, policy.cell.current, request, startMs + clock.monotonicMs()),
  };
}

interface Parts {
  readonly materials: Materials;
  readonly telemetry: Telemetry;
  readonly authorizer: Authorizer;
}

class RunningSidecar implements Sidecar {
  readonly listeners = new Map<string, AddressInfo>();
  admin: BindAddress | null = null;
  probes: BindAddress | null = null;
  readonly #options: SidecarOptions;
  readonly #parts: Parts;
  readonly #pools = new Map<string, UpstreamPool>();
  readonly #listeners: readonly Listener[];
  readonly #pages: PageServer[] = [];
  readonly #unsubscribe: () => void;
  #draining = false;

  constructor(options: SidecarOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    const verified = new VerifiedSvids(VERIFIED_SVIDS);
    this.#listeners = options.config.listeners.map((listener) => this.#createListener(listener, verified));
    this.#warnOfMissingComponents();
    this.#warnOfDevelopmentIdentity();
    this.#unsubscribe = parts.materials.policy.cell.subscribe(() => this.#warnOfMissingComponents());
  }

  async listen(): Promise<void> {
    const { config, log } = this.#options;
    for (const [at, listener] of this.#listeners.entries()) {
      const address = await listener.listen();
      const name = config.listeners[at]?.name ?? '';
      this.listeners.set(name, address);
      log.info({ listener: name, address: address.address, port: address.port }, 'listening');
    }
    const { telemetry } = this.#parts;
    const scrape = (): ReturnType<Telemetry['scrape']> => telemetry.scrape();
    const readiness = readinessChecks(this.#parts.materials, { clock: systemClock, isDraining: () => this.#draining });
    if (config.admin !== null) {
      this.admin = await this.#listenPages(
        createAdminServer({
          bind: config.admin.bind,
          scrape,
          readiness,
          log,
          config: () => toConfigView(config),
          policy: () => reportPolicy(this.#parts.materials.policy.cell.current),
        }),
      );
    }
    if (config.probes !== null) {
      this.probes = await this.#listenPages(
        createProbeServer({ bind: config.probes.bind, scrape, readiness, log, clock: systemClock }),
      );
    }
    log.info(
      {
        admin: this.admin === null ? null : formatBindAddress(this.admin),
        spiffeId: this.#parts.materials.identity.cell.current.value.svid.id,
        policyDigest: this.#parts.materials.policy.cell.current.value.digest,
      },
      'ready',
    );
  }

  async drain(): Promise<void> {
    const { config, log } = this.#options;
    if (!this.#draining) log.info({ timeoutMs: config.drain.timeoutMs }, 'draining');
    this.#draining = true;
    await Promise.all(this.#listeners.map((listener) => listener.drain(config.drain.timeoutMs)));
    await this.close();
  }

  async close(): Promise<void> {
    this.#draining = true;
    this.#unsubscribe();
    for (const listener of this.#listeners) listener.close();
    for (const pool of this.#pools.values()) pool.close();
    this.#parts.materials.close();
    await Promise.all(this.#pages.map((pages) => pages.close()));
    this.#parts.telemetry.flush();
  }

  async #listenPages(pages: PageServer): Promise<BindAddress> {
    this.#pages.push(pages);
    return pages.listen();
  }

  #createListener(listener: ListenerConfig, verified: VerifiedSvids): Listener {
    const { config, log } = this.#options;
    const { materials, authorizer } = this.#parts;
    const routes = listener.routes.map(({ host, pathPrefix, component, upstream }) => ({
      host: host?.includes(':') === true ? `[${host}]` : host,
      pathPrefix,
      component,
      upstream: this.#poolFor(upstream),
    }));
    return new Listener({
      host: listener.bind.host,
      port: listener.bind.port,
      identity: materials.identity.cell,
      trust: materials.trust.cell,
      policy: materials.policy.cell,
      verified,
      onAnonymous: (reason, detail) => log.info({ listener: listener.name, reason, detail }, 'peer not authenticated'),
      context: {
        name: listener.name,
        component: listener.component,
        routes: new RouteTable(routes),
        limits: listener.limits,
        deadlines: config.upstream,
        clock: systemClock,
        authorizer,
        recorder: this.#recorder(),
        timedDecisions: new EveryNth(TIMED_DECISIONS),
        decisionIds: new DecisionIds(randomFillSync),
        identityFields: new IdentityFieldFilter(),
      },
    });
  }

  #recorder(): Recorder {
    const { onRequest } = this.#options;
    const { recorder } = this.#parts.telemetry;
    if (onRequest === null) return recorder;
    return {
      ...recorder,
      request: (record) => {
        recorder.request(record);
        onRequest(record);
      },
    };
  }

  #poolFor(upstream: Upstream): UpstreamPool {
    const key = formatAddress(upstream);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = new UpstreamPool(upstream, this.#options.config.upstream, systemClock);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** A component that the policy does not have is denied to everybody: safe, and hardly what was meant. */
  #warnOfMissingComponents(): void {
    const known = new Set(this.#parts.materials.policy.cell.current.value.components);
    for (const listener of this.#options.config.listeners) {
      for (const { component, position } of listener.routes) {
        if (known.has(component)) continue;
        this.#options.log.warn({ listener: listener.name, component, ...position }, 'the policy has no such component');
      }
    }
  }

  #warnOfDevelopmentIdentity(): void {
    const { isDevelopment, svid } = this.#parts.materials.identity.cell.current.value;
    if (!isDevelopment) return;
    for (const { name, bind } of this.#options.config.listeners) {
      if (isLoopbackHost(bind.host)) continue;
      this.#options.log.warn(
        { listener: name, address: bind.host, spiffeId: svid.id },
        'serving a non-loopback address with a certificate of the development CA',
      );
    }
  }
}

/** What to tell a person about a failure to start. */
export function describeStartFailure(error: unknown): string {
  if (error instanceof DocumentError) return error.message;
  return `sallyport: ${error instanceof Error ? error.message : String(error)}`;
}
