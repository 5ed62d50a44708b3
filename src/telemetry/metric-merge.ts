// The metrics of several processes as if they were one: what each metric means when there is more than one of them, in one table.

import { AggregatorRegistry, type Registry } from 'prom-client';

/** A metric as one process reports it. */
export interface ReportedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly ReportedValue[];
}

interface ReportedValue {
  readonly labels: Readonly<Partial<Record<string, string | number>>>;
  readonly value: number;
  /** Of a histogram's buckets, sum and count. */
  readonly metricName?: string;
}

/** `primary`: only the process that reads files and agents knows; what workers say of it is left out. */
export type MergeRule = 'sum' | 'min' | 'max' | 'primary';

const RULES: Readonly<Record<string, MergeRule>> = {
  sallyport_decisions_total: 'sum',
  sallyport_refusals_total: 'sum',
  sallyport_responses_total: 'sum',
  sallyport_bytes_total: 'sum',
  sallyport_decision_duration_seconds: 'sum',
  sallyport_request_overhead_seconds: 'sum',
  sallyport_request_duration_seconds: 'sum',
  sallyport_upstream_duration_seconds: 'sum',
  sallyport_new_destinations_total: 'sum',
  sallyport_handshakes_total: 'sum',
  sallyport_connections_open: 'sum',
  sallyport_connections_terminated_total: 'sum',
  sallyport_decision_cache_total: 'sum',
  sallyport_decision_cache_entries: 'sum',
  sallyport_cache_disagreements_total: 'sum',
  sallyport_decision_log_dropped_total: 'sum',
  sallyport_log_write_failures_total: 'sum',
  // Of the one that is furthest behind.
  sallyport_policy_epoch: 'min',
  sallyport_svid_expiry_timestamp_seconds: 'min',
  sallyport_svid_seconds_left: 'min',
  sallyport_reload_total: 'primary',
  sallyport_reload_failing: 'primary',
  sallyport_clock_jumps_total: 'primary',
  sallyport_build_info: 'primary',
  sallyport_workers: 'primary',
  sallyport_worker_restarts_total: 'primary',
  sallyport_trust_bundle_authorities: 'primary',
  sallyport_trust_bundle_jwt_keys: 'primary',
  sallyport_trust_bundle_sequence: 'primary',
  sallyport_trust_bundle_age_seconds: 'primary',
  sallyport_workload_api_state: 'primary',
  sallyport_workload_api_last_message_age_seconds: 'primary',
  sallyport_workload_api_discarded_messages_total: 'primary',
  sallyport_revocation_entries: 'primary',
  sallyport_revocation_list_age_seconds: 'primary',
  sallyport_revocation_list_current: 'primary',
  process_cpu_user_seconds_total: 'sum',
  process_cpu_system_seconds_total: 'sum',
  process_cpu_seconds_total: 'sum',
  process_resident_memory_bytes: 'sum',
  process_virtual_memory_bytes: 'sum',
  process_heap_bytes: 'sum',
  process_open_fds: 'sum',
  // Each process has this many to itself.
  process_max_fds: 'min',
  process_start_time_seconds: 'primary',
  // Of the one that is worst off.
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_min_seconds: 'min',
  nodejs_eventloop_lag_max_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
  nodejs_heap_size_total_bytes: 'sum',
  nodejs_heap_size_used_bytes: 'sum',
  nodejs_external_memory_bytes: 'sum',
  nodejs_heap_space_size_total_bytes: 'sum',
  nodejs_heap_space_size_used_bytes: 'sum',
  nodejs_heap_space_size_available_bytes: 'sum',
  nodejs_gc_duration_seconds: 'sum',
  nodejs_version_info: 'primary',
};

const RULE_OF: ReadonlyMap<string, MergeRule> = new Map(Object.entries(RULES));

/** Undefined for a metric that nobody said anything about. */
export function findMergeRule(name: string): MergeRule | undefined {
  return RULE_OF.get(name);
}

/** As text for a scrape. @throws {Error} for a metric without a rule: a figure that means nothing is worse than none. */
export async function mergeMetrics(
  primary: readonly ReportedMetric[],
  workers: readonly (readonly ReportedMetric[])[],
): Promise<{ readonly contentType: string; readonly text: string }> {
  const ofWorkers = workers.map((metrics) => metrics.filter(({ name }) => ruleOf(name) !== 'primary'));
  const merged = fold([primary, ...ofWorkers]).map((metric) => ({ ...metric, aggregator: 'first' }));
  const registry = AggregatorRegistry.aggregate(merged.map((metric) => [metric]));
  return { contentType: registry.contentType, text: await registry.metrics() };
}

/**
 * What a process that has ended leaves in the totals: a counter that shrank would be taken for one that began anew, and everything
 * it still holds would be counted again.
 */
export function retireMetrics(
  retired: readonly ReportedMetric[],
  ended: readonly ReportedMetric[],
): readonly ReportedMetric[] {
  return fold([retired, ended.filter(({ name, type }) => ruleOf(name) === 'sum' && type !== 'gauge')]);
}

/** Everything in `registry`, for another process. */
export async function toReport(registry: Registry): Promise<readonly ReportedMetric[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map(({ name, help, type, values }) => ({
    name,
    help,
    type: String(type),
    values: values.map(toValue),
  }));
}

function toValue({ labels, value, ...more }: ReportedValue): ReportedValue {
  return { labels, value, ...('metricName' in more ? { metricName: more.metricName } : {}) };
}

function fold(reports: readonly (readonly ReportedMetric[])[]): readonly ReportedMetric[] {
  const byName = new Map<string, { readonly metric: ReportedMetric; readonly values: Map<string, ReportedValue> }>();
  for (const metric of reports.flat()) {
    const rule = ruleOf(metric.name);
    const folded = byName.get(metric.name) ?? { metric, values: new Map<string, ReportedValue>() };
    byName.set(metric.name, folded);
    for (const value of metric.values) {
      const key = keyOf(value);
      const before = folded.values.get(key);
      folded.values.set(
        key,
        before === undefined ? value : { ...before, value: COMBINE[rule](before.value, value.value) },
      );
    }
  }
  return Array.from(byName.values(), ({ metric, values }) => ({ ...metric, values: [...values.values()] }));
}

const COMBINE: Readonly<Record<MergeRule, (before: number, next: number) => number>> = {
  sum: (before, next) => before + next,
  min: Math.min,
  max: Math.max,
  primary: (before) => before,
};

/** Whichever order a process has its labels in. */
function keyOf({ metricName, labels }: ReportedValue): string {
  const named = Object.entries(labels).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return JSON.stringify([metricName, named]);
}

function ruleOf(name: string): MergeRule {
  const rule = findMergeRule(name);
  if (rule === undefined) throw new Error(`no rule says what ${name} means of several processes`);
  return rule;
}
