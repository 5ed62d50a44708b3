// The admin listener, for operators on this machine, and the probe listener, for the kubelet and Prometheus outside it.

import type { Clock } from '../core/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { BindAddress } from './bind-address.ts';
import { createPageServer, JSON_TYPE, type Page, type PageServer, type Reply, TEXT } from './page-server.ts';
import { assessReadiness, type ReadinessCheck } from './readiness.ts';

export interface ProbeServerOptions {
  readonly bind: BindAddress;
  readonly scrape: Telemetry['scrape'];
  readonly readiness: readonly ReadinessCheck[];
  readonly log: Pick<Logger, 'error'>;
  readonly clock: Clock;
}

export interface AdminServerOptions extends Omit<ProbeServerOptions, 'clock'> {
  /** The configuration in force as JSON, without secrets. */
  readonly config: () => unknown;
  readonly policy: () => PolicyReport;
  readonly identity: () => IdentityReport;
}

/** Who we are and whom we trust, as JSON and as text. */
interface IdentityReport {
  readonly json: unknown;
  readonly text: string;
}

/** The policy in force. Only one of its two forms is made for an answer: of a large matrix either takes its time. */
interface PolicyReport {
  readonly epoch: number;
  readonly digest: string;
  /** The access matrix as JSON. */
  readonly table: () => unknown;
  /** The same as a table for a terminal. */
  readonly text: () => string;
}

/** Whoever reaches the probe listener costs the data plane at most one scrape in this time. */
const SCRAPE_INTERVAL_MS = 200;

/** `/`, `/metrics`, `/healthz`, `/readyz`, `/config`, `/identity` and `/policy`. */
export function createAdminServer(options: AdminServerOptions): PageServer {
  const pages = new Map<string, Page>([
    ...probePages(options, options.scrape),
    ['/config', () => json(200, options.config())],
    ['/identity', (accept) => identityPage(options.identity(), accept)],
    ['/policy', (accept) => policyPage(options.policy(), accept)],
  ]);
  const index = `${[...pages.keys()].join('\n')}\n`;
  pages.set('/', () => ({ status: 200, contentType: TEXT, body: index }));
  return createPageServer(options.bind, pages, options.log);
}

/** `/metrics`, `/healthz` and `/readyz`. */
export function createProbeServer(options: ProbeServerOptions): PageServer {
  const pages = probePages(options, remember(options.scrape, options.clock));
  return createPageServer(options.bind, new Map(pages), options.log);
}

function probePages(
  { readiness, log }: Pick<ProbeServerOptions, 'readiness' | 'log'>,
  scrape: Telemetry['scrape'],
): readonly (readonly [path: string, page: Page])[] {
  const onError = (err: unknown): void => log.error({ err }, 'readiness check failed');
  return [
    [
      '/metrics',
      async () => {
        const { contentType, text } = await scrape();
        return { status: 200, contentType, body: text };
      },
    ],
    ['/healthz', () => ({ status: 200, contentType: TEXT, body: 'ok\n' })],
    [
      '/readyz',
      () => {
        const assessment = assessReadiness(readiness, onError);
        return json(assessment.ready ? 200 : 503, assessment);
      },
    ],
  ];
}

function policyPage({ epoch, digest, table, text }: PolicyReport, accept: string): ReturnType<Page> {
  if (!accept.includes('text/plain')) return json(200, { epoch, digest, table: table() });
  return { status: 200, contentType: TEXT, body: `epoch ${epoch}\nsha256 ${digest}\n\n${text().trimEnd()}\n` };
}

/** For a person, unless a program asks. */
function identityPage({ json: report, text }: IdentityReport, accept: string): ReturnType<Page> {
  if (accept.includes('application/json')) return json(200, report);
  return { status: 200, contentType: TEXT, body: text };
}

function json(status: number, value: unknown): Reply {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function remember(scrape: Telemetry['scrape'], clock: Clock): Telemetry['scrape'] {
  let latest: ReturnType<Telemetry['scrape']> | null = null;
  let takenAtMs = -Infinity;
  return () => {
    const nowMs = clock.monotonicMs();
    if (latest === null || nowMs - takenAtMs >= SCRAPE_INTERVAL_MS) {
      latest = scrape();
      takenAtMs = nowMs;
    }
    return latest;
  };
}
