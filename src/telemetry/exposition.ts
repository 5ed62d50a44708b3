// How our counters reach a scrape: prom-client writes the exposition format, and reads ours when it does.

import { collectDefaultMetrics, Counter, Gauge, Histogram as PromHistogram, Registry } from 'prom-client';
import type { Histogram } from './histogram.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface SampledMetric {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  /** Called at each scrape. */
  readonly read: () => Iterable<Sample>;
}

export interface HistogramMetric {
  readonly type: 'histogram';
  readonly name: string;
  readonly help: string;
  readonly observations: Histogram;
}

/** Each walks every open socket, in the turn of the event loop that also serves requests, for what we count ourselves. */
const COSTLY_DEFAULTS = ['nodejs_active_resources', 'nodejs_active_handles', 'nodejs_active_requests'].flatMap(
  (name) => [name, `${name}_total`],
);

/** A registry of `metrics` and of those of the process: CPU, memory, event loop lag, garbage collection, descriptors, start time. */
export function createRegistry(metrics: readonly (SampledMetric | HistogramMetric)[]): Registry {
  const registry = new Registry();
  for (const metric of metrics) register(registry, metric);
  collectDefaultMetrics({ register: registry });
  for (const name of COSTLY_DEFAULTS) registry.removeSingleMetric(name);
  return registry;
}

function register(registry: Registry, metric: SampledMetric | HistogramMetric): void {
  if (metric.type === 'histogram') {
    registry.registerMetric(new ScrapedHistogram(metric));
    return;
  }
  const { name, help, labelNames, read } = metric;
  const options = { name, help, labelNames, registers: [registry] };
  switch (metric.type) {
    case 'counter': {
      const counter = new Counter({
        ...options,
        collect: () => {
          clear(counter, labelNames);
          for (const { labels, value } of read()) counter.inc(labels, value);
        },
      });
      return;
    }
    case 'gauge': {
      const gauge = new Gauge({
        ...options,
        collect: () => {
          clear(gauge, labelNames);
          for (const { labels, value } of read()) gauge.set(labels, value);
        },
      });
    }
  }
}

/** What has no labels would be left with a 0 that nobody said. */
function clear(metric: Counter | Gauge, labelNames: readonly string[]): void {
  metric.reset();
  if (labelNames.length === 0) metric.remove();
}

/** A prom-client histogram that shows our buckets; its own are never filled. */
class ScrapedHistogram extends PromHistogram {
  readonly #metric: HistogramMetric;

  constructor(metric: HistogramMetric) {
    super({ name: metric.name, help: metric.help, registers: [] });
    this.#metric = metric;
  }

  /** What prom-client's registry asks each histogram for, for text and for JSON. */
  getForPromString() {
    const { name, help, type, observations } = this.#metric;
    const { bounds, sum, count } = observations;
    const buckets = observations.cumulative().map((value, index) => ({
      metricName: `${name}_bucket`,
      labels: { le: bounds[index] },
      sharedLabels: {},
      value,
    }));
    const values = [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: '+Inf' }, sharedLabels: {}, value: count },
      { metricName: `${name}_sum`, labels: {}, sharedLabels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, sharedLabels: {}, value: count },
    ];
    return { name, help, type, aggregator: 'sum', values };
  }
}
