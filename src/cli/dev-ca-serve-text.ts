// What `dev-ca serve` tells a person: how to use it, and one line for everything that it does.

import { quote } from '../core/quote.ts';
import type { SallyportError } from '../core/error.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import type { AgentEvent } from '../workload-api/server-agent.ts';
import type { Colour, Paint } from './paint.ts';
import { shellWord } from './shell-word.ts';

export interface AgentFacts {
  readonly trustDomain: TrustDomain;
  readonly endpoint: string;
  /** Null for a TCP port. */
  readonly socketMode: number | null;
  /** Null: made for this run. */
  readonly caDirectory: string | null;
  readonly entriesFile: string | null;
  readonly bundleFile: string | null;
  readonly ids: readonly SpiffeId[];
  readonly federated: readonly TrustDomain[];
}

const LABEL_WIDTH = 11;
const VERB_WIDTH = 9;
const MAX_IDS = 3;

export function formatBanner(facts: AgentFacts, paint: Paint): string {
  const { endpoint, socketMode, caDirectory, entriesFile, bundleFile, ids, federated } = facts;
  const mode = socketMode === null ? '' : ` (mode 0${socketMode.toString(8)})`;
  const rows: [string, string][] = [
    ['socket', `${endpoint}${mode}`],
    ['CA', caDirectory ?? 'new, in memory'],
    ['identities', ids.length === 0 ? 'none: everybody is refused' : ids.join(`\n  ${' '.repeat(LABEL_WIDTH)}`)],
  ];
  if (entriesFile !== null) rows.push(['entries', `${entriesFile}, followed`]);
  if (federated.length > 0) rows.push(['federated', federated.join(', ')]);
  if (bundleFile !== null) rows.push(['bundle', `${bundleFile}, written`]);
  const lines = [
    `${paint('Workload API', 'bold')} of ${facts.trustDomain}; for development only`,
    ...rows.map(([label, value]) => `  ${label.padEnd(LABEL_WIDTH)}${value}`),
    '',
    paint('# for every workload that should use it', 'dim'),
    `export SPIFFE_ENDPOINT_SOCKET=${shellWord(endpoint)}`,
    '',
  ];
  return `${lines.join('\n')}\n`;
}

export function formatAgentEvent(event: AgentEvent, nowMs: number, paint: Paint): string {
  switch (event.kind) {
    case 'issued':
      return formatIssued(event, nowMs, paint);
    case 'not-issued': {
      const retry = `tried again in ${event.retryMs / 1000} s`;
      return line({ nowMs, verb: 'failed', colour: 'red' }, `${event.error.message}; ${retry}`, paint);
    }
    case 'jwt-issued': {
      const audiences = event.audiences.map(quote).join(', ');
      const what = `${event.id} for ${audiences}, until ${timeOf(event.expiresMs)}`;
      return line({ nowMs, verb: 'JWT-SVID', colour: 'dim' }, what, paint);
    }
  }
}

export function formatFederated(trustDomains: readonly TrustDomain[], nowMs: number, paint: Paint): string {
  const what = trustDomains.length === 0 ? 'no other trust domain' : trustDomains.join(', ');
  return line({ nowMs, verb: 'federated', colour: 'yellow' }, what, paint);
}

/** For standard error; what was served before goes on. */
export function formatProblem(error: SallyportError<string>): string {
  return `sallyport: ${error.message}\nsallyport: what was read before stays in force\n`;
}

type Issued = Extract<AgentEvent, { readonly kind: 'issued' }>;

const VERBS: Readonly<Record<Issued['cause'], string>> = {
  start: 'issued',
  'half-life': 'rotated',
  asked: 'rotated',
  entries: 'entries',
};

function formatIssued({ cause, svids, served, streams }: Issued, nowMs: number, paint: Paint): string {
  if (served === 0)
    return line({ nowMs, verb: 'denied', colour: 'red' }, 'no identity left: everybody is refused', paint);
  const told = streams === 0 ? '' : `; ${count(streams, 'stream')} told`;
  const untilMs = Math.min(...svids.map(({ notAfterMs }) => notAfterMs));
  const fresh = svids.length === 0 ? '' : `${shorten(svids.map(({ id }) => id))}, until ${timeOf(untilMs)}`;
  const total = `${count(served, 'identity', 'identities')} served`;
  const what = cause === 'entries' ? [total, fresh === '' ? '' : `new: ${fresh}`].filter(Boolean).join('; ') : fresh;
  const colour = cause === 'entries' ? 'yellow' : 'green';
  return line({ nowMs, verb: VERBS[cause], colour }, `${what}${told}`, paint);
}

function line(
  { nowMs, verb, colour }: { readonly nowMs: number; readonly verb: string; readonly colour: Colour },
  what: string,
  paint: Paint,
): string {
  return `${paint(timeOf(nowMs), 'dim')}  ${paint(verb.padEnd(VERB_WIDTH), colour)}  ${what}\n`;
}

function shorten(ids: readonly SpiffeId[]): string {
  if (ids.length <= MAX_IDS) return ids.join(', ');
  return `${ids.slice(0, MAX_IDS - 1).join(', ')} and ${ids.length - MAX_IDS + 1} more`;
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** In UTC. */
function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(11, 19)}Z`;
}
