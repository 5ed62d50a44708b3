// The sidecar put together: materials, telemetry, admin, and where peers are served; brought up and taken down in order.

import { join } from 'node:path';
import { type BindAddress, formatBindAddress } from '../admin/bind-address.ts';
import { createAdminServer, createProbeServer, type ProbeServerOptions } from '../admin/admin-server.ts';
import type { PageServer } from '../admin/page-server.ts';
import { type Clock, systemClock, systemSchedule } from '../core/clock.ts';
import { formatProblem } from '../core/source-position.ts';
import { systemWatchPort } from '../files/watch-file-group.ts';
import type { BundleEndpoint } from '../federation/bundle-endpoint.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { DocumentError } from '../yaml/located.ts';
import { findPolicyConflicts } from './agreement.ts';
import { Authorization } from './authorization.ts';
import { createAuthorizer } from './authorizer.ts';
import { startBundleEndpoint } from './bundle-endpoint.ts';
import { Cautions } from './cautions.ts';
import { ClockWatch } from './clock-watch.ts';
import { toConfigView } from './config-view.ts';
import type { Config } from './config.ts';
import { listenAt } from './listen-at.ts';
import { createInstruments, type InstrumentOptions, type SharedFigures } from './instruments.ts';
import { type Materials, openMaterials } from './materials/materials.ts';
import type { CreatePlane, Plane } from './plane.ts';
import { reportPolicy } from './policy-report.ts';
import { readinessChecks, type SidecarPhase } from './readiness.ts';
import { createReloadReport, describeMaterial } from './reload-report.ts';
import { createSourceReport } from './source-report.ts';
import { StartError } from './start-error.ts';
import { formatIdentity } from './identity-text.ts';
import { reportTrust, toTrustFigures } from './trust-report.ts';
import { SvidExpiry } from './svid-expiry.ts';
import { findPackageRoot } from './version.ts';

export interface SidecarOptions extends InstrumentOptions {
  /** `SPIFFE_ENDPOINT_SOCKET` of the environment. */
  readonly endpointSocket: string | null;
  readonly createPlane: CreatePlane;
  /** Ends a start that is still waiting for what has to come from elsewhere. */
  readonly signal: AbortSignal;
}

export interface Sidecar {
  /** By listener name. */
  readonly listeners: ReadonlyMap<string, BindAddress>;
  /** By name of the authorization service. */
  readonly services: ReadonlyMap<string, BindAddress>;
  readonly admin: BindAddress | null;
  readonly probes: BindAddress | null;
  /** Stops accepting, lets requests finish within the configured time, then closes. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
  /** Ends whatever serves in other processes at once; resolves when what they logged has come. */
  endWorkers(): Promise<void>;
  /** Hands what the decision log holds to its destination, for a process about to end. */
  flush(): void;
}

const LOOK_MS = 1_000;

/** Returns when every listener and service accepts. @throws {StartError} with what is missing or wrong: nothing is left running then. */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { config } = options;
  const materials = await openMaterials(config, {
    builtinProtocols: join(findPackageRoot(), 'policies', 'protocols'),
    port: systemWatchPort,
    clock: systemClock,
    schedule: systemSchedule,
    random: Math.random,
    endpointSocket: options.endpointSocket,
  });
  const conflicts = findPolicyConflicts(config, materials.policy.current.value);
  if (conflicts.length > 0) {
    materials.close();
    throw new StartError(conflicts.map(formatProblem));
  }
  const sidecar = new RunningSidecar(options, materials, systemClock);
  try {
    await sidecar.start();
  } catch (error) {
    await sidecar.close();
    throw error;
  }
  return sidecar;
}

class RunningSidecar implements Sidecar {
  readonly listeners = new Map<string, BindAddress>();
  readonly services = new Map<string, BindAddress>();
  admin: BindAddress | null = null;
  probes: BindAddress | null = null;
  readonly #options: SidecarOptions;
  readonly #materials: Materials;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #plane: Plane;
  readonly #authorization: Authorization;
  readonly #pages: PageServer[] = [];
  #phase: SidecarPhase = 'starting';
  #bundleEndpoint: BundleEndpoint | null = null;
  #looks: NodeJS.Timeout | null = null;
  #drained: Promise<void> | null = null;
  #closed: Promise<void> | null = null;

  constructor(options: SidecarOptions, materials: Materials, clock: Clock) {
    const { config, log } = options;
    this.#options = options;
    this.#materials = materials;
    this.#clock = clock;
    const { cache, telemetry } = createInstruments(options, figuresOf(config, materials, clock), clock);
    this.#telemetry = telemetry;
    this.#plane = options.createPlane({ config, materials, cache, telemetry, log, clock });
    this.#authorization = new Authorization(config, {
      materials,
      authorizer: createAuthorizer(cache, materials.policy, clock),
      recorder: telemetry.recorder,
      log,
      clock,
    });
  }

  async start(): Promise<void> {
    const { config, log, signal } = this.#options;
    const cautions = this.#followMaterials();
    // Before the data plane: whoever watches us start should be told, and an address that is taken cost no request.
    await this.#startPages();
    await this.#materials.arrival(signal);
    signal.throwIfAborted();
    for (const what of this.#materials.fileFailures.keys()) log.info(describeMaterial(this.#materials, what), 'loaded');
    cautions.onStart();
    // In other processes this takes a while, and a signal that was meant for all of them may have ended those.
    await Promise.race([this.#startListeners(), rejectedBy(signal)]);
    this.#bundleEndpoint = await startBundleEndpoint(config, this.#materials, { log, clock: this.#clock });
    this.#phase = 'accepting';
    log.info(
      {
        admin: this.admin === null ? null : formatBindAddress(this.admin),
        probes: this.probes === null ? null : formatBindAddress(this.probes),
        spiffeId: this.#materials.identity.current.value?.svid.id ?? null,
        policyDigest: this.#materials.policy.current.value.digest,
      },
      'ready',
    );
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  endWorkers(): Promise<void> {
    return this.#plane.close();
  }

  flush(): void {
    this.#telemetry.flush();
  }

  async #drain(): Promise<void> {
    const { config, log } = this.#options;
    log.info({ timeoutMs: config.drain.timeoutMs }, 'draining');
    this.#phase = 'draining';
    // Until that is over policy and trust go on changing, and pages say that we are not ready.
    await Promise.all([this.#plane.drain(), this.#authorization.drain()]);
    await this.close();
  }

  async #close(): Promise<void> {
    this.#phase = 'draining';
    this.#materials.close();
    if (this.#looks !== null) clearInterval(this.#looks);
    this.#authorization.close();
    const closing = this.#plane.close();
    await Promise.all([closing, this.#bundleEndpoint?.close(), ...this.#pages.map((pages) => pages.close())]);
    this.flush();
  }

  #followMaterials(): Cautions {
    const { config, log } = this.#options;
    const { recorder } = this.#telemetry;
    const materials = this.#materials;
    const cautions = new Cautions(config, materials, { log, clock: this.#clock });
    materials.follow({
      ...createReloadReport(materials, { config, log, recorder }, (what) => cautions.onReload(what)),
      ...createSourceReport(materials, { log, clock: this.#clock, onIdentity: () => cautions.onReload('identity') }),
    });
    const expiry = new SvidExpiry(materials.identity, { log, clock: this.#clock });
    const clockWatch = new ClockWatch(this.#clock, (differenceMs) => {
      const seconds = Math.round(differenceMs / 1000);
      log.warn({ seconds }, 'the wall clock has jumped, everything that has a validity is looked at again');
      recorder.clockJump(differenceMs > 0 ? 'forward' : 'backward');
      this.#plane.reverify();
      this.#authorization.reverify();
      materials.refreshNow();
    });
    expiry.look();
    this.#looks = setInterval(() => {
      clockWatch.look();
      expiry.look();
    }, LOOK_MS);
    return cautions;
  }

  async #startPages(): Promise<void> {
    const { config, log } = this.#options;
    const { admin, probes } = config;
    const shared: Omit<ProbeServerOptions, 'bind' | 'clock'> = {
      scrape: () => this.#plane.scrape(),
      readiness: [
        ...readinessChecks(config, this.#materials, { clock: this.#clock, phase: () => this.#phase }),
        ...this.#plane.readiness,
      ],
      log,
    };
    if (admin !== null) {
      const pages = createAdminServer({
        ...shared,
        bind: admin.bind,
        config: () => toConfigView(config),
        identity: () => {
          const report = reportTrust(config, this.#materials, this.#clock);
          return { json: report, text: formatIdentity(report) };
        },
        policy: () => reportPolicy(this.#materials.policy.current),
      });
      this.#pages.push(pages);
      this.admin = await listenAt(admin, () => pages.listen());
    }
    if (probes !== null) {
      const pages = createProbeServer({ ...shared, bind: probes.bind, clock: this.#clock });
      this.#pages.push(pages);
      this.probes = await listenAt(probes, () => pages.listen());
    }
  }

  async #startListeners(): Promise<void> {
    await this.#plane.listen(({ name }, address) => {
      this.listeners.set(name, address);
      const at =
        address.kind === 'tcp'
          ? { address: address.host, port: address.port }
          : { address: formatBindAddress(address) };
      this.#options.log.info({ listener: name, ...at }, 'listening');
    });
    await this.#authorization.listen(({ name, protocol }, address) => {
      this.services.set(name, address);
      this.#options.log.info({ service: name, protocol, address: formatBindAddress(address) }, 'answering checks');
    });
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function figuresOf(config: Config, materials: Materials, clock: Clock): SharedFigures {
  return {
    policyEpoch: () => materials.policy.current.epoch,
    trust: () => toTrustFigures(reportTrust(config, materials, clock)),
    reloadsFailing: () => Array.from(materials.fileFailures, ([name, failure]) => [name, failure !== null] as const),
  };
}

/** What to tell a person about a failure to start. */
export function describeStartFailure(error: unknown): string {
  if (error instanceof StartError || error instanceof DocumentError) return error.message;
  return `sallyport: ${error instanceof Error ? error.message : String(error)}`;
}
