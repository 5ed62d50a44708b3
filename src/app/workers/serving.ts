// What a worker does: serves its share of the connections by what it is told is in force, and counts.

import { type Clock, systemClock } from '../../core/clock.ts';
import type { LogDestination } from '../../telemetry/log-destination.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { ReportedMetric } from '../../telemetry/metric-merge.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { TrustFigures } from '../../telemetry/trust-metrics.ts';
import { createAuthorizer } from '../authorizer.ts';
import { DataPlane } from '../data-plane.ts';
import { createInstruments } from '../instruments.ts';
import { listenAt } from '../listen-at.ts';
import { FollowedState } from './followed-state.ts';
import type { StateChange } from './state-change.ts';
import type { StartMessage } from './worker-slot.ts';

interface ServingParts {
  readonly log: Logger;
  readonly destination: LogDestination;
  /** @throws {Error} when what is in force here may be out of date. */
  readonly assertCurrent: () => void;
}

export class Serving {
  readonly #state: FollowedState;
  readonly #telemetry: Telemetry;
  readonly #dataPlane: DataPlane;
  #sequence: number;

  constructor({ config, state, sequence }: StartMessage, { log, destination, assertCurrent }: ServingParts) {
    const clock = systemClock;
    const followed = new FollowedState(state, assertCurrent);
    const { cache, telemetry } = createInstruments(
      { config, log, decisionLog: destination, logWriteFailures: () => destination.failures, onRequest: null },
      {
        policyEpoch: () => followed.policy.current.epoch,
        trust: () => figuresOf(followed, clock),
        reloadsFailing: () => [],
      },
      clock,
    );
    this.#state = followed;
    this.#telemetry = telemetry;
    this.#sequence = sequence;
    this.#dataPlane = new DataPlane(config, {
      materials: followed,
      authorizer: createAuthorizer(cache, followed.policy, clock),
      recorder: telemetry.recorder,
      log,
      clock,
    });
  }

  /** Up to where everything is in force. */
  get sequence(): number {
    return this.#sequence;
  }

  /** @throws {StartError} */
  async listen(): Promise<void> {
    for (const { config, listener } of this.#dataPlane.listeners) await listenAt(config, () => listener.listen());
  }

  /** It is in force when this returns. */
  apply(sequence: number, change: StateChange): void {
    this.#state.apply(change);
    this.#sequence = sequence;
    // Counted where files are read; here it is the end of what was remembered of the policy before.
    if (change.what === 'policy') this.#telemetry.recorder.reload('policy', 'success');
  }

  reverify(): void {
    this.#dataPlane.reverify();
  }

  report(): Promise<readonly ReportedMetric[]> {
    return this.#telemetry.report();
  }

  drain(): Promise<void> {
    return this.#dataPlane.drain();
  }

  /** Ends every connection, and hands over what is left of the decision log. */
  close(): void {
    this.#dataPlane.close();
    this.#telemetry.flush();
  }

  flush(): void {
    this.#telemetry.flush();
  }
}

/** Of trust a worker knows nothing but what it serves with itself; the rest is told by whoever reads it. */
function figuresOf({ identity }: FollowedState, clock: Clock): TrustFigures {
  const svid = identity.current.value?.svid ?? null;
  return {
    svid:
      svid === null
        ? null
        : {
            notAfterSeconds: svid.notAfterMs / 1000,
            secondsLeft: Math.floor((svid.notAfterMs - clock.wallMs()) / 1000),
          },
    domains: [],
    agent: null,
    revocation: [],
  };
}
