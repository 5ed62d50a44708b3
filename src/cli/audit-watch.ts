// `audit cluster --live --watch`: audits a cluster, and then tells what each change of it opens and closes, until it is stopped.

import type { AuditTerms } from '../audit/audit.ts';
import type { AuditReport } from '../audit/report.ts';
import type { AuditEvent } from '../audit/watch/audit-event.ts';
import type { ObjectChange } from '../audit/watch/object-change.ts';
import { WatchedCluster, type WatchedTerms } from '../audit/watch/watched-cluster.ts';
import { rest } from '../kube/retry.ts';
import { type ClusterWatch, type ClusterWatchTerms, WATCH_LIMITS, watchCluster } from '../kube/watch-cluster.ts';
import { EXIT } from './audit-error.ts';
import { filterEvaluations, type FilterFlags, keepsWorkload } from './audit-filter.ts';
import type { SourceFlags } from './audit-input.ts';
import { liveTerms } from './audit-live.ts';
import { type Output, writeReport } from './audit-output.ts';
import { type EventForm, formatEvent, outputsBeside } from './audit-watch-form.ts';
import type { CommandIo } from './command-io.ts';
import { stopOnSignal } from './stop-signal.ts';

export interface WatchCommand {
  readonly flags: SourceFlags & FilterFlags & { readonly events?: EventForm; readonly showUnknown: boolean };
  readonly terms: AuditTerms;
  readonly targets: readonly Output[];
  readonly exitOf: (report: AuditReport) => number;
  readonly io: CommandIo;
}

/** The exit code of the last audit. */
export async function watchCommand({ flags, terms, targets, exitOf, io }: WatchCommand): Promise<number> {
  const form = flags.events ?? (process.stdout.isTTY ? 'text' : 'ndjson');
  const outputs = outputsBeside(targets, form);
  const live = liveTerms(flags, io);
  const { clock } = live.ports;
  const stop = stopOnSignal();
  try {
    return await watchAudit({
      flags,
      terms,
      exitOf,
      cluster: { ...live, watchLimits: WATCH_LIMITS },
      signal: stop.signal,
      tell: (event) => io.tell(formatEvent(event, form, clock.wallMs())),
      report: async (report, time) => {
        const due = time === 'first' ? outputs : outputs.filter(({ file }) => file !== null);
        await writeReport(report, due, { io, showUnknown: flags.showUnknown, nowMs: clock.wallMs() });
      },
    });
  } finally {
    stop.release();
  }
}

export interface WatchedAudit {
  readonly flags: FilterFlags;
  readonly terms: AuditTerms;
  readonly exitOf: (report: AuditReport) => number;
  readonly cluster: Omit<ClusterWatchTerms, 'onBroken' | 'signal'>;
  readonly signal: AbortSignal;
  readonly tell: (event: AuditEvent) => void;
  /** After the first audit, and after each that had something to tell. */
  readonly report: (report: AuditReport, time: 'first' | 'again') => Promise<void>;
}

/** What changes together is told together. */
const TOGETHER_MS = 200;
/** A server that goes away is missed by one watch after the other. */
const OUT_OF_SIGHT_MS = 1000;
/** Exceptions and credentials expire though no object changes. */
const AT_LEAST_EVERY_MS = 900_000;

/** @throws {ApiError | ConnectionError} when the cluster cannot be read at all */
export async function watchAudit(audit: WatchedAudit): Promise<number> {
  const { cluster, exitOf, report, signal, tell } = audit;
  const { clock, schedule } = cluster.ports;
  const broken = new AbortController();
  const watch = await startWatch({ ...cluster, signal, onBroken: (error) => broken.abort(error) });
  if (watch === null) return EXIT.incomplete;
  try {
    const news = new News();
    watch.subscribe((changes) => news.add(changes));
    const watched = new WatchedCluster(watchedTerms(audit));
    const first = watched.audit(watch.inventory, news.take(), tell);
    await report(first, 'first');
    tell(summaryOf(first, watch));
    let code = exitOf(first);
    for (;;) {
      await rest(AT_LEAST_EVERY_MS, AbortSignal.any([signal, broken.signal, news.arrived]), schedule);
      await rest(news.isOfObjects ? TOGETHER_MS : OUT_OF_SIGHT_MS, signal, schedule);
      broken.signal.throwIfAborted();
      if (signal.aborted) return code;
      const beganMs = clock.monotonicMs();
      let told = 0;
      const next = watched.audit(watch.inventory, news.take(), (event) => {
        told += 1;
        tell(event);
      });
      if (told > 0) await report(next, 'again');
      code = exitOf(next);
      // In a cluster where something always happens, a third of the time is left to everything else.
      await rest((clock.monotonicMs() - beganMs) / 2, signal, schedule);
    }
  } finally {
    watch.close();
  }
}

/** Null when it was stopped before everything was read. */
async function startWatch(terms: ClusterWatchTerms): Promise<ClusterWatch | null> {
  try {
    const watch = await watchCluster(terms);
    return terms.signal.aborted ? null : watch;
  } catch (error) {
    if (terms.signal.aborted) return null;
    throw error;
  }
}

/** What has changed since it was last looked at. */
class News {
  #pending: ObjectChange[] = [];
  #arrived = new AbortController();

  get arrived(): AbortSignal {
    return this.#arrived.signal;
  }

  get isOfObjects(): boolean {
    return this.#pending.length > 0;
  }

  add(changes: readonly ObjectChange[]): void {
    this.#pending.push(...changes);
    this.#arrived.abort();
  }

  take(): readonly ObjectChange[] {
    const taken = this.#pending;
    this.#pending = [];
    this.#arrived = new AbortController();
    return taken;
  }
}

function watchedTerms({ cluster, flags, terms }: WatchedAudit): WatchedTerms {
  const { clock } = cluster.ports;
  return {
    terms: () => ({ ...terms, context: { ...terms.context, nowMs: clock.wallMs() } }),
    filter: (evaluations, found) => filterEvaluations(evaluations, flags, found),
    keeps: (workload) => keepsWorkload(flags, workload),
  };
}

function summaryOf({ summary }: AuditReport, { inventory }: ClusterWatch): AuditEvent {
  const { workloads, severities, verdicts } = summary;
  return { kind: 'watching', source: inventory.source, workloads, failures: severities, unknown: verdicts.unknown };
}
