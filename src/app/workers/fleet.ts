// Several processes that serve as one would: told the same in the same order, counted together, drained together, replaced one by one.

import type { BindAddress } from '../../admin/bind-address.ts';
import type { ReadinessCheck } from '../../admin/readiness.ts';
import { systemSchedule } from '../../core/clock.ts';
import type { LogDestination } from '../../telemetry/log-destination.ts';
import { mergeMetrics, type ReportedMetric, retireMetrics } from '../../telemetry/metric-merge.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { ListenerConfig } from '../config.ts';
import type { CreatePlane, Plane, PlaneParts } from '../plane.ts';
import { claimAddresses } from './claim-addresses.ts';
import { BEAT_MS } from './messages.ts';
import { toWorkerConfig } from './shares.ts';
import { StateStream } from './state-stream.ts';
import { WorkerSlot } from './worker-slot.ts';

export interface FleetHost {
  /** The file of this program. */
  readonly program: string;
  /** Where log lines go, those of workers among them. */
  readonly logDestination: LogDestination;
}

const REPORT_TIMEOUT_MS = 1_000;
/** What a worker counted in this time is lost when it is killed. */
const BEATS_PER_REPORT = 10;
/** For what remains after the last connection: the log, and the end of the process. */
const AFTER_DRAIN_MS = 5_000;
const END_TIMEOUT_MS = 500;

export function fleetOn(host: FleetHost): CreatePlane {
  return (parts) => new Fleet(parts, host);
}

class Fleet implements Plane {
  readonly readiness: readonly ReadinessCheck[];
  readonly #parts: PlaneParts;
  readonly #slots: readonly WorkerSlot[];
  readonly #stream: StateStream;
  readonly #heart: NodeJS.Timeout;
  #beats = 0;
  #retired: readonly ReportedMetric[] = [];

  /** The processes come to life at once, while everything else starts as well. */
  constructor(parts: PlaneParts, { program, logDestination }: FleetHost) {
    const { config, materials, log, clock } = parts;
    this.#parts = parts;
    this.#stream = new StateStream(materials, (sequence, change) => {
      for (const slot of this.#slots) slot.change({ kind: 'change', sequence, change });
    });
    const onRetired = (report: readonly ReportedMetric[]): void => {
      this.#retired = retireMetrics(this.#retired, report);
    };
    this.#slots = Array.from(
      { length: config.workers },
      (_, at) =>
        new WorkerSlot({
          number: at + 1,
          program,
          logDestination,
          log,
          clock,
          schedule: systemSchedule,
          onRetired,
        }),
    );
    this.#heart = setInterval(() => this.#beat(), BEAT_MS);
    this.readiness = [{ name: 'workers', run: () => this.#assess() }];
  }

  async listen(onListening: (listener: ListenerConfig, address: BindAddress) => void): Promise<void> {
    const { config } = this.#parts;
    const addresses = await claimAddresses(config);
    const portOf = new Map(Array.from(addresses, ([name, { port }]) => [name, port]));
    const share = toWorkerConfig(config, portOf);
    const begin = () =>
      ({ kind: 'start', config: share, sequence: this.#stream.sequence, state: this.#stream.all() }) as const;
    await Promise.all(this.#slots.map((slot) => slot.start(begin)));
    for (const listener of config.listeners) {
      const address = addresses.get(listener.name);
      if (address !== undefined) onListening(listener, { kind: 'tcp', host: address.address, port: address.port });
    }
  }

  async scrape(): ReturnType<Telemetry['scrape']> {
    const [own] = await Promise.all([
      this.#parts.telemetry.report(),
      ...this.#slots.map((slot) => slot.refreshReport(REPORT_TIMEOUT_MS)),
    ]);
    const ofWorkers = this.#slots.map(({ lastReport }) => lastReport);
    return mergeMetrics([...own, ...this.#ownMetrics()], [...ofWorkers, this.#retired]);
  }

  reverify(): void {
    for (const slot of this.#slots) slot.tell({ kind: 'reverify' });
  }

  async drain(): Promise<void> {
    const leaving = this.#slots.map((slot) => slot.leave({ kind: 'drain' }));
    await this.#until(leaving, this.#parts.config.drain.timeoutMs + AFTER_DRAIN_MS);
  }

  async close(): Promise<void> {
    this.#stream.close();
    const leaving = this.#slots.map((slot) => slot.leave({ kind: 'end' }));
    await this.#until(leaving, END_TIMEOUT_MS);
    clearInterval(this.#heart);
  }

  /** Whoever has not left by then is killed. */
  async #until(leaving: readonly Promise<void>[], deadlineMs: number): Promise<void> {
    const deadline = setTimeout(() => {
      for (const slot of this.#slots) slot.kill();
    }, deadlineMs);
    await Promise.all(leaving);
    clearTimeout(deadline);
  }

  #beat(): void {
    this.#beats += 1;
    for (const slot of this.#slots) {
      slot.beat();
      if (this.#beats % BEATS_PER_REPORT === 0) slot.tell({ kind: 'report' });
    }
  }

  #assess(): ReturnType<ReadinessCheck['run']> {
    const states = this.#slots.map(({ state }, at) => ({ number: at + 1, state }));
    const missing = states.filter(({ state }) => state !== 'ready');
    const ready = `${states.length - missing.length} of ${states.length} ready`;
    const detail = [ready, ...missing.map(({ number, state }) => `worker ${number} ${DETAILS[state]}`)].join('; ');
    return { ok: missing.length === 0, detail };
  }

  #ownMetrics(): readonly ReportedMetric[] {
    const serving = this.#slots.filter(({ state }) => state === 'ready').length;
    const restarts = this.#slots.reduce((sum, slot) => sum + slot.restarts, 0);
    return [
      {
        type: 'gauge',
        name: 'sallyport_workers',
        help: 'Workers that serve now by what is in force; fewer than `workers` of the configuration is less than was asked for.',
        values: [{ labels: {}, value: serving }],
      },
      {
        type: 'counter',
        name: 'sallyport_worker_restarts_total',
        help: 'Workers that took the place of one that had ended.',
        values: [{ labels: {}, value: restarts }],
      },
    ];
  }
}

const DETAILS = {
  ready: 'is ready',
  starting: 'is starting',
  behind: 'does not have what is in force yet',
  silent: 'does not answer',
  ended: 'has ended',
  'keeps ending': 'keeps ending',
} as const;
