// What decides and what counts, which need each other: the cache tells of disagreements, the metrics show the cache.

import { type Clock, systemSchedule } from '../core/clock.ts';
import { DecisionCache } from '../policy/decision-cache.ts';
import type { LineSink } from '../telemetry/log-destination.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { MetricSources } from '../telemetry/metric-list.ts';
import type { RequestRecord } from '../telemetry/recorder.ts';
import { createTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import type { Config } from './config.ts';
import { readVersion } from './version.ts';

export interface InstrumentOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Where decision log lines go. */
  readonly decisionLog: LineSink;
  readonly logWriteFailures: () => number;
  /** Told of every request after it is over; null when nobody asks. */
  readonly onRequest: ((record: RequestRecord) => void) | null;
}

/** Of the figures, those whose truth is not in this process alone. */
export type SharedFigures = Pick<MetricSources, 'policyEpoch' | 'trust' | 'reloadsFailing'>;

/** Over all workers. */
const MAX_DECISION_RECORDS_PER_SECOND = 10_000;

export function createInstruments(
  { config, log, decisionLog, logWriteFailures, onRequest }: InstrumentOptions,
  figures: SharedFigures,
  clock: Clock,
): { readonly cache: DecisionCache; readonly telemetry: Telemetry } {
  const cache = new DecisionCache({
    ...config.cache,
    // Not the query: it is in no other log either.
    onDisagreement: (cached, fresh, { principal, target, method, path }) => {
      telemetry.recorder.cacheDisagreement();
      log.error({ cached, fresh, principal, target, method, path }, 'cached decision differs from the matrix');
    },
  });
  const telemetry = createTelemetry({
    sources: {
      version: readVersion(),
      ...figures,
      decisionCache: () => ({ ...cache.counts, entries: cache.entries }),
      logWriteFailures,
    },
    decisionLog: {
      ...config.decisionLog,
      maxRecordsPerSecond: MAX_DECISION_RECORDS_PER_SECOND / config.workers,
      destination: decisionLog,
      clock,
      schedule: systemSchedule,
      random: Math.random,
    },
  });
  return { cache, telemetry: onRequest === null ? telemetry : tellingAlso(telemetry, onRequest) };
}

function tellingAlso(telemetry: Telemetry, onRequest: (record: RequestRecord) => void): Telemetry {
  const { recorder } = telemetry;
  return {
    ...telemetry,
    recorder: {
      ...recorder,
      request: (record) => {
        recorder.request(record);
        onRequest(record);
      },
    },
  };
}
