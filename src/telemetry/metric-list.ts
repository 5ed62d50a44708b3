// Every metric of this program: the names, labels and help texts that dashboards and alerts rely on.

import type { HistogramMetric, Sample, SampledMetric } from './exposition.ts';
import type { Metrics } from './metrics.ts';
import { type TrustFigures, trustMetrics } from './trust-metrics.ts';

/** Figures whose truth lives elsewhere: asked for at each scrape. */
export interface MetricSources {
  /** Of this program. */
  readonly version: string;
  readonly policyEpoch: () => number;
  readonly trust: () => TrustFigures;
  /** Whether the files of each are at present something else than what is in force, because they could not be loaded. */
  readonly reloadsFailing: () => Iterable<readonly [what: string, isFailing: boolean]>;
  readonly decisionCache: () => DecisionCacheFigures;
  /** Of every log destination. */
  readonly logWriteFailures: () => number;
}

interface DecisionCacheFigures {
  readonly hits: number;
  readonly misses: number;
  readonly stale: number;
  readonly entries: number;
}

export function listMetrics(
  metrics: Metrics,
  sources: MetricSources,
  decisionLogDropped: () => number,
): readonly (SampledMetric | HistogramMetric)[] {
  return [
    ...requestMetrics(metrics),
    ...connectionMetrics(metrics),
    ...cacheMetrics(metrics, sources),
    ...stateMetrics(metrics, sources),
    ...trustMetrics(sources.trust),
    ...logMetrics(sources, decisionLogDropped),
  ];
}

function requestMetrics(metrics: Metrics): readonly (SampledMetric | HistogramMetric)[] {
  return [
    {
      type: 'counter',
      name: 'sallyport_decisions_total',
      help:
        'Requests by what was decided about them; source and target are components, unknown where none could be told. ' +
        'A request refused before a decision counts as effect deny with the refusal as reason, source unknown and verb none, ' +
        'so the sum over all labels is the number of requests.',
      labelNames: ['listener', 'source', 'target', 'verb', 'effect', 'reason'],
      read: () => metrics.decisions.all(),
    },
    {
      type: 'counter',
      name: 'sallyport_refusals_total',
      help: "Requests the proxy answered, or cut off, in the upstream's place, before or after the decision.",
      labelNames: ['listener', 'reason'],
      read: () => metrics.refusals.all(),
    },
    {
      type: 'counter',
      name: 'sallyport_responses_total',
      help: 'Requests by class of the status the peer was sent; one that left before its answer counts as 4xx (499).',
      labelNames: ['listener', 'status'],
      read: () => metrics.responses.all(),
    },
    {
      type: 'counter',
      name: 'sallyport_bytes_total',
      help:
        'Body bytes: direction upstream is what peers sent, downstream what they were sent. ' +
        'Counted when a request ends.',
      labelNames: ['listener', 'direction'],
      read: () => metrics.bytes.all(),
    },
    {
      type: 'counter',
      name: 'sallyport_new_destinations_total',
      help: 'Requests of the own program, on egress listeners, for a destination that no route knows; all were refused.',
      labelNames: ['listener'],
      read: () => metrics.newDestinations.all(),
    },
    {
      type: 'histogram',
      name: 'sallyport_decision_duration_seconds',
      help:
        'Time to decide one request, cache included. ' +
        'Sampled: its count is the number of decisions timed, not of requests.',
      observations: metrics.decisionDuration,
    },
    {
      type: 'histogram',
      name: 'sallyport_request_overhead_seconds',
      help:
        'Time a request spent inside the proxy, from its last header byte to the upstream being sent it and from the head of the response to ' +
        'that being encrypted and written; waiting for the upstream excluded: what the proxy costs.',
      observations: metrics.overhead,
    },
    {
      type: 'histogram',
      name: 'sallyport_request_duration_seconds',
      help: 'Time from the request to the end of its response.',
      observations: metrics.requestDuration,
    },
    {
      type: 'histogram',
      name: 'sallyport_upstream_duration_seconds',
      help: 'Time from asking the upstream to the end of its response, for requests that reached one.',
      observations: metrics.upstreamDuration,
    },
  ];
}

function connectionMetrics(metrics: Metrics): readonly SampledMetric[] {
  return [
    {
      type: 'counter',
      name: 'sallyport_handshakes_total',
      help: 'TLS handshakes by result, accepted or refused, and reason.',
      labelNames: ['result', 'reason'],
      read: () => metrics.handshakes.all(),
    },
    {
      type: 'gauge',
      name: 'sallyport_connections_open',
      help: 'Connections from peers that are open now.',
      labelNames: [],
      read: () => single(metrics.connectionsOpen),
    },
    {
      type: 'counter',
      name: 'sallyport_connections_terminated_total',
      help: 'Connections from peers that the proxy ended for a reason of its own.',
      labelNames: ['reason'],
      read: () => metrics.terminations.all(),
    },
  ];
}

function cacheMetrics(metrics: Metrics, sources: MetricSources): readonly SampledMetric[] {
  return [
    {
      type: 'counter',
      name: 'sallyport_decision_cache_total',
      help:
        'Decisions by how the cache served them: hit, miss, ' +
        'or stale when an entry was found whose policy, trust or SVID was no longer in force.',
      labelNames: ['result'],
      read: () => {
        const { hits, misses, stale } = sources.decisionCache();
        return [
          { labels: { result: 'hit' }, value: hits },
          { labels: { result: 'miss' }, value: misses },
          { labels: { result: 'stale' }, value: stale },
        ];
      },
    },
    {
      type: 'gauge',
      name: 'sallyport_decision_cache_entries',
      help: 'Decisions in the cache now.',
      labelNames: [],
      read: () => single(sources.decisionCache().entries),
    },
    {
      type: 'counter',
      name: 'sallyport_cache_disagreements_total',
      help: 'Cached decisions that came out differently when made again. Anything but 0 is a defect of the program.',
      labelNames: [],
      read: () => single(metrics.cacheDisagreements),
    },
  ];
}

function stateMetrics(metrics: Metrics, sources: MetricSources): readonly SampledMetric[] {
  return [
    {
      type: 'gauge',
      name: 'sallyport_policy_epoch',
      help: 'Number of the policy in force: 1 at the start, one more with each that took its place.',
      labelNames: [],
      read: () => single(sources.policyEpoch()),
    },
    {
      type: 'counter',
      name: 'sallyport_reload_total',
      help: 'Changed files read again, by what they hold; after a failure the last good state stays in force.',
      labelNames: ['what', 'result'],
      read: () => metrics.reloads.all(),
    },
    {
      type: 'gauge',
      name: 'sallyport_reload_failing',
      help: 'What is on disk could not be loaded, and what is in force is older, as long as this is 1.',
      labelNames: ['what'],
      read: () =>
        Array.from(sources.reloadsFailing(), ([what, isFailing]) => ({ labels: { what }, value: isFailing ? 1 : 0 })),
    },
    {
      type: 'counter',
      name: 'sallyport_clock_jumps_total',
      help: 'Times the wall clock was set, or went on while this machine was asleep; everything with a validity was looked at again.',
      labelNames: ['direction'],
      read: () => metrics.clockJumps.all(),
    },
    {
      type: 'gauge',
      name: 'sallyport_build_info',
      help: 'Always 1; the label is the version that runs.',
      labelNames: ['version'],
      read: () => [{ labels: { version: sources.version }, value: 1 }],
    },
  ];
}

function logMetrics(sources: MetricSources, decisionLogDropped: () => number): readonly SampledMetric[] {
  return [
    {
      type: 'counter',
      name: 'sallyport_decision_log_dropped_total',
      help: 'Decision log records that were due and were not written: too many at once, or the destination failed.',
      labelNames: [],
      read: () => single(decisionLogDropped()),
    },
    {
      type: 'counter',
      name: 'sallyport_log_write_failures_total',
      help: 'Writes to a log destination that failed (disk full, closed pipe) or were turned away because too much was waiting.',
      labelNames: [],
      read: () => single(sources.logWriteFailures()),
    },
  ];
}

function single(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}
