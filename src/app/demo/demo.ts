// The demo: everybody of the article's matrix asks for real, the outcomes are told in a table, and then anybody may try by hand.

import { once } from 'node:events';
import { relative } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import { RateLimit } from '../../telemetry/rate-limit.ts';
import { issueCredentials } from './credentials.ts';
import { SVID_TTL_MS } from './identities.ts';
import { formatInvitation } from './invitation.ts';
import { LISTENER_NAMES } from './listeners.ts';
import { formatObservation } from './live.ts';
import { measureOverhead, type Overhead, repeat } from './overhead.ts';
import { type OutcomeGroup, runScenarios } from './run-scenarios.ts';
import { SCENARIOS } from './scenarios.ts';
import { FEATURES } from './services/feature-store.ts';
import { REGISTERED_MODELS } from './services/model-registry.ts';
import { openStage, type Stage, type StageOptions } from './stage.ts';
import { formatMicros, formatTable, type Paint, paintFor } from './table.ts';

export interface DemoOptions extends StageOptions {
  /** `once`: ends after the table. */
  readonly mode: 'once' | 'stay';
  readonly write: (text: string) => void;
  readonly colour: boolean;
  /** Ends the demo wherever it is. */
  readonly stop: AbortSignal;
}

const WARM_UP_REQUESTS = 500;
const MEASURED = { method: 'GET', path: `${FEATURES}/user-42` };
const MEASURED_REQUESTS = 2_000;
const ROTATION_MS = SVID_TTL_MS / 2;
const MAX_LINES_PER_SECOND = 50;

/** @returns whether every outcome was as expected, when nothing is left running. @throws what keeps it from starting. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const { write, stop } = options;
  const paint = paintFor(options.colour);
  const stage = await openStage(options);
  try {
    if (stop.aborted) return false;
    write(formatOpening(options, stage, paint));
    await warmUp(stage);
    const groups = await runScenarios(SCENARIOS, stage, stop);
    if (stop.aborted) return false;
    write(`\n${formatTable(groups, paint)}\n`);
    write(formatSummary(groups, await measure(stage), paint));
    if (options.mode === 'stay') await stay(options, stage, paint);
    return groups.every(({ outcomes }) => outcomes.every(({ complaint }) => complaint === null));
  } finally {
    await stage.close();
  }
}

// Before the first row: what is told is what a request costs, and not what compiling the program does.
async function warmUp({ clientFor }: Stage): Promise<void> {
  await repeat(clientFor('training', 'registry'), { method: 'GET', path: REGISTERED_MODELS }, WARM_UP_REQUESTS);
  await repeat(clientFor('inference', 'feature-store'), MEASURED, WARM_UP_REQUESTS);
}

function measure({ clientFor, tap }: Stage): Promise<Overhead | null> {
  return measureOverhead(clientFor('inference', 'feature-store'), MEASURED, { tap, times: MEASURED_REQUESTS });
}

async function stay(options: DemoOptions, stage: Stage, paint: Paint): Promise<void> {
  const { paths, write, stop } = options;
  const { tap, log, authorities } = stage;
  write(`\n${formatInvitation(paths, stage, paint)}\n`);
  write(paint('dim', 'what is decided from now on is shown below; Ctrl-C ends the demo\n'));
  const lines = new RateLimit(MAX_LINES_PER_SECOND);
  tap.listen((observation, record) => {
    if (!lines.admits(record.principal ?? '', systemClock.monotonicMs())) return;
    write(formatObservation(observation, record, paint));
  });
  const rotation = setInterval(() => {
    issueCredentials(paths, authorities, { writeFiles: options.writeFiles, issuing: options.issuing() }).catch(
      (err: unknown) => log.error({ err }, 'X.509-SVIDs of the demo not rotated'),
    );
  }, ROTATION_MS);
  if (!stop.aborted) await once(stop, 'abort');
  clearInterval(rotation);
  write(`\n${paint('dim', 'draining')}\n`);
}

function formatOpening({ paths, policyFile }: DemoOptions, { origins }: Stage, paint: Paint): string {
  const listeners = LISTENER_NAMES.map((name) => `  ${name.padEnd(14)} ${origins[name]}`);
  const lines = [
    `${paint('bold', 'Sallyport demo')}: three services, a listener in front of each, one access matrix`,
    '',
    ...listeners,
    '',
    `  policy         ${relative('.', policyFile)}`,
    `  configuration  ${paths.config}`,
    `  log            ${paths.log}`,
  ];
  return `${lines.join('\n')}\n`;
}

function formatSummary(groups: readonly OutcomeGroup[], overhead: Overhead | null, paint: Paint): string {
  const outcomes = groups.flatMap((group) => group.outcomes);
  const met = outcomes.filter(({ complaint }) => complaint === null).length;
  const verdict = `${met} of ${outcomes.length} outcomes as expected`;
  const lines = [paint(met === outcomes.length ? 'green' : 'red', verdict)];
  if (overhead !== null) {
    const { requests, medianSeconds, p99Seconds } = overhead;
    const figures = `median ${formatMicros(medianSeconds)} µs, p99 ${formatMicros(p99Seconds)} µs`;
    lines.push(
      `overhead of the sidecar over ${requests.toLocaleString('en')} allowed requests: ${paint('bold', figures)}`,
      paint(
        'dim',
        'µs is the time inside the sidecar: from the bytes of a request to the service being sent it, and from',
      ),
      paint(
        'dim',
        'its answer to that being encrypted and written; the service and the network are not in it. A row is',
      ),
      paint('dim', 'one request, mostly the first on its connection.'),
    );
  }
  return `${lines.join('\n')}\n`;
}
