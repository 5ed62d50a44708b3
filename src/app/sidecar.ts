// The sidecar put together: materials, telemetry, admin, data plane; brought up and taken down in order.

import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type BindAddress, formatBindAddress } from '../admin/bind-address.ts';
import { createAdminServer, createProbeServer, type ProbeServerOptions } from '../admin/admin-server.ts';
import { toListenError } from '../admin/listen.ts';
import type { PageServer } from '../admin/page-server.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { formatProblem, type SourcePosition } from '../core/source-position.ts';
import { systemWatchPort } from '../files/watch-file-group.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { DocumentError } from '../yaml/located.ts';
import { findPolicyConflicts } from './agreement.ts';
import { createAuthorizer } from './authorizer.ts';
import { Cautions } from './cautions.ts';
import { findUnsupported } from './config-unsupported.ts';
import { toConfigView } from './config-view.ts';
import { DataPlane } from './data-plane.ts';
import { createInstruments, type InstrumentOptions } from './instruments.ts';
import { type Materials, openMaterials } from './materials.ts';
import { reportPolicy } from './policy-report.ts';
import { readinessChecks, type SidecarPhase } from './readiness.ts';
import { createReloadReport, describeMaterial, MATERIAL_NAMES } from './reload-report.ts';
import { StartError, toProblem } from './start-error.ts';
import { SvidExpiry } from './svid-expiry.ts';
import { findPackageRoot } from './version.ts';

type SidecarOptions = InstrumentOptions;

export interface Sidecar {
  /** By listener name. */
  readonly listeners: ReadonlyMap<string, AddressInfo>;
  readonly admin: BindAddress | null;
  readonly probes: BindAddress | null;
  /** Stops accepting, lets requests finish within the configured time, then closes. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
  /** Hands what the decision log holds to its destination, for a process about to end. */
  flush(): void;
}

const EXPIRY_LOOK_MS = 1_000;

/** Returns when every listener accepts. @throws {StartError} with what is missing or wrong: nothing is left running then. */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { config } = options;
  const unsupported = findUnsupported(config);
  if (unsupported.length > 0) throw new StartError(unsupported.map(formatProblem));
  const materials = await openMaterials(config, {
    builtinProtocols: join(findPackageRoot(), 'policies', 'protocols'),
    port: systemWatchPort,
  });
  const conflicts = findPolicyConflicts(config, materials.policy.cell.current.value);
  if (conflicts.length > 0) throw new StartError(conflicts.map(formatProblem));
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
  readonly listeners = new Map<string, AddressInfo>();
  admin: BindAddress | null = null;
  probes: BindAddress | null = null;
  readonly #options: SidecarOptions;
  readonly #materials: Materials;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #dataPlane: DataPlane;
  readonly #pages: PageServer[] = [];
  #phase: SidecarPhase = 'starting';
  #expiryLooks: NodeJS.Timeout | null = null;
  #drained: Promise<void> | null = null;
  #closed: Promise<void> | null = null;

  constructor(options: SidecarOptions, materials: Materials, clock: Clock) {
    const { config, log } = options;
    this.#options = options;
    this.#materials = materials;
    this.#clock = clock;
    const { cache, telemetry } = createInstruments(options, materials, clock);
    this.#telemetry = telemetry;
    this.#dataPlane = new DataPlane(config, {
      materials,
      authorizer: createAuthorizer(cache, materials.policy.cell, clock),
      recorder: telemetry.recorder,
      log,
      clock,
    });
  }

  async start(): Promise<void> {
    const { log } = this.#options;
    this.#followMaterials();
    // Before the data plane: whoever watches us start should be told, and an address that is taken cost no request.
    await this.#startPages();
    await this.#startListeners();
    this.#phase = 'accepting';
    log.info(
      {
        admin: this.admin === null ? null : formatBindAddress(this.admin),
        probes: this.probes === null ? null : formatBindAddress(this.probes),
        spiffeId: this.#materials.identity.cell.current.value.svid.id,
        policyDigest: this.#materials.policy.cell.current.value.digest,
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

  flush(): void {
    this.#telemetry.flush();
  }

  async #drain(): Promise<void> {
    const { config, log } = this.#options;
    log.info({ timeoutMs: config.drain.timeoutMs }, 'draining');
    this.#phase = 'draining';
    // Until that is over policy and trust go on changing, and pages say that we are not ready.
    await this.#dataPlane.drain();
    await this.close();
  }

  async #close(): Promise<void> {
    this.#phase = 'draining';
    this.#materials.close();
    if (this.#expiryLooks !== null) clearInterval(this.#expiryLooks);
    this.#dataPlane.close();
    await Promise.all(this.#pages.map((pages) => pages.close()));
    this.flush();
  }

  #followMaterials(): void {
    const { config, log } = this.#options;
    const { recorder } = this.#telemetry;
    for (const what of MATERIAL_NAMES) log.info(describeMaterial(this.#materials, what), 'loaded');
    const cautions = new Cautions(config, this.#materials, { log, clock: this.#clock });
    cautions.onStart();
    this.#materials.follow(
      createReloadReport(this.#materials, { config, log, recorder }, (what) => cautions.onReload(what)),
    );
    const expiry = new SvidExpiry(this.#materials.identity.cell, { log, clock: this.#clock });
    expiry.look();
    this.#expiryLooks = setInterval(() => expiry.look(), EXPIRY_LOOK_MS);
  }

  async #startPages(): Promise<void> {
    const { config, log } = this.#options;
    const { admin, probes } = config;
    const shared: Omit<ProbeServerOptions, 'bind' | 'clock'> = {
      scrape: () => this.#telemetry.scrape(),
      readiness: readinessChecks(this.#materials, { clock: this.#clock, phase: () => this.#phase }),
      log,
    };
    if (admin !== null) {
      const pages = createAdminServer({
        ...shared,
        bind: admin.bind,
        config: () => toConfigView(config),
        policy: () => reportPolicy(this.#materials.policy.cell.current),
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
    for (const { config, listener } of this.#dataPlane.listeners) {
      const address = await listenAt(config, () => listener.listen());
      this.listeners.set(config.name, address);
      this.#options.log.info({ listener: config.name, address: address.address, port: address.port }, 'listening');
    }
  }
}

/** @throws {StartError} with the place where the configuration gives the address. */
async function listenAt<Address>(
  { bind, position }: { readonly bind: BindAddress; readonly position: SourcePosition },
  start: () => Promise<Address>,
): Promise<Address> {
  try {
    return await start();
  } catch (error) {
    const failure = toListenError(error, bind);
    throw new StartError([formatProblem(toProblem(failure, position))], { cause: failure });
  }
}

/** What to tell a person about a failure to start. */
export function describeStartFailure(error: unknown): string {
  if (error instanceof StartError || error instanceof DocumentError) return error.message;
  return `sallyport: ${error instanceof Error ? error.message : String(error)}`;
}
