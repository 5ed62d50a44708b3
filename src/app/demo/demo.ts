// The demo: everybody of the article's matrix asks for real, the outcomes are told in a table, and then anybody may try by hand.

import { measureOverhead, type Overhead, repeat } from './overhead.ts';
import { type OutcomeGroup, runScenarios } from './run-scenarios.ts';
import { REVOKED_SCENARIOS, SCENARIOS } from './scenarios.ts';
import { FEATURES } from './services/feature-store.ts';
import { REGISTERED_MODELS } from './services/model-registry.ts';
import { openStage, type Stage } from './stage.ts';
import { stay, type StayOptions } from './stay.ts';
import { formatOpening, formatSummary } from './summary.ts';
import { formatTable, formatTrials, paintFor } from './table.ts';
import { type Trial, tryRevocation, tryRotation } from './trials.ts';

export interface DemoOptions extends StayOptions {
  /** `once`: ends after the table. */
  readonly mode: 'once' | 'stay';
  readonly colour: boolean;
}

interface Findings {
  readonly groups: readonly OutcomeGroup[];
  readonly trials: readonly Trial[];
}

const WARM_UP_REQUESTS = 500;
const MEASURED = { method: 'GET', path: `${FEATURES}/user-42` };
const MEASURED_REQUESTS = 2_000;
const PAUSE_MS = 2;

/** @returns whether every outcome was as expected, when nothing is left running. @throws what keeps it from starting. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const { write, stop } = options;
  const paint = paintFor(options.colour);
  const stage = await openUnlessStopped(options);
  if (stage === null) return false;
  try {
    write(formatOpening(options, stage, paint));
    await warmUp(stage);
    const { groups, trials } = await findOut(stage, stop);
    if (stop.aborted) return false;
    write(`\n${formatTable(groups, paint)}\n${formatTrials('what open connections notice', trials, paint)}\n`);
    const complaints = [...groups.flatMap(({ outcomes }) => outcomes), ...trials].map(({ complaint }) => complaint);
    write(formatSummary(complaints, await measure(stage), paint));
    if (options.mode === 'stay') await stay(options, stage, paint);
    return complaints.every((complaint) => complaint === null);
  } finally {
    await stage.close();
  }
}

async function openUnlessStopped(options: DemoOptions): Promise<Stage | null> {
  const stage = await openStage(options).catch((error: unknown) => {
    if (options.stop.aborted) return null;
    throw error;
  });
  if (!options.stop.aborted) return stage;
  await stage?.close();
  return null;
}

// Before the first row: what is told is what a request costs, and not what compiling the program does.
async function warmUp({ clientFor }: Stage): Promise<void> {
  await repeat(clientFor('training', 'registry'), { method: 'GET', path: REGISTERED_MODELS }, WARM_UP_REQUESTS);
  await repeat(clientFor('inference', 'feature-store'), MEASURED, WARM_UP_REQUESTS);
}

async function findOut(stage: Stage, stop: AbortSignal): Promise<Findings> {
  const groups = await runScenarios(SCENARIOS, stage, stop);
  const traffic = stage.startTraffic({ pauseMs: PAUSE_MS });
  const rotation = await tryRotation(stage, traffic, stop);
  const whileRevoked = async (): Promise<readonly OutcomeGroup[]> => {
    await stage.hangUp();
    return runScenarios([REVOKED_SCENARIOS], stage, stop);
  };
  const { trial: revocation, found } = await tryRevocation(stage, traffic, { whileRevoked, stop });
  await traffic.close();
  return { groups: [...groups, ...found], trials: [rotation, revocation] };
}

function measure({ clientFor, tap }: Stage): Promise<Overhead | null> {
  return measureOverhead(clientFor('inference', 'feature-store'), MEASURED, { tap, times: MEASURED_REQUESTS });
}
