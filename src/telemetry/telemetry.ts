// The one place where what happened becomes metrics and log lines.

import { DecisionLog, type DecisionLogOptions } from './decision-log.ts';
import { createRegistry } from './exposition.ts';
import { listMetrics, type MetricSources } from './metric-list.ts';
import { type ReportedMetric, toReport } from './metric-merge.ts';
import { Metrics } from './metrics.ts';
import type { Recorder } from './recorder.ts';

export interface TelemetryOptions {
  readonly sources: MetricSources;
  readonly decisionLog: DecisionLogOptions;
}

export interface Telemetry {
  readonly recorder: Recorder;
  /** The metrics as Prometheus reads them, and the media type of that. */
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** The same for another process, which merges them with its own. */
  report(): Promise<readonly ReportedMetric[]>;
  /** Hands the decision log's last records to its destination, which is flushed after this. */
  flush(): void;
}

export function createTelemetry({ sources, decisionLog: logOptions }: TelemetryOptions): Telemetry {
  const metrics = new Metrics();
  const decisionLog = new DecisionLog(logOptions);
  const registry = createRegistry(listMetrics(metrics, sources, () => decisionLog.dropped));
  return {
    recorder: {
      request: (record) => {
        metrics.request(record);
        decisionLog.request(record);
      },
      handshake: (result, reason) => metrics.handshake(result, reason),
      connectionOpened: () => metrics.connectionOpened(),
      connectionClosed: () => metrics.connectionClosed(),
      connectionTerminated: (reason) => metrics.connectionTerminated(reason),
      reload: (what, result) => {
        metrics.reload(what, result);
        if (what === 'policy' && result === 'success') decisionLog.startPolicyEpoch();
      },
      clockJump: (direction) => metrics.clockJump(direction),
      cacheDisagreement: () => metrics.cacheDisagreement(),
      newDestination: (listener) => metrics.newDestination(listener),
    },
    scrape: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
    report: () => toReport(registry),
    flush: () => decisionLog.flush(),
  };
}
